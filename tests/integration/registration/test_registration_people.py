"""What one person does, and what the waitlist wishes for people."""

from datetime import timedelta
from typing import Any

import pytest

from services.contracts import registration as wire
from services.kit import db
from services.kit.db import is_infrastructure
from services.kit.errors import Busy, Invalid, NotFound
from services.kit.ids import uuid7
from services.registration.domain.errors import CancellationClosed, EventFull, IdempotencyMismatch
from tests.integration.registration.harness import (
    House,
    Wishes,
    assert_whole,
    held_lock,
    token_of,
)


async def test_places_then_the_line_and_every_answer_is_told(house: House) -> None:
    event = await house.event(capacity=2)
    people = [await house.sign_up(event, n) for n in range(4)]
    assert [(p.status, p.position) for p in people] == [
        ("confirmed", None),
        ("confirmed", None),
        ("waitlisted", 1),
        ("waitlisted", 2),
    ]
    said = (await house.said(event.id))[1:]
    assert [m.type for m in said] == ["registration.confirmed"] * 2 + [
        "registration.waitlisted"
    ] * 2
    last = said[-1]
    assert isinstance(last, wire.RegistrationWaitlisted)
    assert last.data.position == 2
    assert last.data.person.manage_url == people[-1].manage_url
    await assert_whole(house, event.id)


async def test_a_party_that_does_not_fit_has_the_last_seats_put_aside(house: House) -> None:
    event = await house.event(capacity=3, max_party=3)
    await house.sign_up(event, 1, seats=2)
    party = await house.sign_up(event, 2, seats=3)
    assert (party.status, party.position) == ("waitlisted", 1)
    row = await house.row(event.id)
    assert (row.confirmed, row.held, row.waiting) == (2, 1, 3)
    assert (await house.sign_up(event, 3)).status == "waitlisted"
    await assert_whole(house, event.id)


async def test_a_line_at_its_limit_takes_nobody_more(house: House) -> None:
    event = await house.event(capacity=1, waitlist={"limit": 1})
    for number in range(2):
        await house.sign_up(event, number)
    with pytest.raises(EventFull):
        await house.sign_up(event, 2)
    assert (await house.programme.one(event.slug)).light is None
    await assert_whole(house, event.id)


async def test_the_same_key_is_answered_as_the_first_time(house: House) -> None:
    event = await house.event(capacity=1)
    await house.sign_up(event, 0)
    first = await house.sign_up(event, 1, key="k")
    await house.cancel(first)
    assert await house.sign_up(event, 1, key="k") == first
    with pytest.raises(IdempotencyMismatch):
        await house.sign_up(event, 2, key="k")
    other = await house.event()
    assert (await house.sign_up(other, 1, key="k")).id != first.id


async def test_who_cancelled_may_come_again_at_the_end_of_the_line(house: House) -> None:
    event = await house.event(capacity=1)
    await house.sign_up(event, 0)
    first = await house.sign_up(event, 1)
    await house.sign_up(event, 2)
    await house.cancel(first)
    again = await house.sign_up(event, 1)
    assert (again.status, again.position) == ("waitlisted", 2)
    await assert_whole(house, event.id)


async def test_standing_is_told_to_the_holder_of_the_link_alone(house: House) -> None:
    event = await house.event(capacity=1)
    first = await house.sign_up(event, 0)
    second = await house.sign_up(event, 1)
    found = await house.service.registration(second.id, token_of(second))
    assert (found.status, found.position, found.name) == ("waitlisted", 1, "Gast 1")
    wrong: list[tuple[Any, str]] = [
        (second.id, token_of(first)),
        (uuid7(), token_of(first)),
        (second.id, ""),
        (second.id, "Ö" * 22),
        (second.id, "\x00"),
    ]
    for registration_id, token in wrong:
        with pytest.raises(NotFound):
            await house.service.registration(registration_id, token)
        with pytest.raises(NotFound):
            await house.service.act(registration_id, token, "cancel")
    assert [p.status for p in await house.people(event.id)] == ["confirmed", "waitlisted"]


async def test_cancelling_ends_with_the_deadline(registration_url: str) -> None:
    own = House(registration_url)
    try:
        until = own.clock.now() + timedelta(days=1)
        event = await own.event(registration={"cancel_until": until.isoformat()})
        who = await own.sign_up(event, 1)
        own.clock.advance(timedelta(days=1))
        assert not (await own.service.registration(who.id, token_of(who))).may_cancel
        with pytest.raises(CancellationClosed):
            await own.cancel(who)
        assert (await own.row(event.id)).confirmed == 1
    finally:
        await own.close()


@pytest.mark.parametrize("answer", ["Null \x00 Byte", "halb \ud800", "x" * 300, None])
async def test_an_answer_that_cannot_be_kept_is_named(house: House, answer: Any) -> None:
    questions = {"diet": {"type": "string", "title": "Kost", "maxLength": 200}}
    event = await house.event(questions=questions)
    with pytest.raises(Invalid) as refused:
        await house.sign_up(event, 1, answers={"diet": answer})
    assert [e.pointer for e in refused.value.errors] == ["#/answers/diet"]
    assert (await house.sign_up(event, 1, answers={"diet": "🥕"})).status == "confirmed"


@pytest.mark.parametrize("number", [0, -(2**63), 2**64, 10**400, 1.0])
async def test_a_number_of_any_size_is_kept(house: House, number: Any) -> None:
    event = await house.event(questions={"age": {"type": "integer", "title": "Alter"}})
    who = await house.sign_up(event, 1, answers={"age": number}, key="k")
    assert (await house.people(event.id))[0].answers == {"age": number}
    assert await house.sign_up(event, 1, answers={"age": number}, key="k") == who


async def test_a_slug_that_cannot_be_is_not_found(house: House) -> None:
    event = await house.event()
    for slug in ("\x00", "halb-\ud800", "", "a" * 100_000):
        with pytest.raises(NotFound):
            await house.sign_up(event.model_copy(update={"slug": slug}), 1)
        with pytest.raises(NotFound):
            await house.programme.one(slug)
        with pytest.raises(NotFound):
            await house.programme.change(slug, {}, None)


async def test_promotions_come_true_in_their_order(house: House) -> None:
    event = await house.event(capacity=2)
    people = [await house.sign_up(event, n) for n in range(4)]
    for first in people[:2]:
        await house.cancel(first)
    wishes = Wishes(event.id)
    await house.wish(*(wishes.promoted(p.id) for p in people[2:]))
    said = (await house.said(event.id))[-2:]
    assert all(isinstance(m, wire.RegistrationConfirmed) for m in said)
    assert [m.data.registration_id for m in said] == [p.id for p in people[2:]]  # type: ignore[union-attr]
    assert {m.data.via for m in said} == {"waitlist"}  # type: ignore[union-attr]
    found = await house.service.registration(people[2].id, token_of(people[2]))
    assert (found.status, found.via) == ("confirmed", "waitlist")
    await assert_whole(house, event.id)


async def test_who_left_before_moving_up_leaves_the_seat_to_the_line(house: House) -> None:
    event = await house.event(capacity=1)
    first, second, third = [await house.sign_up(event, n) for n in range(3)]
    await house.cancel(first)
    await house.cancel(second)
    wishes = Wishes(event.id)
    await house.wish(wishes.promoted(second.id), wishes.promoted(second.id))
    said = await house.said(event.id)
    assert [m.type for m in said[-2:]] == ["registration.seats_freed"] * 2
    row = await house.row(event.id)
    assert (row.confirmed, row.held) == (0, 1)
    await house.wish(wishes.promoted(third.id))
    assert (await house.row(event.id)).confirmed == 1
    await assert_whole(house, event.id)


async def test_seats_let_go_meet_who_has_joined_meanwhile(house: House) -> None:
    event = await house.event(capacity=1)
    first, second = [await house.sign_up(event, n) for n in range(2)]
    await house.cancel(first)
    await house.cancel(second)
    late = await house.sign_up(event, 3)
    assert late.status == "waitlisted"
    await house.wish(Wishes(event.id).released(1))
    told = (await house.said(event.id))[-1]
    assert isinstance(told, wire.SeatsFreed)
    assert (await house.row(event.id)).held == told.data.seats == 1
    await assert_whole(house, event.id)


async def test_nobody_moves_up_at_an_event_called_off(house: House) -> None:
    event = await house.event(capacity=1)
    first, second = [await house.sign_up(event, n) for n in range(2)]
    await house.cancel(first)
    await house.programme.change(event.slug, {"status": "called_off"}, None)
    await house.wish(Wishes(event.id).promoted(second.id))
    assert [m.type for m in await house.said(event.id)][-2:] == [
        "event.called_off",
        "registration.seats_freed",
    ]
    await assert_whole(house, event.id)


async def test_a_wish_for_somebody_unknown_is_nothing_that_a_retry_mends(house: House) -> None:
    event, other = await house.event(capacity=1), await house.event(capacity=1)
    stranger = await house.sign_up(other, 1)
    first, second = [await house.sign_up(event, n) for n in range(2)]
    await house.cancel(first)
    wishes = Wishes(event.id)
    for wish in (
        wishes.promoted(uuid7()),
        wishes.promoted(stranger.id),
        wishes.promoted(second.id, seats=2),
        Wishes(uuid7()).promoted(second.id),
        wishes.released(2),
    ):
        with pytest.raises(Exception) as refused:  # noqa: PT011  # whatever it is, no retry
            await house.wish(wish)
        assert not is_infrastructure(refused.value)
    await assert_whole(house, event.id)
    await assert_whole(house, other.id)


async def test_a_wait_for_the_lock_ends_as_a_rush(
    registration_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_TIMEOUT", timedelta(seconds=0.1))
    own = House(registration_url)
    try:
        event = await own.event()
        async with held_lock(own, event.id):
            with pytest.raises(Busy):
                await own.sign_up(event, 1)
        assert await own.people(event.id) == []
        assert (await own.sign_up(event, 1)).status == "confirmed"
    finally:
        await own.close()
