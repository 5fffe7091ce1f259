"""Sessions of operators who have signed in, in Redis.

Invariant: a session's token is kept as a hash, and says nothing of what its operator may do; it
ends with the password that it was begun with. With Redis flushed, everybody signs in again.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

import redis.asyncio as aioredis
from redis.exceptions import RedisError

SESSION_SECONDS: Final = 12 * 60 * 60
AWAY: Final = (RedisError, OSError, TimeoutError)
"""What is raised where Redis is away."""

# 256 bits; API tokens have 128, so that one is never taken for the other.
_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[\w-]{43}", re.ASCII)


def is_session(token: str) -> bool:
    """Whether a token has the form of a session's."""
    return _TOKEN.fullmatch(token) is not None


def fingerprint(password_hash: str) -> str:
    """Tells one password of an operator from the next."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Session:
    """Who has signed in, and the `fingerprint` of the password."""

    name: str
    password: str


class Sessions:
    """The sessions of an installation. Each method raises one of AWAY where Redis is away."""

    def __init__(self, redis_url: str, seconds: int = SESSION_SECONDS) -> None:
        """`seconds`: how long a session lives without being used."""
        self._redis = aioredis.from_url(
            redis_url, socket_connect_timeout=1, socket_timeout=1, decode_responses=True
        )
        self._seconds = seconds

    async def ping(self) -> None:
        """Asks whether Redis is there."""
        await self._redis.ping()

    async def begin(self, name: str, password_hash: str) -> str:
        """A new session; its token."""
        token = secrets.token_urlsafe(_BYTES)
        kept = f"{fingerprint(password_hash)}:{name}"
        await self._redis.set(_key(token), kept, ex=self._seconds)
        return token

    async def find(self, token: str) -> Session | None:
        """The session of a token, which lives on from now."""
        kept = await self._redis.getex(_key(token), ex=self._seconds)
        if kept is None:
            return None
        password, _, name = str(kept).partition(":")
        return Session(name, password)

    async def end(self, token: str) -> None:
        """Ends a session, if it is one."""
        await self._redis.delete(_key(token))

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


def _key(token: str) -> str:
    return f"einlass:session:{hashlib.sha256(token.encode()).hexdigest()}"
