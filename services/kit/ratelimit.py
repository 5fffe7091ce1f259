"""Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371).

Invariants:
- A key lets `burst` tries through at once and then one every `every` seconds; what is refused
  costs the key nothing.
- Each process counts by itself, exactly and at once. Of a key that has used a good part of its
  burst (LIGHT) it tells Redis within SHARE seconds, and hears what all have let through: so the
  processes of an installation allow together what one would, and beyond that at most what each
  lets through within that time, or before it is worth telling.
- Limits fail open: with Redis away each process goes on with its own count
  (docs/decisions/0009).
"""

import asyncio
import collections
import ipaddress
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import redis.asyncio as aioredis
import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from services.kit.errors import TooManyRequests
from services.kit.tasks import cancelled

log = structlog.get_logger(__name__)

REFUSED = Counter("einlass_rate_limited", "Tries refused.", ["limit"])
ALONE = Counter("einlass_rate_limits_alone", "Times that Redis could not be told of tries.")

SHARE: Final = 0.05
# In a rush nearly every key is somebody's only one; to tell of these would be nearly all the work.
LIGHT: Final = 0.25
# Keys that a process keeps, and tells Redis of at once, at most.
KEPT: Final = 100_000
AT_ONCE: Final = 2_000

# ARGV: keys, a line each; for each how far it moves ahead, in microseconds. Answers for each how
# far it is ahead of the present now. The keys are not named beforehand, which only a cluster of
# Redis servers would need.
_SCRIPT: Final = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local names, charges, ahead = {}, {}, {}
for name in string.gmatch(ARGV[1], '[^\\n]+') do names[#names + 1] = name end
for charge in string.gmatch(ARGV[2], '%d+') do charges[#charges + 1] = tonumber(charge) end
local kept = redis.call('MGET', unpack(names))
for i, name in ipairs(names) do
  local due = math.max(tonumber(kept[i] or 0), now) + charges[i]
  redis.call('SET', name, due, 'PX', math.ceil((due - now) / 1000) + 1)
  ahead[i] = due - now
end
return ahead
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` tries at once, then one every `every` seconds."""

    name: str
    burst: int
    every: float

    @property
    def every_us(self) -> int:
        return int(self.every * 1e6)

    @property
    def length_us(self) -> int:
        """How far ahead of the present the key may be, in microseconds."""
        return self.every_us * (self.burst - 1)


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


# The number of a rate and what is counted by it; no key has a line break.
Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The first rate that refused a try, by its number, and how long to wait, in microseconds.
    No rate was charged."""

    rate: int
    wait_us: int


class LocalRates:
    """The count of one process. `keys`: how many are kept at most; beyond, all are forgotten."""

    def __init__(
        self,
        rates: Sequence[Rate],
        now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
        keys: int = KEPT,
    ) -> None:
        self._now_us, self._keys = now_us, keys
        self._rates = [
            (rate.every_us, rate.length_us, int(rate.length_us * LIGHT)) for rate in rates
        ]
        self._due: dict[Key, int] = {}
        self.heavy: list[Key] = []
        """Tries that others must hear of, each by its key."""

    def count(self, keys: Sequence[str]) -> Refused | None:
        """Counts a try, which has a key for each rate, or tells why not."""
        now, due = self._now_us(), self._due
        ahead: dict[Key, int] = {}
        for key, (every, length, light) in zip(enumerate(keys), self._rates, strict=True):
            at = due.get(key, now)
            if at <= now:
                at = now
            elif at - length > now:
                return Refused(key[0], at - length - now)
            ahead[key] = at + every
            if at + every - now > light:
                # All that it is ahead, where it was too light to tell of before.
                self.heavy += [key] * (1 if at - now > light else -((now - at) // every) + 1)
        due.update(ahead)
        if len(due) > self._keys:
            self._forget(now)
        return None

    def learn(self, ahead: Mapping[Key, int]) -> None:
        """How far keys are ahead, in microseconds, with all processes counted."""
        now = self._now_us()
        for key, by in ahead.items():
            self._due[key] = max(self._due.get(key, 0), now + by)

    def _forget(self, now: int) -> None:
        self._due = {key: due for key, due in self._due.items() if due > now}
        if len(self._due) > self._keys * 3 // 4:
            self._due = {}


class RedisRates:
    """The count of all processes."""

    def __init__(self, redis_url: str, rates: Sequence[Rate]) -> None:
        self._redis = aioredis.from_url(redis_url, socket_connect_timeout=0.2, socket_timeout=0.2)
        self._script = self._redis.register_script(_SCRIPT)
        self._rates = [(f"einlass:rate:{rate.name}:", rate.every_us) for rate in rates]

    async def charge(self, tries: Mapping[Key, int]) -> dict[Key, int]:
        """Adds so many tries to each key; how far each is ahead now, in microseconds. Raises
        RedisError, OSError."""
        names = "\n".join([self._rates[number][0] + name for number, name in tries])
        charges = " ".join([str(self._rates[n][1] * count) for (n, _), count in tries.items()])
        ahead = await self._script(args=[names, charges])
        return dict(zip(tries, ahead, strict=True))

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


@dataclass(slots=True)
class RateLimits:
    """Counts tries by `rates`; the process's count is shared over Redis where it is there."""

    rates: Sequence[Rate]
    shared: RedisRates
    alone: LocalRates
    _telling: asyncio.Task[None] | None = None

    def check(self, keys: Sequence[str]) -> None:
        """Counts a try, which has a key for each rate. Raises TooManyRequests."""
        refused = self.alone.count(keys)
        if refused is not None:
            REFUSED.labels(self.rates[refused.rate].name).inc()
            raise TooManyRequests(retry_after=math.ceil(refused.wait_us / 1e6))
        if self.alone.heavy and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """Ends it."""
        if self._telling is not None:
            await cancelled({self._telling})
        await self.shared.close()

    async def _tell(self) -> None:
        """Tells Redis of tries, while there are any."""
        heavy = self.alone.heavy
        while heavy:
            await asyncio.sleep(SHARE)
            told = collections.Counter(heavy[:AT_ONCE])
            del heavy[:AT_ONCE]
            try:
                self.alone.learn(await self.shared.charge(told))
            except (RedisError, OSError, TimeoutError) as error:
                ALONE.inc()
                log.warning("rates.redis_away", error=type(error).__name__)
