"""Redis counts tries as the count in memory does, for all processes at once."""

import asyncio
from uuid import uuid4

import pytest

from deploy.local import Stack
from services.kit.errors import TooManyRequests
from services.kit.ratelimit import LocalRates, Rate, RateLimits, RedisRates

pytestmark = pytest.mark.stack

FAST = Rate("fast", burst=4, every=3600)
SLOW = Rate("slow", burst=2, every=7200)


async def test_redis_tells_how_far_keys_are_ahead(stack: Stack) -> None:
    run = uuid4().hex
    shared = RedisRates(stack.environment()["EINLASS_REDIS_URL"], (SLOW, FAST))
    told = await shared.charge({(0, f"{run}a"): 1, (1, f"{run}a"): 3})
    assert told == {(0, f"{run}a"): 7_200_000_000, (1, f"{run}a"): 10_800_000_000}
    again = await shared.charge({(0, f"{run}a"): 2, (0, f"{run}b"): 1})
    # Redis's own clock goes on a little between two calls.
    assert again[0, f"{run}a"] == pytest.approx(3 * 7_200_000_000, abs=5_000_000)
    assert again[0, f"{run}b"] == 7_200_000_000
    await shared.close()


async def test_a_key_is_kept_no_longer_than_it_is_ahead(stack: Stack) -> None:
    short, name = Rate("short", burst=1, every=0.02), uuid4().hex
    shared = RedisRates(stack.environment()["EINLASS_REDIS_URL"], (short,))
    assert await shared.charge({(0, name): 1}) == {(0, name): 20_000}
    await asyncio.sleep(0.05)
    assert await shared._redis.exists(f"einlass:rate:short:{name}") == 0
    assert await shared.charge({(0, name): 1}) == {(0, name): 20_000}
    await shared.close()


async def test_two_processes_share_a_key(stack: Stack) -> None:
    url, key = stack.environment()["EINLASS_REDIS_URL"], uuid4().hex
    one, two = (
        RateLimits((SLOW,), RedisRates(url, (SLOW,)), LocalRates((SLOW,))) for _ in range(2)
    )
    one.check((key,))
    await asyncio.sleep(0.3)
    two.check((key,))
    await asyncio.sleep(0.3)
    with pytest.raises(TooManyRequests) as refused:
        two.check((key,))
    assert refused.value.retry_after
    assert 7_000 < refused.value.retry_after <= 7_200
    # Who has asked nothing meanwhile has heard nothing; it is told with its next try.
    one.check((key,))
    await asyncio.sleep(0.3)
    with pytest.raises(TooManyRequests):
        one.check((key,))
    await one.close()
    await two.close()
