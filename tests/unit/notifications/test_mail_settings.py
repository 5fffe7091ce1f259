"""Settings are read as they are meant, and bad ones stop the process."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from services.notifications.mailer import Identity
from services.notifications.settings import NotificationsSettings, smtp_server


def settings(**given: Any) -> NotificationsSettings:
    return NotificationsSettings(
        **{
            "database_url": "postgresql://u:p@h/d",
            "redis_url": "redis://h",
            "kafka_bootstrap": "h:9092",
            "public_url": "https://münster.example/",
            "secret_key": base64.urlsafe_b64encode(bytes(32)).decode(),
            "organisation": "Stiftung",
            **given,
        }
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 25, "plain", None)),
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, "plain", None)),
        ("smtp+starttls://u:p@mail.example", ("mail.example", 587, "starttls", "u")),
        ("smtps://a%40b.org:p%2Fq@mail.example", ("mail.example", 465, "tls", "a@b.org")),
    ],
)
def test_smtp_urls(url: str, expected: tuple[str, int, str, str | None]) -> None:
    server = smtp_server(url)
    assert (server.host, server.port, server.security, server.user) == expected
    if server.user == "a@b.org":
        assert server.password is not None
        assert server.password.get_secret_value() == "p/q"
        assert "p/q" not in repr(server)


@pytest.mark.parametrize("url", ["http://mail.example", "mail.example", "smtp://", ""])
def test_a_bad_smtp_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="an SMTP URL starts with") as caught:
        smtp_server(url)
    assert "mail.example" not in str(caught.value)


def test_the_sender_is_the_organisation_unless_told_otherwise() -> None:
    assert Identity.of(settings()).sender.name == "Stiftung"
    assert Identity.of(settings(mail_from_name="Anmeldung")).sender.name == "Anmeldung"
    assert Identity.of(settings(mail_reply_to="b@c.org")).reply_to is not None


def test_ids_are_made_with_the_sites_host() -> None:
    assert Identity.of(settings()).host == "xn--mnster-3ya.example"
    assert Identity.of(settings(public_url="http://127.0.0.1:8080")).host == "127.0.0.1"


@pytest.mark.parametrize(
    "bad",
    [
        {"mail_from": "nobody"},
        {"mail_from": "a@b.org\r\nBcc: x@y.z"},
        {"mail_lease_seconds": 20, "smtp_timeout_seconds": 30},
    ],
)
def test_settings_that_do_not_fit_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**bad)


def test_an_accent_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="contrast"):
        Identity.of(settings(accent="#eeeeee"))
