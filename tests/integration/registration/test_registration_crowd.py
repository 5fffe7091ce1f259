"""Many at once at one event, through two processes: what only the lock keeps in order."""

import asyncio
from itertools import cycle
from typing import Any

import pytest
import sqlalchemy as sa

from services.registration.domain.errors import AlreadyRegistered, IdempotencyMismatch
from services.registration.repository import outcome
from services.registration.repository import seats as counters
from services.registration.schemas import EventOut
from services.registration.service import SignedUp
from tests.integration.registration.harness import House, Wishes, assert_whole

PLACES = 20
PEOPLE = 200
ONE_NUMBER = "uq_registration_event_id_seq"


async def crowd(houses: tuple[House, House], event: EventOut) -> list[SignedUp | BaseException]:
    """`PEOPLE` sign up, as many at once as there are connections; as in an api process, whoever
    finds none free within the time is told to come again."""
    room = asyncio.Semaphore(16)

    async def one(house: House, number: int) -> SignedUp:
        async with room:
            return await house.sign_up(event, number)

    return await asyncio.gather(
        *(one(h, n) for h, n in zip(cycle(houses), range(PEOPLE), strict=False)),
        return_exceptions=True,
    )


async def test_a_crowd_gets_every_place_once_and_the_line_in_order(
    houses: tuple[House, House],
) -> None:
    event = await houses[0].event(capacity=PLACES)
    answers = await crowd(houses, event)
    failed = [a for a in answers if isinstance(a, BaseException)]
    assert not failed
    people = await houses[0].people(event.id)
    assert [p.seq for p in people] == list(range(2, PEOPLE + 2))
    assert [p.status for p in people] == ["confirmed"] * PLACES + ["waitlisted"] * (PEOPLE - PLACES)
    assert [p.first_position for p in people[PLACES:]] == list(range(1, PEOPLE - PLACES + 1))
    told = {a.id: a for a in answers if isinstance(a, SignedUp)}
    assert all(told[p.id].position == p.first_position for p in people)
    await assert_whole(houses[0], event.id)


async def test_without_the_lock_the_crowd_breaks_the_count(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail. Without the lock the comparison and the tables, which refuse the
    same number twice, still hold; without these too, the event is oversold."""
    monkeypatch.setattr(counters, "LOCKS", ())
    monkeypatch.setattr(outcome, "STILL", "true")
    event = await houses[0].event(capacity=PLACES)
    await _execute(houses[0], f"ALTER TABLE registration DROP CONSTRAINT {ONE_NUMBER}")
    try:
        await crowd(houses, event)
        people = await houses[0].people(event.id)
        assert sum(p.status == "confirmed" for p in people) > PLACES
        with pytest.raises(AssertionError):
            await assert_whole(houses[0], event.id)
    finally:
        await _execute(houses[0], f"DELETE FROM registration WHERE event_id = '{event.id}'")
        await _execute(
            houses[0],
            f"ALTER TABLE registration ADD CONSTRAINT {ONE_NUMBER} UNIQUE (event_id, seq)",
        )


async def test_one_key_sent_twenty_times_at_once_is_one_registration(
    houses: tuple[House, House],
) -> None:
    event = await houses[0].event(capacity=1)
    answers = await asyncio.gather(
        *(h.sign_up(event, 1, key="the-same") for h in houses for _ in range(10))
    )
    assert len(set(answers)) == 1
    assert len(await houses[0].people(event.id)) == 1
    await assert_whole(houses[0], event.id)


async def test_one_key_for_two_forms_is_one_registration(houses: tuple[House, House]) -> None:
    event = await houses[0].event()
    answers = await asyncio.gather(
        *(h.sign_up(event, n, key="the-same") for n, h in enumerate(houses)),
        return_exceptions=True,
    )
    assert sorted(type(a).__name__ for a in answers) == ["IdempotencyMismatch", "SignedUp"]
    assert any(isinstance(a, IdempotencyMismatch) for a in answers)


async def test_one_address_twenty_times_at_once_is_one_registration(
    houses: tuple[House, House],
) -> None:
    event = await houses[0].event()
    spelt = ("Amt@Example.org", "amt@example.org ", "AMT@EXAMPLE.ORG")
    answers = await asyncio.gather(
        *(h.sign_up(event, n, email=spelt[n % 3]) for h in houses for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(a, SignedUp) for a in answers) == 1
    assert sum(isinstance(a, AlreadyRegistered) for a in answers) == 19
    assert len(await houses[0].people(event.id)) == 1


async def test_cancelled_by_both_at_once_frees_the_seat_once(houses: tuple[House, House]) -> None:
    event = await houses[0].event(capacity=1)
    first = await houses[0].sign_up(event, 1)
    await houses[0].sign_up(event, 2)
    await asyncio.gather(*(h.cancel(first) for h in houses for _ in range(5)))
    said = await houses[0].said(event.id)
    assert [m.type for m in said].count("registration.cancelled") == 1
    assert [m.type for m in said].count("registration.seats_freed") == 1
    row = await houses[0].row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (0, 1, 1)
    await assert_whole(houses[0], event.id)


@pytest.mark.parametrize("turn", range(8))
async def test_who_leaves_while_moving_up_never_takes_the_seat_along(
    houses: tuple[House, House], turn: int
) -> None:
    event = await houses[0].event(capacity=1)
    first, second = [await houses[0].sign_up(event, n) for n in (1, 2)]
    await houses[0].cancel(first)
    wish = Wishes(event.id).promoted(second.id)
    both: list[Any] = [houses[0].cancel(second), houses[1].wish(wish)]
    await asyncio.gather(*(both if turn % 2 else reversed(both)))

    row = await houses[0].row(event.id)
    said = [m.type for m in await houses[0].said(event.id)]
    assert (row.confirmed, row.waiting) == (0, 0)
    # Moved up first and then gave the seat back, or left first: it is everybody's in the end.
    moved_up = "registration.confirmed" in said[-2:]
    assert said[-1] == "registration.cancelled"
    assert moved_up == (said[-2] == "registration.confirmed")
    assert row.held == 0
    await assert_whole(houses[0], event.id)


async def _execute(house: House, statement: str) -> None:
    async with house.db.transaction() as conn:
        await conn.execute(sa.text(statement))
