"""One wish for a place at one of several events: never two places, on a real database."""

import asyncio
from typing import Any

import pytest

from services.kit.errors import Invalid
from services.registration.domain.errors import AlreadyRegistered, EventFull
from services.registration.schemas import EventOut
from services.registration.service import SignedUp
from tests.integration.registration.harness import House, Wishes, assert_whole

RACES = 40


async def dates(house: House, count: int = 2, **changes: Any) -> list[EventOut]:
    """The same seminar on so many dates, of one seat each; the house's board knows them."""
    series = (await house.event()).slug
    made = [await house.event(**{"capacity": 1, "series": series, **changes}) for _ in range(count)]
    await house.service.board._load()  # type: ignore[attr-defined]
    return made


async def wait_for_all(
    house: House, events: list[EventOut], number: int = 1
) -> tuple[list[SignedUp], SignedUp]:
    """Who has the seats, and somebody who waits for one of them."""
    have = [await house.sign_up(event, 100 + n) for n, event in enumerate(events)]
    also = tuple(event.slug for event in events[1:])
    waits = await house.sign_up(events[0], number, also=also)
    return have, waits


async def statuses(house: House, events: list[EventOut], number: int = 1) -> list[str | None]:
    """How the person stands at each of the events."""
    found = []
    for event in events:
        mine = [p for p in await house.people(event.id) if p.email == f"gast-{number}@example.org"]
        found.append(mine[-1].status if mine else None)
    return found


async def test_the_first_that_has_a_place_counts(house: House) -> None:
    events = await dates(house, 3)
    await house.sign_up(events[0], 50)
    got = await house.sign_up(events[0], 1, also=(events[1].slug, events[2].slug))
    assert (got.status, got.event) == ("confirmed", events[1].slug)
    assert await statuses(house, events) == [None, "confirmed", None]
    for event in events:
        await assert_whole(house, event.id)


async def test_who_waits_for_several_leaves_all_lines_with_the_first_place(house: House) -> None:
    events = await dates(house, 3)
    have, waits = await wait_for_all(house, events)
    assert (waits.status, waits.position, waits.event) == ("waitlisted", 1, events[0].slug)
    standing = await house.standing(waits)
    assert [(o.event.slug, o.status, o.position) for o in standing.others] == [
        (event.slug, "waitlisted", 1) for event in sorted(events[1:], key=lambda e: e.slug)
    ]
    await house.cancel(have[1])
    mine = next(p for p in await house.people(events[1].id) if p.status == "waitlisted")
    await house.wish(Wishes(events[1].id).promoted(mine.id))
    assert await statuses(house, events) == ["cancelled", "confirmed", "cancelled"]
    lapsed = (await house.said(events[0].id))[-1]
    assert lapsed.type == "registration.cancelled"
    assert lapsed.data.lapsed
    for event in events:
        await assert_whole(house, event.id)


async def test_an_offer_ends_the_waiting_for_the_others_too(house: House) -> None:
    events = await dates(house, waitlist={"promotion": "offer"})
    have, waits = await wait_for_all(house, events)
    await house.cancel(have[0])
    await house.wish(Wishes(events[0].id).promoted(waits.id))
    assert await statuses(house, events) == ["offered", "cancelled"]


async def test_two_places_at_once_are_never_one_persons(houses: tuple[House, House]) -> None:
    here, there = houses
    for turn in range(RACES):
        events = await dates(here)
        have, _ = await wait_for_all(here, events)
        await asyncio.gather(*(here.cancel(one) for one in have))
        ids = [
            next(p.id for p in await here.people(event.id) if p.status == "waitlisted")
            for event in events
        ]
        wishes = [
            house.wish(Wishes(event.id).promoted(one))
            for house, event, one in zip((here, there), events, ids, strict=True)
        ]
        await asyncio.gather(*(reversed(wishes) if turn % 2 else wishes))
        assert sorted(map(str, await statuses(here, events))) == ["cancelled", "confirmed"]
        # The other seat is free for everybody.
        rows = [await here.row(event.id) for event in events]
        assert sum(row.confirmed for row in rows) == 1
        assert sum(row.held + row.waiting for row in rows) == 0
        for event in events:
            await assert_whole(here, event.id)


async def test_leaving_leaves_all_lines(house: House) -> None:
    events = await dates(house)
    _, waits = await wait_for_all(house, events)
    await house.act(waits, "cancel")
    assert await statuses(house, events) == ["cancelled", "cancelled"]


async def test_the_same_key_gets_the_same_answer(house: House) -> None:
    events = await dates(house)
    for number, event in enumerate(events):
        await house.sign_up(event, 100 + number)
    answers = [await house.sign_up(events[0], 1, "key-1", also=(events[1].slug,)) for _ in range(3)]
    assert len({(a.id, a.event, a.manage_url) for a in answers}) == 1
    assert await statuses(house, events) == ["waitlisted", "waitlisted"]
    with pytest.raises(AlreadyRegistered):
        await house.sign_up(events[0], 1, also=(events[1].slug,))


async def test_only_events_of_the_series_can_be_named(house: House) -> None:
    events, (other,) = await dates(house), await dates(house, 1)
    with pytest.raises(Invalid) as refused:
        await house.sign_up(events[0], 1, also=(other.slug, "no-such-event"))
    assert [one.pointer for one in refused.value.errors] == ["#/also/0", "#/also/1"]
    assert await statuses(house, events) == [None, None]


async def test_where_no_line_takes_anybody_it_is_full(house: House) -> None:
    events = await dates(house, waitlist={"enabled": False})
    for number, event in enumerate(events):
        await house.sign_up(event, 100 + number)
    with pytest.raises(EventFull):
        await house.sign_up(events[0], 1, also=(events[1].slug,))
