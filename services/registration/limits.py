"""How often somebody may try to sign up.

Invariant: limits fail open. With Redis away each process counts for itself, and nobody is
turned away because a cache is missing.
"""

import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import Final

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.exceptions import RedisError

from services.kit.errors import TooManyRequests

log = structlog.get_logger(__name__)

# A town hall or a school shares one address; a household of the size of a block does not.
PER_BLOCK: Final = parse("120/minute")
PER_ADDRESS: Final = parse("20/hour")


def block_of(client: str) -> str:
    """The network a client belongs to: /24 of IPv4, /56 of IPv6."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "unknown"
    prefix = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


@dataclass(slots=True)
class Limits:
    """Counts tries by the client's network and by the e-mail address (as a hash)."""

    redis_url: str
    enabled: bool
    _shared: SlidingWindowCounterRateLimiter = field(init=False)
    _own: SlidingWindowCounterRateLimiter = field(init=False)

    def __post_init__(self) -> None:
        self._shared = SlidingWindowCounterRateLimiter(
            RedisStorage(
                f"async+{self.redis_url}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_connect_timeout=0.5,
                socket_timeout=0.5,
            )
        )
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def check(self, client: str, email: str) -> None:
        """Counts one try. Raises TooManyRequests."""
        if not self.enabled:
            return
        who = hashlib.sha256(email.strip().casefold().encode()).hexdigest()[:32]
        for item, key in ((PER_BLOCK, f"block:{block_of(client)}"), (PER_ADDRESS, f"mail:{who}")):
            if not await self._hit(item, key):
                raise TooManyRequests(retry_after=item.get_expiry() // 2)

    async def _hit(self, item: RateLimitItem, key: str) -> bool:
        try:
            return await self._shared.hit(item, "sign-up", key)
        except (StorageError, RedisError, OSError, TimeoutError) as error:
            log.warning("limits.redis_away", error=type(error).__name__)
            return await self._own.hit(item, "sign-up", key)
