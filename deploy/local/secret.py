"""The stack's secrets: generated on first start, kept in one file that only its owner reads.

A value once written never changes, since databases and cookies depend on it; a value that a newer
version needs is added to the file.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deploy.local.record import replace_file


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as ``einlass operator create`` printed it, once."""

    name: str
    role: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything that must not be guessed. ``secret_key`` is 32 random bytes in urlsafe base64."""

    secret_key: str
    postgres: str
    registration: str
    waitlist: str
    notifications: str
    mailbox: str
    operator: Operator | None = None

    def database(self, service: str) -> str:
        """The password of a service's database role."""
        value: str = getattr(self, service)
        return value


def load(path: Path) -> Secrets:
    """Read the secrets, generating what is missing; the file then holds all of them."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    operator = found.pop("operator", None)
    secret = Secrets(
        secret_key=found.get("secret_key") or base64.urlsafe_b64encode(os.urandom(32)).decode(),
        **{
            name: found.get(name) or secrets.token_urlsafe(24)
            for name in ("postgres", "registration", "waitlist", "notifications", "mailbox")
        },
        operator=Operator(**operator) if operator else None,
    )
    _write(path, secret)
    return secret


def with_operator(path: Path, secret: Secrets, operator: Operator) -> Secrets:
    """Keep the first operator's credentials, so that every start can show them."""
    secret = replace(secret, operator=operator)
    _write(path, secret)
    return secret


def _write(path: Path, secret: Secrets) -> None:
    replace_file(path, json.dumps(asdict(secret), indent=2))
