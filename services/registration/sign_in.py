"""Operators sign in with name and password.

Invariants:
- A wrong password and an unknown name cost the same, take the same time and get the same answer;
  so does everybody while Redis, which keeps the sessions, is away.
- Tries are counted by network, and by network and name. A name alone is not counted: whoever
  knows it could keep its operator out. Passwords are made by us and have 96 random bits.
- At most CHECKS passwords are looked at together, each in 128 MiB; what sign-ups need is not
  taken by somebody who tries passwords.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import structlog
from prometheus_client import Counter

from services.kit.db import Database
from services.kit.errors import Busy
from services.kit.ratelimit import (
    LocalRates,
    Rate,
    RateLimits,
    RedisRates,
    network_of,
    scaled,
)
from services.kit.text import can_be_kept
from services.registration.operators import NOBODY, is_password
from services.registration.repository import operators
from services.registration.sessions import AWAY, Sessions

log = structlog.get_logger(__name__)

TRIES = Counter("einlass_sign_ins", "Tries of operators to sign in.", ["outcome"])

PER_NETWORK: Final = Rate("sign_in_network", burst=30, every=10)
PER_NAME: Final = Rate("sign_in_name", burst=10, every=30)
CHECKS: Final = 2
MOST_IN_LINE: Final = 20

Refusal = Literal["wrong", "away"]
"""Name or password are wrong; or Redis is away, so that nobody can sign in."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The token of the new session."""

    token: str


@dataclass(slots=True)
class SignIn:
    """Signing in and out. `limits` is None where none are kept."""

    db: Database
    sessions: Sessions
    limits: RateLimits | None
    _checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CHECKS))
    _in_line: int = 0

    async def sign_in(self, name: str, password: str, client: str) -> SignedIn | Refusal:
        """Raises TooManyRequests, and Busy where too many are at it at once."""
        if self.limits is not None:
            network = network_of(client)
            who = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
            self.limits.check((f"{network}:{who}", network))
        outcome = await self._try(name, password)
        TRIES.labels(outcome if isinstance(outcome, str) else "signed_in").inc()
        return outcome

    async def sign_out(self, token: str) -> bool:
        """Ends the session of `token`; False where Redis is away, and it ends by itself later."""
        try:
            await self.sessions.end(token)
        except AWAY as error:
            _away(error)
            return False
        return True

    async def close(self) -> None:
        """Closes its connections."""
        if self.limits is not None:
            await self.limits.close()
        await self.sessions.close()

    async def _try(self, name: str, password: str) -> SignedIn | Refusal:
        # Redis is asked before the password is looked at, so that the answer tells nothing of it.
        if not await self._sessions_are_there():
            return "away"
        hashed = await self._hash_of(name)
        if not await self._is_password(password, hashed or NOBODY) or hashed is None:
            return "wrong"
        try:
            return SignedIn(await self.sessions.begin(name, hashed))
        except AWAY as error:
            return _away(error)

    async def _sessions_are_there(self) -> bool:
        try:
            await self.sessions.ping()
        except AWAY as error:
            _away(error)
            return False
        return True

    async def _hash_of(self, name: str) -> str | None:
        if not can_be_kept(name):
            return None
        async with self.db.read() as conn:
            found = await operators.by_name(conn, name)
        return found[1] if found else None

    async def _is_password(self, password: str, hashed: str) -> bool:
        if self._in_line >= MOST_IN_LINE:
            raise Busy
        self._in_line += 1
        try:
            async with self._checks:
                return await asyncio.to_thread(is_password, password, hashed)
        finally:
            self._in_line -= 1


def _away(error: Exception) -> Literal["away"]:
    log.warning("sessions.redis_away", error=type(error).__name__)
    return "away"


def sign_in(
    db: Database,
    redis_url: str,
    sessions: Sessions,
    *,
    enabled: bool = True,
    scale: float = 1,
) -> SignIn:
    """Signing in at one process; `enabled` and `scale` are those of all rate limits."""
    rates = scaled(PER_NAME, scale), scaled(PER_NETWORK, scale)
    limits = RateLimits(rates, RedisRates(redis_url, rates), LocalRates(rates)) if enabled else None
    return SignIn(db, sessions, limits)
