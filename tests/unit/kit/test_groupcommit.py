"""Group commit: order, sharing, shedding, halving, trying again, and people who go away."""

import asyncio
from collections.abc import Sequence

import pytest

from services.kit.errors import Busy, EinlassError, NotFound
from services.kit.groupcommit import LATER, SHARE, GroupCommit, Later


class Ledger:
    """A transaction that notes its batches; `gate` holds the first one up. `locked` are put off
    where they may be."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[int], bool, bool]] = []
        self.locked: set[int] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.bad: dict[int, Exception] = {}
        self.away = 0

    async def run(
        self, items: Sequence[int], *, again: bool, alone: bool
    ) -> list[int | EinlassError | Later]:
        self.batches.append((list(items), again, alone))
        await self.gate.wait()
        if self.away:
            self.away -= 1
            raise ConnectionResetError
        for item in items:
            if item in self.bad and not isinstance(self.bad[item], EinlassError):
                raise self.bad[item]
        outcomes: list[int | EinlassError | Later] = []
        for item in items:
            found = self.bad.get(item)
            if item in self.locked and not alone:
                outcomes.append(LATER)
            else:
                outcomes.append(found if isinstance(found, EinlassError) else item * 10)
        return outcomes


async def test_what_arrives_meanwhile_is_the_next_batch_in_order() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(group.submit("a", n)) for n in range(20, 30)]
    await asyncio.sleep(0)
    ledger.gate.set()
    assert await asyncio.gather(*tasks) == [n * 10 for n in range(30)]
    assert [n for items, _, _ in ledger.batches for n in items] == list(range(30))
    assert len(ledger.batches) == 2


async def test_a_lone_item_waits_for_nobody() -> None:
    ledger = Ledger()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    for number in range(3):
        assert await group.submit("a", number) == number * 10
    assert [items for items, _, _ in ledger.batches] == [[0], [1], [2]]


async def test_a_batch_takes_what_waits_of_all_keys() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    first = asyncio.create_task(group.submit("a", 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks = [asyncio.create_task(group.submit(key, n)) for n, key in enumerate("bcab", start=1)]
    await asyncio.sleep(0)
    ledger.gate.set()
    assert await asyncio.gather(first, *tasks) == [0, 10, 20, 30, 40]
    assert [items for items, _, _ in ledger.batches] == [[0], [1, 4, 2, 3]]


async def test_so_many_batches_at_a_time_and_each_key_in_one() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, parallel=2)
    tasks = []
    for number, key in enumerate("aabbcc"):
        tasks.append(asyncio.create_task(group.submit(key, number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [items for items, _, _ in ledger.batches] == [[0], [2]]
    ledger.gate.set()
    assert await asyncio.gather(*tasks) == [n * 10 for n in range(6)]
    assert sorted(n for items, _, _ in ledger.batches for n in items) == list(range(6))


async def test_of_a_long_line_half_goes_and_half_is_ready() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(4 * SHARE)]
    await asyncio.sleep(0)
    ledger.gate.set()
    await asyncio.gather(*tasks)
    assert [len(items) for items, _, _ in ledger.batches] == [2 * SHARE, SHARE, SHARE]
    assert [n for items, _, _ in ledger.batches for n in items] == list(range(4 * SHARE))


async def test_a_locked_key_is_put_off_alone_and_in_order() -> None:
    ledger = Ledger()
    ledger.locked = {0, 1, 4}
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit(key, n)) for n, key in enumerate("aabb")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(group.submit("a", 4)))
    await asyncio.sleep(0)
    ledger.gate.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]
    assert ledger.batches == [([0, 1, 2, 3], False, False), ([0, 1, 4], False, True)]
    assert group._lines == {}
    assert group._waiting == 0


async def test_halves_wait_for_their_locks_lest_one_overtakes_the_other() -> None:
    ledger = Ledger()
    ledger.locked = {0, 1}
    ledger.bad = {3: ValueError("mine")}
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(4)]
    await asyncio.sleep(0)
    ledger.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[:3] == [0, 10, 20]
    assert isinstance(answers[3], ValueError)
    assert [n for items, _, alone in ledger.batches[1:] for n in items if alone] == [
        0,
        1,
        2,
        3,
        2,
        3,
    ]


async def test_halves_know_that_a_commit_may_have_come_through() -> None:
    ledger = Ledger()
    ledger.away = 1
    ledger.bad = {0: ValueError("mine")}
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, pauses=(0,))
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(2)]
    await asyncio.sleep(0)
    ledger.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [again for _, again, _ in ledger.batches] == [False, True, True, True]


async def test_an_expected_failure_is_its_own_items_only() -> None:
    ledger = Ledger()
    ledger.bad = {2: NotFound()}
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(5)]
    await asyncio.sleep(0)
    ledger.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[2], NotFound)
    assert [a for n, a in enumerate(answers) if n != 2] == [0, 10, 30, 40]


async def test_an_unforeseen_error_is_halved_until_it_stands_alone() -> None:
    ledger = Ledger()
    ledger.bad = {5: ValueError("mine")}
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    tasks = [asyncio.create_task(group.submit("a", n)) for n in range(8)]
    await asyncio.sleep(0)
    ledger.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[5], ValueError)
    assert [a for n, a in enumerate(answers) if n != 5] == [0, 10, 20, 30, 40, 60, 70]


async def test_servers_that_come_back_are_asked_again_and_told_so() -> None:
    ledger = Ledger()
    ledger.away = 2
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, pauses=(0, 0, 0))
    assert await group.submit("a", 7) == 70
    assert [again for _, again, _ in ledger.batches] == [False, True, True]


async def test_what_may_have_been_committed_is_not_put_off() -> None:
    ledger = Ledger()
    ledger.away, ledger.locked = 1, {7}
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, pauses=(0,))
    assert await group.submit("a", 7) == 70
    assert ledger.batches == [([7], False, False), ([7], True, True)]


async def test_servers_that_stay_away_are_a_rush_for_the_person() -> None:
    ledger = Ledger()
    ledger.away = 99
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, pauses=(0, 0))
    with pytest.raises(Busy):
        await group.submit("a", 7)


async def test_who_goes_away_does_not_take_the_batch_along() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run)
    gone, stays = (asyncio.create_task(group.submit("a", n)) for n in (1, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    ledger.gate.set()
    assert await stays == 20
    await group.drain()
    assert ledger.batches == [([1, 2], False, False)]


async def test_too_long_a_line_is_refused_at_once() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group: GroupCommit[str, int, int] = GroupCommit("test", ledger.run, limit=3, most=4)
    under_way = asyncio.create_task(group.submit("a", 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(group.submit("a", n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await group.submit("a", 4)
    other = asyncio.create_task(group.submit("b", 5))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await group.submit("c", 6)
    ledger.gate.set()
    assert await asyncio.gather(under_way, *waiting, other) == [0, 10, 20, 30, 50]
