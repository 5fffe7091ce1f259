"""Deciding from memory: the same as under the lock, whatever others do meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import asyncpg
import pytest

from services.kit.errors import EinlassError
from services.registration.domain.errors import AlreadyRegistered, EventFull
from services.registration.repository import outcome
from services.registration.schemas import EventOut
from services.registration.service import SignedUp
from tests.integration.registration.harness import House

Guess = Callable[..., Awaitable[dict[UUID, datetime]]]


@pytest.fixture
def guesses(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """The events that each guess wrote, guess by guess."""
    seen: list[set[UUID]] = []
    real: Guess = outcome.guess

    async def noted(*arguments: object) -> dict[UUID, datetime]:
        written = await real(*arguments)
        seen.append(set(written))
        return written

    monkeypatch.setattr(outcome, "guess", noted)
    return seen


async def _settled(house: House, event: EventOut, numbers: range) -> list[SignedUp]:
    return [await house.sign_up(event, n) for n in numbers]


async def test_a_process_trusts_what_it_found_as_it_had_left_it(
    house: House, guesses: list[set[UUID]]
) -> None:
    event = await house.event(capacity=10)
    await _settled(house, event, range(1, 7))
    assert guesses == [{event.id}] * 4
    row = await house.row(event.id)
    assert (row.confirmed, row.seq) == (6, 7)
    said = await house.said(event.id)
    assert [m.seq for m in said] == list(range(1, 8))


async def test_what_another_process_did_is_seen(
    houses: tuple[House, House], guesses: list[set[UUID]]
) -> None:
    one, two = houses
    event = await one.event(capacity=6)
    await _settled(one, event, range(1, 4))
    await two.sign_up(event, 4)
    guesses.clear()
    await one.sign_up(event, 5)
    assert guesses == [set()]
    row = await one.row(event.id)
    assert (row.confirmed, row.seq) == (5, 6)
    await _settled(two, event, range(6, 7))
    waits = await one.sign_up(event, 7)
    assert (waits.status, waits.position) == ("waitlisted", 1)
    assert [m.seq for m in await one.said(event.id)] == list(range(1, 9))


async def test_two_who_take_turns_do_not_guess(
    houses: tuple[House, House], guesses: list[set[UUID]]
) -> None:
    event = await houses[0].event(capacity=30)
    for number in range(1, 21):
        await houses[number % 2].sign_up(event, number)
    assert guesses == []
    assert (await houses[0].row(event.id)).confirmed == 20


async def test_a_change_of_the_event_is_seen(house: House, guesses: list[set[UUID]]) -> None:
    event = await house.event(capacity=10, waitlist={"enabled": False})
    await _settled(house, event, range(1, 4))
    await house.programme.change(event.slug, {"capacity": 4}, None)
    guesses.clear()
    await house.sign_up(event, 4)
    assert guesses == []
    with pytest.raises(EventFull):
        await house.sign_up(event, 5)


async def test_who_is_known_is_told_so_from_what_is_there(
    house: House, guesses: list[set[UUID]]
) -> None:
    event = await house.event(capacity=10)
    first = await house.sign_up(event, 1, key="one")
    await _settled(house, event, range(2, 5))
    guesses.clear()
    assert await house.sign_up(event, 1, key="one") == first
    with pytest.raises(AlreadyRegistered):
        await house.sign_up(event, 2)
    assert guesses == [set()]  # after one that failed, the memory is not trusted for a while
    ends = await asyncio.gather(
        house.sign_up(event, 1, key="one"),
        *(house.sign_up(event, n) for n in (7, 2, 8, 8)),
        return_exceptions=True,
    )
    assert ends[0] == first
    kinds = [type(end) for end in ends[1:]]
    assert kinds[:2] == [SignedUp, AlreadyRegistered]
    assert sorted(kinds[2:], key=str) == sorted([SignedUp, AlreadyRegistered], key=str)
    assert (await house.row(event.id)).confirmed == 6


async def test_a_locked_event_holds_up_no_other(
    house: House, admin: asyncpg.Connection, guesses: list[set[UUID]]
) -> None:
    free, taken = await house.event(capacity=9), await house.event(capacity=9)
    for event in (free, taken):
        await _settled(house, event, range(1, 4))
    guesses.clear()
    async with admin.transaction():
        await admin.execute("SELECT FROM seats WHERE event_id = $1 FOR UPDATE", taken.id)
        waits = asyncio.create_task(house.sign_up(taken, 4))
        done = await asyncio.wait_for(
            asyncio.gather(*(house.sign_up(free, n) for n in range(4, 7))), 1
        )
        assert all(one.status == "confirmed" for one in done)
        assert not waits.done()
    assert (await waits).status == "confirmed"
    assert (await house.row(taken.id)).confirmed == 4
    assert {free.id} in guesses


async def test_a_guess_whose_answer_is_lost_is_looked_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await house.event(capacity=9)
    await _settled(house, event, range(1, 4))
    real: Guess = outcome.guess

    async def lost(*arguments: object) -> dict[UUID, datetime]:
        await real(*arguments)
        raise ConnectionResetError

    monkeypatch.setattr(outcome, "guess", lost)
    done = await house.sign_up(event, 4)
    assert done.status == "confirmed"
    row = await house.row(event.id)
    assert (row.confirmed, row.seq) == (4, 5)
    assert [m.seq for m in await house.said(event.id)] == list(range(1, 6))


async def test_nobody_is_told_from_memory_that_there_is_no_place(
    houses: tuple[House, House],
) -> None:
    """A cancellation elsewhere has made one free."""
    one, two = houses
    event = await one.event(capacity=3, waitlist={"enabled": False})
    people = await _settled(one, event, range(1, 4))
    await two.cancel(people[0])
    ends = await asyncio.gather(
        *(one.sign_up(event, n, key=str(n)) for n in (4, 5)), return_exceptions=True
    )
    assert sum(isinstance(end, EinlassError) for end in ends) == 1
    assert (await one.row(event.id)).confirmed == 3
