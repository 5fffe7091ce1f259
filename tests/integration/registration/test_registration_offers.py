"""Offers, parties and the end of a line, on a real database with a clock that can be moved."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.contracts import registration as wire
from services.contracts.waitlist import PlaceMoved, PlaceMovedData
from services.kit.errors import EinlassError
from services.registration.domain.errors import (
    CancellationClosed,
    EventFull,
    NothingOffered,
    NotInLine,
    OfferExpired,
    PartyNotSmaller,
)
from services.registration.schemas import EventOut
from services.registration.service import SignedUp
from services.registration.standing import Standing
from tests.integration.registration.harness import House, Wishes, assert_whole

OFFERS: dict[str, Any] = {"promotion": "offer", "quiet_hours": {"begins": "00:00", "ends": "00:00"}}
DAY = timedelta(days=1)


async def queue(
    house: House, *parties: int, capacity: int = 1, **waitlist: Any
) -> tuple[EventOut, SignedUp, list[SignedUp]]:
    """An event whose seats one person has, and parties that wait for them."""
    event = await house.event(
        capacity=capacity, max_party=max(capacity, *parties), waitlist={**OFFERS, **waitlist}
    )
    first = await house.sign_up(event, 0, seats=capacity)
    waiting = [await house.sign_up(event, n, seats=s) for n, s in enumerate(parties, start=1)]
    assert [one.status for one in waiting] == ["waitlisted"] * len(parties)
    return event, first, waiting


async def offered(
    house: House, *parties: int, capacity: int = 1, **waitlist: Any
) -> tuple[EventOut, list[SignedUp], Wishes]:
    """The same after the first has gone: the head of the line is offered its seats."""
    event, first, waiting = await queue(house, *parties, capacity=capacity, **waitlist)
    await house.cancel(first)
    wishes = Wishes(event.id)
    await house.wish(wishes.promoted(waiting[0].id, parties[0]))
    assert (await house.standing(waiting[0])).status == "offered"
    return event, waiting, wishes


async def kinds(house: House, event: EventOut) -> Sequence[str]:
    return [message.type.removeprefix("registration.") for message in await house.said(event.id)]


async def test_an_offer_is_held_told_and_accepted(house: House) -> None:
    event, (anna,), _ = await offered(house, 1)
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting, row.line) == (0, 1, 0, 0)
    told = (await house.said(event.id))[-1]
    assert isinstance(told, wire.RegistrationOffered)
    assert told.data.until == house.clock.now() + DAY
    assert (told.data.seats, told.data.party) == (1, 1)
    # A passer-by does not get it.
    assert (await house.sign_up(event, 9)).status == "waitlisted"
    for _ in range(2):
        standing = await house.act(anna, "accept")
        assert (standing.status, standing.offer) == ("confirmed", None)
    row = await house.row(event.id)
    assert (row.confirmed, row.held) == (1, 0)
    assert (await kinds(house, event)).count("confirmed") == 2
    await assert_whole(house, event.id)


async def test_who_declines_is_out_and_the_next_has_the_seat(house: House) -> None:
    event, (anna, bert), wishes = await offered(house, 1, 1)
    for _ in range(2):
        assert (await house.act(anna, "decline")).status == "cancelled"
    assert (await kinds(house, event))[-2:] == ["offer_ended", "seats_freed"]
    await house.wish(wishes.promoted(bert.id))
    assert (await house.act(bert, "cancel")).status == "cancelled"
    # Nobody waits any more: everybody may have it.
    assert (await house.row(event.id)).held == 0
    with pytest.raises(NothingOffered):
        await house.act(anna, "accept")
    assert (await house.sign_up(event, 9)).status == "confirmed"
    await assert_whole(house, event.id)


@pytest.mark.parametrize(
    ("after", "status", "place"), [("out", "expired", "lost"), ("end", "waitlisted", "end")]
)
async def test_an_offer_runs_out_when_its_time_is_over(
    house: House, after: str, status: str, place: str
) -> None:
    event, (anna, bert), _ = await offered(house, 1, 1, after_offer=after)
    began = house.clock.now()
    house.clock.advance(DAY - timedelta(seconds=1))
    assert await house.timer.look() == 0
    house.clock.advance(timedelta(seconds=1))
    # From now on it cannot be accepted, whether or not the scheduler has looked.
    with pytest.raises(OfferExpired):
        await house.act(anna, "accept")
    assert await house.timer.look() == 1
    assert await house.timer.look() == 0
    standing = await house.standing(anna)
    assert standing.status == status
    ended = next(m for m in await house.said(event.id) if isinstance(m, wire.OfferEnded))
    assert (ended.data.reason, ended.data.place) == ("expired", place)
    assert (await kinds(house, event))[-1] == "seats_freed"
    if after == "end":
        assert (standing.position, (await house.standing(bert)).position) == (2, 1)
        assert ended.data.position == 2
    else:
        with pytest.raises(OfferExpired):
            await house.act(anna, "accept")
        # The address is free again.
        assert (await house.sign_up(event, 1)).status == "waitlisted"
    await assert_whole(house, event.id)
    house.clock.advance(began - house.clock.now())


async def accept_after(house: House, who: SignedUp, seconds: float) -> Standing:
    await asyncio.sleep(seconds)
    return await house.act(who, "accept")


async def test_accepting_against_running_out_has_one_outcome(
    houses: tuple[House, House],
) -> None:
    here, there = houses
    seen = set()
    for turn in range(30):
        event, (anna, *_), _ = await offered(here, 1, 1)
        # One process's clock says that it is over, the other's that it is not.
        there.clock.advance(here.clock.now() + DAY - there.clock.now())
        answer, _ = await asyncio.gather(
            accept_after(here, anna, turn / 2000), there.timer.look(), return_exceptions=True
        )
        row, people = await here.row(event.id), await here.people(event.id)
        mine = next(p for p in people if p.id == anna.id)
        seen.add(mine.status)
        if mine.status == "confirmed":
            assert not isinstance(answer, BaseException)
            assert (row.confirmed, row.held) == (1, 0)
        else:
            assert isinstance(answer, OfferExpired)
            assert mine.status == "expired"
            assert (row.confirmed, row.held) == (0, 1)
        await assert_whole(here, event.id)
    assert seen == {"confirmed", "expired"}
    there.clock.advance(here.clock.now() - there.clock.now())


async def partly(house: House) -> tuple[EventOut, SignedUp, SignedUp, Wishes]:
    """Two seats of three become free; a party of three is first in line, behind it one of one."""
    event, first, (family, bert) = await queue(house, 3, 1, capacity=3, policy="partial")
    await house.act(first, "reduce", 1)
    return event, family, bert, Wishes(event.id)


async def test_a_part_is_taken_and_the_rest_given_up(house: House) -> None:
    event, family, _, wishes = await partly(house)
    await house.wish(wishes.promoted(family.id, 2))
    told = (await house.said(event.id))[-1]
    assert isinstance(told, wire.RegistrationOffered)
    assert (told.data.seats, told.data.party) == (2, 3)
    standing = await house.act(family, "accept")
    assert (standing.status, standing.seats) == ("confirmed", 2)
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (3, 0, 1)
    await assert_whole(house, event.id)


async def test_who_declines_a_part_keeps_the_place(house: House) -> None:
    event, family, bert, wishes = await partly(house)
    await house.wish(wishes.promoted(family.id, 2))
    standing = await house.act(family, "decline")
    assert (standing.status, standing.seats, standing.position) == ("waitlisted", 3, 1)
    ended = next(m for m in await house.said(event.id) if isinstance(m, wire.OfferEnded))
    assert (ended.data.reason, ended.data.place) == ("declined", "kept")
    await house.wish(wishes.promoted(bert.id))
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (1, 2, 3)
    await assert_whole(house, event.id)


async def test_a_part_is_never_given_unasked(house: House) -> None:
    _, family, _, wishes = await partly(house)
    now = house.clock.now()
    begins = (await house.standing(family)).event.begins
    house.clock.advance(begins - timedelta(hours=1) - now)
    await house.wish(wishes.promoted(family.id, 2))
    offer = (await house.standing(family)).offer
    assert offer is not None
    assert offer.until == begins
    house.clock.advance(now - house.clock.now())


async def test_close_to_the_event_a_place_is_given_at_once(house: House) -> None:
    event, first, (anna,) = await queue(house, 1)
    now = house.clock.now()
    begins = (await house.standing(anna)).event.begins
    house.clock.advance(begins - timedelta(hours=1) - now)
    await house.cancel(first)
    await house.wish(Wishes(event.id).promoted(anna.id))
    assert (await house.standing(anna)).status == "confirmed"
    house.clock.advance(now - house.clock.now())
    await assert_whole(house, event.id)


async def test_a_party_becomes_smaller_in_line_and_with_a_place(house: House) -> None:
    event, first, (family, bert) = await queue(house, 3, 1, capacity=3)
    assert (await house.act(family, "reduce", 2)).position == 1
    with pytest.raises(PartyNotSmaller):
        await house.act(family, "reduce", 3)
    with pytest.raises(PartyNotSmaller):
        await house.act(family, "reduce", 0)
    assert (await house.act(first, "reduce", 1)).seats == 1
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting, row.line) == (1, 2, 3, 2)
    # The wish was for the party as it was: what it wants no more goes to the next in line.
    await house.act(family, "reduce", 1)
    await house.wish(Wishes(event.id).promoted(family.id, 2))
    assert (await house.act(family, "accept")).seats == 1
    assert (await kinds(house, event))[-3:] == ["offered", "seats_freed", "confirmed"]
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (2, 1, 1)
    assert bert.position == 2
    await assert_whole(house, event.id)


async def test_who_only_waits_may_leave_until_the_event_begins(house: House) -> None:
    """The time until when a place can be given back concerns those who have one."""
    event, first, (anna, bert) = await queue(house, 1, 1)
    closed = {"registration": {"cancel_until": house.clock.now().isoformat()}}
    await house.programme.change(event.slug, closed, None)
    with pytest.raises(CancellationClosed):
        await house.cancel(first)
    assert (await house.standing(anna)).may_cancel
    assert (await house.act(anna, "cancel")).status == "cancelled"
    begins, now = (await house.standing(bert)).event.begins, house.clock.now()
    house.clock.advance(begins - now)
    with pytest.raises(CancellationClosed):
        await house.cancel(bert)
    house.clock.advance(now - begins)


async def test_somebody_says_that_they_still_want_it(house: House) -> None:
    event, first, (anna,) = await queue(house, 1)
    standing = await house.act(anna, "still_wanted")
    assert (standing.wanted_at, standing.position) == (house.clock.now(), 1)
    assert (await kinds(house, event))[-1] == "still_wanted"
    with pytest.raises(NotInLine):
        await house.act(first, "still_wanted")
    await assert_whole(house, event.id)


async def test_once_the_line_is_over_nobody_waits_for_nothing(house: House) -> None:
    now = house.clock.now()
    until = now + timedelta(days=2)
    event, first, (pair, _) = await queue(house, 2, 1, capacity=2, until=until.isoformat())
    await house.act(first, "reduce", 1)
    assert (await house.row(event.id)).held == 1
    house.clock.advance(timedelta(days=2))
    # What the line lets go of is everybody's, and a wish that comes too late is none.
    wishes = Wishes(event.id)
    await house.wish(wishes.promoted(pair.id, 1))
    row = await house.row(event.id)
    assert (row.held, row.waiting, row.light) == (0, 3, "yellow")
    assert (await house.standing(pair)).status == "waitlisted"
    assert (await house.sign_up(event, 8)).status == "confirmed"
    with pytest.raises(EventFull):
        await house.sign_up(event, 9)
    await house.cancel(first)
    assert (await kinds(house, event))[-1] == "cancelled"
    assert (await house.sign_up(event, 10)).status == "confirmed"
    await assert_whole(house, event.id, over=True)
    house.clock.advance(now - house.clock.now())


async def test_an_event_that_is_moved_takes_its_offers_along(house: House) -> None:
    event, (anna,), _ = await offered(house, 1)
    until = house.clock.now() + timedelta(hours=3)
    await house.programme.change(event.slug, {"waitlist": {"until": until.isoformat()}}, None)
    offer = (await house.standing(anna)).offer
    assert offer is not None
    assert offer.until == until
    told = (await house.said(event.id))[-1]
    assert isinstance(told, wire.EventChanged)
    assert told.data.changes == ("waitlist",)
    assert not told.data.announce
    assert told.data.event.waitlist is not None
    assert told.data.event.waitlist.ends_at == until
    await assert_whole(house, event.id)


async def test_an_offer_of_a_called_off_event_is_no_place(house: House) -> None:
    event, (anna,), _ = await offered(house, 1)
    await house.programme.change(event.slug, {"status": "called_off"}, "Unwetter")
    with pytest.raises(NothingOffered):
        await house.act(anna, "accept")
    now = house.clock.now()
    house.clock.advance(2 * DAY)
    await house.timer.look()
    assert (await house.standing(anna)).status == "offered"
    house.clock.advance(now - house.clock.now())


async def test_an_operator_may_move_somebody_up(house: House) -> None:
    event, _, (anna, bert) = await queue(house, 1, 1)
    wishes = Wishes(event.id)
    envelope = wishes.promoted(bert.id).model_dump(exclude={"type", "data"})
    moved = PlaceMoved(**envelope, data=PlaceMovedData(registration_id=bert.id, rank=-5))
    await house.wish(moved)
    places = [(await house.standing(one)).position for one in (anna, bert)]
    assert places == [2, 1]


async def test_the_line_tells_how_many_moved_up_lately(house: House) -> None:
    _, (anna, bert), _ = await offered(house, 1, 1)
    assert (await house.standing(bert)).moved_up == 0
    await house.act(anna, "accept")
    assert (await house.standing(bert)).moved_up == 1
    await house.cancel(anna)
    assert (await house.standing(bert)).moved_up == 1
    now = house.clock.now()
    house.clock.advance(15 * DAY)
    assert (await house.standing(bert)).moved_up == 0
    house.clock.advance(now - house.clock.now())


@pytest.mark.parametrize(
    ("what", "error"), [("accept", NothingOffered), ("decline", NothingOffered)]
)
async def test_what_is_not_offered_cannot_be_taken(
    house: House, what: Any, error: type[EinlassError]
) -> None:
    _, first, _ = await queue(house, 1)
    with pytest.raises(error):
        await house.act(first, what)
