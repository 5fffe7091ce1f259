"""How often somebody may ask for the newsletter.

Invariant: nobody can use up another's tries. A network is counted for itself; an address is
counted as its hash, whether it is known or not, and what it may be sent is limited elsewhere
(domain.rules.ASK_AGAIN_AFTER).
"""

from typing import Final

from services.kit.ratelimit import (
    LocalRates,
    Rate,
    RateLimits,
    RedisRates,
    network_of,
    scaled,
)

# An office or a school behind one address may hear of the newsletter all at once.
PER_NETWORK: Final = Rate("newsletter_network", burst=60, every=1)
PER_ADDRESS: Final = Rate("newsletter_address", burst=10, every=120)


class Limits:
    """The limits of one process; with `scale`, so many times as many tries."""

    def __init__(self, redis_url: str, *, enabled: bool = True, scale: float = 1) -> None:
        wanted = (scaled(PER_ADDRESS, scale), scaled(PER_NETWORK, scale))
        self._counted = RateLimits(wanted, RedisRates(redis_url, wanted), LocalRates(wanted))
        self._enabled = enabled

    async def close(self) -> None:
        """Ends it."""
        await self._counted.close()

    def check(self, client: str, digest: bytes) -> None:
        """Counts one try, for the address of this hash. Raises TooManyRequests."""
        if self._enabled:
            self._counted.check((digest.hex()[:32], network_of(client)))
