"""Secrets are made once, stay, and are for their owner's eyes only."""

import base64
import json
from pathlib import Path

from deploy.local import secret
from deploy.local.secret import Operator
from deploy.local.servers import postgres

ADMIN = Operator("admin", "admin", "a password", "a token")


def test_they_are_generated_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first = secret.load(path)

    assert secret.load(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_two_are_the_same_and_the_key_is_32_bytes(tmp_path: Path) -> None:
    one, other = (secret.load(tmp_path / f"{name}.json") for name in ("one", "other"))

    values = [
        value
        for found in (one, other)
        for value in (found.secret_key, found.postgres, found.mailbox, found.registration)
    ]
    assert len(set(values)) == len(values)
    assert len(base64.urlsafe_b64decode(one.secret_key)) == 32


def test_the_operator_is_kept_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = secret.load(path)
    assert first.operator is None

    secret.with_operator(path, first, ADMIN)

    assert secret.load(path).operator == ADMIN
    assert secret.load(path).secret_key == first.secret_key


def test_what_a_newer_version_needs_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    found = secret.load(path)
    older = json.loads(path.read_text())
    del older["mailbox"]
    path.write_text(json.dumps(older))

    again = secret.load(path)

    assert again.mailbox
    assert again.postgres == found.postgres


def test_a_service_gets_its_own_role_and_database_on_the_administrators_server(
    tmp_path: Path,
) -> None:
    found = secret.load(tmp_path / "secrets.json")

    url = postgres.service_url(
        "postgresql://root:pw@db.example.org:6543/postgres?sslmode=require", "waitlist", found
    )

    assert url == (
        f"postgresql://einlass_waitlist:{found.waitlist}@db.example.org:6543/einlass_waitlist"
        "?sslmode=require"
    )
