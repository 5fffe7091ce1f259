"""The count of tries in memory; tests/integration/kit/test_rates.py holds Redis to the same."""

from itertools import count
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from services.kit.errors import TooManyRequests
from services.kit.ratelimit import Check, LocalRates, Rate, RateLimits

RATE = Rate("probe", burst=3, every=2)
SLOW = Rate("slow", burst=1, every=60)


class Time:
    """A clock in microseconds."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now


def test_a_burst_and_then_one_at_a_time() -> None:
    time = Time()
    rates = LocalRates(time)
    one = [(Check(RATE, "a"),)]
    assert [rates.count(one) for _ in range(3)] == [[[0]]] * 3
    assert rates.count(one) == [[2_000_000]]
    time.now += 1_999_999
    assert rates.count(one) == [[1]]
    time.now += 1
    assert rates.count(one) == [[0]]
    assert rates.count(one) == [[2_000_000]]


def test_keys_are_counted_apart() -> None:
    rates = LocalRates(Time())
    assert rates.count([(Check(SLOW, "a"),), (Check(SLOW, "b"),), (Check(SLOW, "a"),)]) == [
        [0],
        [0],
        [60_000_000],
    ]


def test_what_is_refused_costs_the_later_checks_nothing() -> None:
    rates = LocalRates(Time())
    both = (Check(SLOW, "mine"), Check(RATE, "all"))
    refused = [rates.count([both])[0] for _ in range(9)]
    assert refused[0] == [0, 0]
    assert refused[1:] == [[60_000_000, 0]] * 8
    others = [rates.count([(Check(SLOW, f"of-{n}"), Check(RATE, "all"))])[0] for n in range(2)]
    assert others == [[0, 0], [0, 0]]


def test_keys_that_are_over_are_forgotten() -> None:
    time = Time()
    rates = LocalRates(time, keys=10)
    for number in count():
        time.now += 3_000_000
        rates.count([(Check(RATE, str(number)),)])
        if number > 50:
            break
    assert len(rates._due) <= 12


class Away:
    """Redis that is not there."""

    async def count(self, _: Any) -> Any:
        raise RedisAway

    async def close(self) -> None:
        return None


async def test_without_redis_the_process_counts_for_itself() -> None:
    limits = RateLimits(Away(), LocalRates(Time()))  # type: ignore[arg-type]
    for _ in range(3):
        await limits.check((Check(RATE, "a"),))
    with pytest.raises(TooManyRequests) as refused:
        await limits.check((Check(RATE, "a"),))
    assert refused.value.retry_after == 2
    await limits.close()
