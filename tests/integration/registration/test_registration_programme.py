"""What operators do to an event, while others sign up for it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.contracts import registration as wire
from services.kit.errors import Invalid, NotFound
from services.registration.domain.errors import (
    CalledOff,
    CapacityTooLow,
    EventFull,
    NotPublished,
    NoWayBack,
    RegistrationClosed,
    SlugTaken,
)
from services.registration.schemas import EventIn
from tests.integration.registration.harness import (
    House,
    Wishes,
    assert_whole,
    held_lock,
    until_waiting,
)
from tests.support import events


def kinds(said: list[wire.RegistrationMessage]) -> list[str]:
    return [message.type for message in said]


async def test_an_event_is_told_of_when_it_is_published(house: House) -> None:
    draft = await house.event(status="draft")
    assert await house.said(draft.id) == []
    await house.programme.change(draft.slug, {"title": "Anders"}, None)
    assert await house.said(draft.id) == []

    published = await house.programme.change(draft.slug, {"status": "published"}, None)
    (told,) = await house.said(draft.id)
    assert isinstance(told, wire.EventPublished)
    assert (told.seq, told.data.event.title, told.data.event.version) == (1, "Anders", 3)
    assert published.version == 3


async def test_changes_that_people_must_hear_of_are_announced(house: House) -> None:
    event = await house.event()
    await house.programme.change(event.slug, {"place": "Stadthaus"}, None)
    await house.programme.change(event.slug, {"contact": "Frau Öz"}, None)
    await house.programme.change(event.slug, {"description": "Nur der Text."}, None)
    said = await house.said(event.id)
    assert kinds(said) == ["event.published", "event.changed", "event.changed"]
    first, second = said[1], said[2]
    assert isinstance(first, wire.EventChanged)
    assert isinstance(second, wire.EventChanged)
    assert (first.data.changes, first.data.announce) == (("place",), True)
    assert (second.data.changes, second.data.announce) == (("contact",), False)
    await assert_whole(house, event.id)


async def test_calling_off_is_the_end(house: House) -> None:
    event = await house.event(capacity=1)
    await house.sign_up(event, 1)
    await house.programme.change(event.slug, {"status": "called_off"}, "Der Saal ist zu.")
    told = (await house.said(event.id))[-1]
    assert isinstance(told, wire.EventCalledOff)
    assert told.data.reason == "Der Saal ist zu."
    assert told.data.event.status == "called_off"
    with pytest.raises(RegistrationClosed):
        await house.sign_up(event, 2)
    for patch in ({"status": "published"}, {"title": "Doch"}, {"status": "called_off"}):
        with pytest.raises(CalledOff):
            await house.programme.change(event.slug, patch, None)


@pytest.mark.parametrize(
    ("status", "to", "error"),
    [
        ("published", "draft", NoWayBack),
        ("draft", "called_off", NotPublished),
    ],
)
async def test_there_is_only_one_way(
    house: House, status: str, to: str, error: type[Exception]
) -> None:
    event = await house.event(status=status)
    with pytest.raises(error):
        await house.programme.change(event.slug, {"status": to}, None)
    assert (await house.programme.one(event.slug)).status == status


async def test_an_event_cannot_begin_called_off(house: House) -> None:
    with pytest.raises(NotPublished):
        await house.event(status="called_off")


async def test_a_slug_is_taken_once(house: House) -> None:
    one, other = await house.event(), await house.event()
    with pytest.raises(SlugTaken):
        await house.event(slug=one.slug)
    with pytest.raises(SlugTaken):
        await house.programme.change(other.slug, {"slug": one.slug}, None)
    assert (await house.programme.one(other.slug)).id == other.id


async def test_an_unknown_event_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.programme.change("gibt-es-nicht", {"title": "Neu"}, None)
    with pytest.raises(NotFound):
        await house.programme.one("gibt-es-nicht")


@pytest.mark.parametrize(
    "patch",
    [
        {"capacity": 0},
        {"title": "Zwei\nZeilen"},
        {"days": []},
        {"counts": {"confirmed": 0}},
        {"summary": "Null \x00 Byte"},
        {"description": "Null \x00 Byte"},
        {"questions": {"diet": {"type": "string", "title": "Null \x00 Byte"}}},
        {"questions": {"diet": {"type": "string", "title": "Halb \ud800"}}},
        {"title": "Halb \ud800"},
        {"days": [{"date": "9999-12-31"}]},
        {"days": [{"date": "0001-01-01"}]},
        {"registration": {"opens_at": "9999-12-31T23:59:59-12:00"}},
        {"registration": {"opens_at": "2026-03-02T10:00Z", "closes_at": "2026-03-01T10:00Z"}},
        {"max_party": 4},
    ],
)
async def test_what_cannot_stand_is_named_and_nothing_changes(
    house: House, patch: dict[str, Any]
) -> None:
    event = await house.event(capacity=3)
    with pytest.raises(Invalid) as refused:
        await house.programme.change(event.slug, patch, None)
    assert refused.value.errors
    assert await house.programme.one(event.slug) == event


async def test_more_places_go_to_the_line_first(house: House) -> None:
    event = await house.event(capacity=1)
    await house.sign_up(event, 1)
    second = await house.sign_up(event, 2)
    await house.programme.change(event.slug, {"capacity": 3}, None)
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (1, 2, 1)
    third = await house.sign_up(event, 3)
    assert third.status == "waitlisted"

    wishes = Wishes(event.id)
    await house.wish(wishes.promoted(second.id), wishes.promoted(third.id))
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (3, 0, 0)
    await assert_whole(house, event.id)


async def test_fewer_places_than_taken_is_refused_with_the_number(house: House) -> None:
    event = await house.event(capacity=3)
    for number in range(3):
        await house.sign_up(event, number)
    with pytest.raises(CapacityTooLow) as refused:
        await house.programme.change(event.slug, {"capacity": 1}, None)
    assert refused.value.extra == {"must_go": 2}
    assert (await house.row(event.id)).capacity == 3


@pytest.mark.parametrize(
    ("patch", "light"),
    [
        ({"few_left": {"seats": 3}}, "yellow"),
        ({"waitlist": {"enabled": False}}, "green"),
        ({"capacity": 1}, "yellow"),
    ],
)
async def test_the_light_follows_the_settings_at_once(
    house: House, patch: dict[str, Any], light: str
) -> None:
    event = await house.event(capacity=3)
    assert event.light == "green"
    assert (await house.programme.change(event.slug, patch, None)).light == light


async def test_a_full_event_without_a_line_shows_no_light(house: House) -> None:
    event = await house.event(capacity=1)
    await house.sign_up(event, 1)
    assert (await house.programme.one(event.slug)).light == "red"
    closed = await house.programme.change(event.slug, {"waitlist": {"enabled": False}}, None)
    assert closed.light is None
    with pytest.raises(EventFull):
        await house.sign_up(event, 2)


async def test_nobody_gets_into_an_event_that_is_being_called_off(house: House) -> None:
    """The sign-up waits for the lock, and must see what the transaction before it has done."""
    event = await house.event()
    async with held_lock(house, event.id):
        calling = asyncio.create_task(
            house.programme.change(event.slug, {"status": "called_off"}, None)
        )
        await until_waiting(house, 1)
        signing = asyncio.create_task(house.sign_up(event, 1))
        await until_waiting(house, 2)
    await calling
    with pytest.raises(RegistrationClosed):
        await signing
    assert await house.people(event.id) == []


async def test_two_changes_at_once_are_both_kept(house: House) -> None:
    event = await house.event()
    async with held_lock(house, event.id):
        changes = [
            asyncio.create_task(house.programme.change(event.slug, patch, None))
            for patch in ({"place": "Stadthaus"}, {"contact": "Frau Öz"})
        ]
        await until_waiting(house, 2)
    await asyncio.gather(*changes)
    found = await house.programme.one(event.slug)
    assert (found.place, found.contact, found.version) == ("Stadthaus", "Frau Öz", 3)


async def test_who_signs_up_while_the_event_moves_is_in(house: House) -> None:
    """It is the same event, whatever its address is by now."""
    event = await house.event()
    async with held_lock(house, event.id):
        moving = asyncio.create_task(
            house.programme.change(event.slug, {"slug": f"{event.slug}-neu"}, None)
        )
        await until_waiting(house, 1)
        signing = asyncio.create_task(house.sign_up(event, 1))
        await until_waiting(house, 2)
    await moving
    assert (await signing).status == "confirmed"
    with pytest.raises(NotFound):
        await house.sign_up(event, 2)
    await assert_whole(house, event.id)


async def test_a_form_is_judged_by_the_event_as_it_is_when_it_counts(house: House) -> None:
    """A party that was small enough when it asked is too large by the time it has the lock."""
    event = await house.event(max_party=3)
    async with held_lock(house, event.id):
        changing = asyncio.create_task(house.programme.change(event.slug, {"max_party": 1}, None))
        await until_waiting(house, 1)
        signing = asyncio.create_task(house.sign_up(event, 1, seats=3))
        await until_waiting(house, 2)
    await changing
    with pytest.raises(Invalid) as refused:
        await signing
    assert [e.pointer for e in refused.value.errors] == ["#/seats"]
    assert await house.people(event.id) == []


async def test_the_window_is_judged_by_the_clock(registration_url: str) -> None:
    own = House(registration_url)
    try:
        opens = own.clock.now() + timedelta(hours=1)
        event = await own.programme.create(
            EventIn.model_validate(
                events.event(
                    registration={
                        "opens_at": opens.isoformat(),
                        "closes_at": (opens + timedelta(hours=1)).isoformat(),
                    }
                )
            )
        )
        with pytest.raises(RegistrationClosed):
            await own.sign_up(event, 1)
        own.clock.advance(timedelta(hours=1))
        assert (await own.sign_up(event, 1, key="k")).status == "confirmed"
        own.clock.advance(timedelta(hours=1))
        with pytest.raises(RegistrationClosed):
            await own.sign_up(event, 2)
        again = await own.sign_up(event, 1, key="k")
        assert again.status == "confirmed"
        with pytest.raises(RegistrationClosed):
            await own.sign_up(event, 3, key="another")
    finally:
        await own.close()
