"""Redis counts tries as the count in memory does, for all processes at once."""

from uuid import uuid4

import pytest

from deploy.local import Stack
from services.kit.ratelimit import Check, LocalRates, Rate, RedisRates

pytestmark = pytest.mark.stack

FAST = Rate("fast", burst=4, every=3600)
SLOW = Rate("slow", burst=2, every=7200)


async def test_redis_and_memory_count_the_same(stack: Stack) -> None:
    run = uuid4().hex
    shared, alone = RedisRates(stack.environment()["EINLASS_REDIS_URL"]), LocalRates(lambda: 10**15)
    for tries in (
        [(Check(SLOW, f"{run}a"), Check(FAST, f"{run}all"))],
        [(Check(SLOW, f"{run}{who}"), Check(FAST, f"{run}all")) for who in "aabbcc"],
        [(Check(SLOW, f"{run}d"), Check(FAST, f"{run}all"))],
    ):
        redis, memory = await shared.count(tries), alone.count(tries)
        # Redis's own clock goes on a little between two calls.
        for ours, theirs in zip(redis, memory, strict=True):
            assert ours == pytest.approx(theirs, abs=5_000_000)
            assert [w > 0 for w in ours] == [w > 0 for w in theirs]
    await shared.close()


async def test_two_processes_share_a_key(stack: Stack) -> None:
    url, key = stack.environment()["EINLASS_REDIS_URL"], uuid4().hex
    one, two = RedisRates(url), RedisRates(url)
    answers = [(await rates.count([(Check(SLOW, key),)]))[0][0] for rates in (one, two, one)]
    assert answers[:2] == [0, 0]
    assert answers[2] > 7_000_000_000
    await one.close()
    await two.close()
