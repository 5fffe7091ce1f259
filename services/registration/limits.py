"""How often somebody may try to sign up.

Invariant: nobody can use up another's tries. A network is counted for itself, at all events and
at each one, so that a few cannot lock out all from an event; an e-mail address is counted as its
hash.
"""

import hashlib
from typing import Final

from services.kit.ratelimit import (
    LocalRates,
    Rate,
    RateLimits,
    RedisRates,
    network_of,
    scaled,
)

# A town hall or a school shares one address: a whole class may sign up within a minute.
PER_NETWORK: Final = Rate("network", burst=240, every=0.25)
PER_EVENT: Final = Rate("event", burst=120, every=0.5)
PER_ADDRESS: Final = Rate("address", burst=10, every=120)


def rates(scale: float = 1) -> tuple[Rate, Rate, Rate]:
    """Of an address, of a network at one event, and of a network at all."""
    return scaled(PER_ADDRESS, scale), scaled(PER_EVENT, scale), scaled(PER_NETWORK, scale)


class Limits:
    """The limits of sign-ups. Load tests scale the rates so high that nothing is refused, and
    everything is still counted."""

    def __init__(self, counted: RateLimits, *, enabled: bool = True) -> None:
        self._counted, self._enabled = counted, enabled

    async def close(self) -> None:
        """Ends it."""
        await self._counted.close()

    def check(self, client: str, slug: str, email: str) -> None:
        """Counts one try to sign up. Raises TooManyRequests."""
        if not self._enabled:
            return
        network = network_of(client)
        who = hashlib.sha256(email.strip().casefold().encode()).hexdigest()[:32]
        self._counted.check((who, f"{slug}:{network}", network))


def limits(redis_url: str, *, enabled: bool = True, scale: float = 1) -> Limits:
    """The limits of one process; with `scale`, so many times as many tries."""
    wanted = rates(scale)
    counted = RateLimits(wanted, RedisRates(redis_url, wanted), LocalRates(wanted))
    return Limits(counted, enabled=enabled)
