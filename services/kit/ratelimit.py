"""Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371), many at once.

Invariants:
- A key lets `burst` tries through at once and then one every `every` seconds; what is refused
  costs the key nothing.
- All tries that wait while Redis is asked are asked for together in the next question
  (kit.groupcommit), so a rush costs one round trip a batch.
- Limits fail open: with Redis away each process counts for itself (docs/decisions/0009).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import redis.asyncio as aioredis
import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from services.kit.errors import TooManyRequests
from services.kit.groupcommit import GroupCommit

log = structlog.get_logger(__name__)

REFUSED = Counter("einlass_rate_limited", "Tries refused.", ["limit"])
ALONE = Counter("einlass_rate_limits_alone", "Batches counted without Redis.")

# KEYS: one a check, those of a try one after the other. ARGV: how many checks a try has, then
# for the 1st, 2nd, … check of each try `every` and the burst's length, in microseconds. Answers
# for each check how long to wait, in microseconds, or 0. The first check that refuses a try ends
# it, so the following ones are not charged.
_SCRIPT: Final = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local width, waits = tonumber(ARGV[1]), {}
for first = 1, #KEYS, width do
  local refused = false
  for place = 1, width do
    local i = first + place - 1
    waits[i] = 0
    if not refused then
      local every, length = tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
      local due = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
      if due - length > now then
        waits[i] = due - length - now
        refused = true
      else
        redis.call('SET', KEYS[i], string.format('%.0f', due + every),
                   'PX', math.ceil((due + every - now) / 1000) + 1)
      end
    end
  end
end
return waits
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


@dataclass(frozen=True, slots=True)
class Check:
    """One key to be counted."""

    rate: Rate
    key: str


# The checks of one try; all tries at one RateLimits have the same rates in the same order.
Try = Sequence[Check]


@dataclass(slots=True)
class LocalRates:
    """The same count in memory, for one process. `keys`: how many are kept at most."""

    now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    keys: int = 100_000
    _due: dict[Check, int] = field(default_factory=dict)

    def count(self, tries: Sequence[Try]) -> list[list[int]]:
        """For each check of each try how long to wait, in microseconds, or 0."""
        now = self.now_us()
        if len(self._due) > self.keys:
            self._due = {key: due for key, due in self._due.items() if due > now}
        return [self._one(found, now) for found in tries]

    def _one(self, checks: Try, now: int) -> list[int]:
        waits = [0] * len(checks)
        for number, check in enumerate(checks):
            due = max(self._due.get(check, 0), now)
            wait = due - check.rate.length_us - now
            if wait > 0:
                waits[number] = wait
                break
            self._due[check] = due + check.rate.every_us
        return waits


class RedisRates:
    """The count that all processes share."""

    def __init__(self, redis_url: str) -> None:
        self._redis = aioredis.from_url(redis_url, socket_connect_timeout=0.2, socket_timeout=0.2)
        self._script = self._redis.register_script(_SCRIPT)

    async def count(self, tries: Sequence[Try]) -> list[list[int]]:
        """As LocalRates.count, for tries with the same rates. Raises RedisError, OSError."""
        keys = [f"einlass:rate:{c.rate.name}:{c.key}" for checks in tries for c in checks]
        arguments: list[int] = [len(tries[0])]
        for check in tries[0]:
            arguments += (check.rate.every_us, check.rate.length_us)
        waits = await self._script(keys, arguments)
        width = len(tries[0])
        return [waits[first : first + width] for first in range(0, len(waits), width)]

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


class RateLimits:
    """Counts tries, over Redis where it is there."""

    def __init__(self, shared: RedisRates, alone: LocalRates | None = None) -> None:
        self._shared, self._alone = shared, alone or LocalRates()
        self._group: GroupCommit[None, Try, list[int]] = GroupCommit("rates", self._count)

    async def check(self, checks: Try) -> None:
        """Counts one try. Raises TooManyRequests, and Busy in too great a rush."""
        waits = await self._group.submit(None, checks)
        for check, wait in zip(checks, waits, strict=True):
            if wait:
                REFUSED.labels(check.rate.name).inc()
                raise TooManyRequests(retry_after=-(-wait // 1_000_000))

    async def close(self) -> None:
        """Ends it."""
        await self._group.drain()
        await self._shared.close()

    async def _count(self, _: None, tries: Sequence[Try], __: bool) -> list[list[int]]:
        try:
            return await self._shared.count(tries)
        except (RedisError, OSError, TimeoutError) as error:
            ALONE.inc()
            log.warning("rates.redis_away", error=type(error).__name__)
            return self._alone.count(tries)
