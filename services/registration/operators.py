"""Operators: made and removed on the command line, known by their tokens and sessions.

Invariant: a password and a token are shown once and kept as hashes; the password as scrypt
(RFC 7914), the token, being 128 random bits, as SHA-256.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.kit import tokens
from services.kit.db import Database
from services.kit.errors import Busy
from services.kit.operators import Operator, Role
from services.registration.repository import operators
from services.registration.sessions import AWAY, Sessions, fingerprint, is_session

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


# As costly to look at as a real one, and no password's.
NOBODY: Final = "$".join(
    ("scrypt", str(_N), str(_R), str(_P), *(base64.b64encode(bytes(n)).decode() for n in (16, 64)))
)


def is_password(password: str, hashed: str) -> bool:
    """Whether `hashed`, made by `hash_password`, is of this password. Takes 128 MiB and some
    tenths of a second."""
    _, n, r, p, salt, made = hashed.split("$")
    again = hashlib.scrypt(
        password.encode("utf-8", "replace"),
        salt=base64.b64decode(salt),
        n=int(n),
        r=int(r),
        p=int(p),
        maxmem=2**28,
    )
    return hmac.compare_digest(again, base64.b64decode(made))


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
    """Knows an operator by an API token or by a session's. The role, and that there still is an
    operator of this password, stand in registration's own table alone."""

    db: Database
    sessions: Sessions

    async def __call__(self, token: str) -> Operator | None:
        """Raises Busy for a session's token where Redis is away."""
        if is_session(token):
            return await self._of_session(token)
        digest = tokens.digest(token)
        if digest is None:
            return None
        async with self.db.read() as conn:
            return await operators.by_token(conn, digest)

    async def _of_session(self, token: str) -> Operator | None:
        try:
            session = await self.sessions.find(token)
        except AWAY as error:
            raise Busy from error
        if session is None:
            return None
        async with self.db.read() as conn:
            found = await operators.by_name(conn, session.name)
        return found[0] if found and session.password == fingerprint(found[1]) else None
