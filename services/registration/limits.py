"""How often somebody may try to sign up.

Invariant: nobody can use up another's tries. A network is counted for itself, at all events and
at each one, so that a few cannot lock out all from an event; an e-mail address is counted as its
hash.
"""

import hashlib
import ipaddress
from functools import lru_cache
from typing import Final

from services.kit.ratelimit import Check, Rate, RateLimits

# A town hall or a school shares one address: a whole class may sign up within a minute.
PER_NETWORK: Final = Rate("network", burst=240, every=0.25)
PER_EVENT: Final = Rate("event", burst=120, every=0.5)
PER_ADDRESS: Final = Rate("address", burst=10, every=120)


@lru_cache(maxsize=10_000)
def network_of(client: str) -> str:
    """The network a client belongs to: /24 of IPv4, /56 of IPv6."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "unknown"
    # A listener for both kinds tells of IPv4 in this way; it would all be one network.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def scaled(rate: Rate, scale: float) -> Rate:
    """`scale` times as many tries."""
    return Rate(rate.name, max(1, round(rate.burst * scale)), rate.every / scale)


class Limits:
    """The limits of sign-ups; with `scale`, so many times as many tries. Load tests set it so
    high that nothing is refused, and everything is still counted."""

    def __init__(self, rates: RateLimits, *, enabled: bool = True, scale: float = 1) -> None:
        self._rates, self._enabled = rates, enabled
        self._network = scaled(PER_NETWORK, scale)
        self._event = scaled(PER_EVENT, scale)
        self._address = scaled(PER_ADDRESS, scale)

    async def check(self, client: str, slug: str, email: str) -> None:
        """Counts one try to sign up. Raises TooManyRequests."""
        if not self._enabled:
            return
        network = network_of(client)
        who = hashlib.sha256(email.strip().casefold().encode()).hexdigest()[:32]
        await self._rates.check(
            (
                Check(self._address, who),
                Check(self._event, f"{slug}:{network}"),
                Check(self._network, network),
            )
        )
