"""What a stack hands to its processes; nothing is started here."""

from pathlib import Path

import pytest

from deploy.local import Stack


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def _quiet(_line: str) -> None:
    """Nobody listens."""


def test_a_process_gets_all_it_needs(home: Path) -> None:
    environment = Stack(home, 9100, {}, _quiet).environment()

    assert environment["EINLASS_PUBLIC_URL"] == "http://127.0.0.1:9100"
    assert environment["EINLASS_SMTP_URL"] == "smtp://127.0.0.1:9102"
    assert environment["EINLASS_REDIS_URL"] == "redis://127.0.0.1:9105/0"
    assert environment["EINLASS_KAFKA_BOOTSTRAP"] == "127.0.0.1:9106"
    assert environment["EINLASS_REGISTRATION_INTERNAL_URL"] == "http://127.0.0.1:9111"
    for service in ("registration", "waitlist", "notifications"):
        url = environment[f"EINLASS_{service.upper()}_DATABASE_URL"]
        assert url.startswith(f"postgresql://einlass_{service}:")
        assert url.endswith(f"@127.0.0.1:9104/einlass_{service}")


def test_the_environment_is_the_same_at_every_start(home: Path) -> None:
    assert (
        Stack(home, 9100, {}, _quiet).environment() == Stack(home, 9100, {}, _quiet).environment()
    )


def test_what_the_caller_set_is_handed_on_but_no_other_stacks_databases(home: Path) -> None:
    other = Stack(home / "other", 9200, {}, _quiet).environment()
    shell = {
        "EINLASS_RATE_LIMITS": "off",
        "EINLASS_PUBLIC_URL": "https://anmelden.example.org",
        "EINLASS_WAITLIST_DATABASE_URL": other["EINLASS_WAITLIST_DATABASE_URL"],
        "EINLASS_SECRET_KEY": other["EINLASS_SECRET_KEY"],
        "HOME": "/home/somebody",
    }

    environment = Stack(home, 9100, shell, _quiet).environment()

    assert environment["EINLASS_RATE_LIMITS"] == "off"
    assert environment["EINLASS_PUBLIC_URL"] == "https://anmelden.example.org"
    assert ":9104/" in environment["EINLASS_WAITLIST_DATABASE_URL"]
    assert environment["EINLASS_SECRET_KEY"] != other["EINLASS_SECRET_KEY"]
    assert "HOME" not in environment


def test_a_proxy_before_the_gateway_is_trusted_beside_the_gateway(home: Path) -> None:
    shell = {"EINLASS_TRUSTED_PROXIES": "10.0.0.0/8 192.168.1.7"}

    environment = Stack(home, 9100, shell, _quiet).environment()

    assert environment["EINLASS_TRUSTED_PROXIES"] == "127.0.0.1,10.0.0.0/8,192.168.1.7"


def test_the_administrators_url_stays_with_the_administrator(home: Path) -> None:
    url = "postgresql://root:secret@db.example.org/postgres"

    stack = Stack(home, 9100, {"EINLASS_POSTGRES_URL": url}, _quiet)

    assert stack.administrator_url() == url
    assert not any("root:secret" in value for value in stack.environment().values())


def test_a_mail_server_from_elsewhere_has_no_mailbox(home: Path) -> None:
    stack = Stack(home, 9100, {"EINLASS_SMTP_URL": "smtp://mail.example.org:587"}, _quiet)

    assert stack.mailbox_url is None
    assert "EINLASS_IMAP_URL" not in stack.environment()
