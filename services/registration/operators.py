"""Operators: made and removed on the command line, known by their tokens.

Invariant: a password and a token are shown once and kept as hashes; the password as scrypt
(RFC 7914), the token, being 128 random bits, as SHA-256.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.kit import tokens
from services.kit.db import Database
from services.kit.operators import Operator, Role
from services.registration.repository import operators

# OWASP Password Storage Cheat Sheet: scrypt with N=2^17, r=8, p=1.
_N: Final = 2**17
_R: Final = 8
_P: Final = 1


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is shown once."""

    name: str
    role: Role
    password: str
    token: str


def hash_password(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`, salt and hash in base64."""
    salt = secrets.token_bytes(16)
    made = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=2**28)
    packed = (base64.b64encode(part).decode() for part in (salt, made))
    return "$".join(("scrypt", str(_N), str(_R), str(_P), *packed))


async def create(db: Database, name: str, role: Role) -> Credentials:
    """Makes an operator; one of this name gets a new role, password and token."""
    password = secrets.token_urlsafe(12)
    token = base64.urlsafe_b64encode(secrets.token_bytes(tokens.TOKEN_BYTES)).rstrip(b"=").decode()
    digest = tokens.digest(token)
    assert digest is not None
    async with db.transaction() as conn:
        await operators.put(conn, name, role, hash_password(password), digest)
    return Credentials(name, role, password, token)


async def everyone(db: Database) -> Sequence[Operator]:
    """All operators by name."""
    async with db.read() as conn:
        return await operators.everyone(conn)


async def remove(db: Database, name: str) -> bool:
    """Removes an operator; False where there is none of this name."""
    async with db.transaction() as conn:
        return await operators.remove(conn, name)


@dataclass(frozen=True, slots=True)
class LocalIntrospection:
    """Knows an operator by the token, from registration's own table."""

    db: Database

    async def __call__(self, token: str) -> Operator | None:
        digest = tokens.digest(token)
        if digest is None:
            return None
        async with self.db.read() as conn:
            return await operators.by_token(conn, digest)
