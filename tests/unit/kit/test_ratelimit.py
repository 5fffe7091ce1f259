"""The count of tries in memory; tests/integration/kit/test_rates.py holds Redis to the same."""

import asyncio
from collections.abc import Mapping
from itertools import count

import pytest
from redis.exceptions import ConnectionError as RedisAway

from services.kit.errors import TooManyRequests
from services.kit.ratelimit import Key, LocalRates, Rate, RateLimits, Refused

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
    rates = LocalRates((RATE,), time)
    assert [rates.count(("a",)) for _ in range(3)] == [None] * 3
    assert rates.count(("a",)) == Refused(0, 2_000_000)
    time.now += 1_999_999
    assert rates.count(("a",)) == Refused(0, 1)
    time.now += 1
    assert rates.count(("a",)) is None
    assert rates.count(("a",)) == Refused(0, 2_000_000)


def test_keys_and_rates_are_counted_apart() -> None:
    rates = LocalRates((SLOW, RATE), Time())
    assert rates.count(("a", "a")) is None
    assert rates.count(("b", "a")) is None
    assert rates.count(("a", "b")) == Refused(0, 60_000_000)


def test_what_is_refused_costs_no_rate_anything() -> None:
    rates = LocalRates((RATE, SLOW), Time())
    assert rates.count(("all", "mine")) is None
    assert [rates.count(("all", "mine")) for _ in range(9)] == [Refused(1, 60_000_000)] * 9
    assert [rates.count(("all", f"of-{n}")) for n in range(2)] == [None, None]
    assert rates.count(("all", "of-2")) == Refused(0, 2_000_000)


def test_what_others_let_through_counts_too() -> None:
    rates = LocalRates((RATE,), Time())
    rates.learn({(0, "a"): 4_000_000})
    assert rates.count(("a",)) is None
    assert rates.count(("a",)) == Refused(0, 2_000_000)
    rates.learn({(0, "a"): 1_000_000})  # what is told late takes nothing back
    assert rates.count(("a",)) == Refused(0, 2_000_000)


def test_keys_that_are_over_are_forgotten() -> None:
    time = Time()
    rates = LocalRates((RATE,), time, keys=10)
    for number in count():
        time.now += 3_000_000
        rates.count((str(number),))
        if number > 50:
            break
    assert len(rates._due) <= 12


def test_too_many_keys_at_once_do_not_pile_up() -> None:
    rates = LocalRates((RATE,), Time(), keys=10)
    for number in range(1_000):
        assert rates.count((str(number),)) is None
    assert len(rates._due) <= 11


def test_a_key_is_told_of_once_it_has_used_a_part_of_its_burst() -> None:
    time = Time()
    rates = LocalRates((Rate("wide", burst=41, every=2),), time)
    for _ in range(10):
        rates.count(("a",))
    rates.count(("b",))
    assert rates.heavy == []
    time.now += 1  # what has passed meanwhile is not taken for a try
    rates.count(("a",))
    assert rates.heavy == [(0, "a")] * 11
    rates.count(("a",))
    assert rates.heavy == [(0, "a")] * 12


class Away:
    """Redis that is not there."""

    async def charge(self, _: Mapping[Key, int]) -> dict[Key, int]:
        raise RedisAway

    async def close(self) -> None:
        return None


class There(Away):
    """Redis that was told of ten tries by others."""

    def __init__(self) -> None:
        self.told: list[Mapping[Key, int]] = []

    async def charge(self, tries: Mapping[Key, int]) -> dict[Key, int]:
        self.told.append(tries)
        return {key: (tries[key] + 10) * 2_000_000 for key in tries}


async def test_without_redis_the_process_counts_for_itself() -> None:
    limits = RateLimits((RATE,), Away(), LocalRates((RATE,), Time()))  # type: ignore[arg-type]
    for _ in range(3):
        limits.check(("a",))
    with pytest.raises(TooManyRequests) as refused:
        limits.check(("a",))
    assert refused.value.retry_after == 2
    await limits.close()


async def test_tries_are_told_together_and_what_comes_back_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.kit.ratelimit.SHARE", 0)
    there = There()
    limits = RateLimits((RATE,), there, LocalRates((RATE,), Time()))  # type: ignore[arg-type]
    for name in "aab":
        limits.check((name,))
    while not there.told:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert there.told == [{(0, "a"): 2, (0, "b"): 1}]
    with pytest.raises(TooManyRequests) as refused:
        limits.check(("b",))
    assert refused.value.retry_after == 18
    await limits.close()
