"""Every message that registration writes is one of the contract, whole and with nothing beside."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from uuid import UUID

import pytest

from services.contracts.registration import ADAPTER
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from services.registration.domain.event import Day, Event
from services.registration.domain.light import FewLeft
from services.registration.messages import Links, Speaker, details
from services.registration.repository.registrations import Registration

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, UTC)
LINKS = Links(TokenBox(bytes(32)), "https://einlass.test")


def somebody() -> Registration:
    """A registration as it is in the database."""
    new_id = uuid7()
    token = LINKS.tokens.issue(new_id)
    return Registration(
        id=new_id,
        event_id=uuid7(),
        seq=4,
        status="confirmed",
        via="direct",
        seats=2,
        name='Jürgen "Jo" Groß',
        email="jo@example.org",
        email_key="jo@example.org",
        locale="de",
        answers={},
        terms_version="2026-11",
        terms_agreed_at=NOW,
        token_digest=token.digest,
        token_sealed=token.sealed,
        idempotency_digest=None,
        request_digest=b"",
        first_status="confirmed",
        first_position=None,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
    )


def event() -> Event:
    """An event with everything."""
    return Event(
        id=uuid7(),
        slug="quartier",
        title="Quartier",
        days=(Day(date(2027, 5, 7), time(18), time(20)), Day(date(2027, 5, 8))),
        timezone="Europe/Berlin",
        few_left=FewLeft(seats=3),
        place="Rathaus",
        contact="Seminarbüro",
        status="published",
    )


def all_said() -> list[tuple[UUID, bytes]]:
    """One of each."""
    who, shown = somebody(), details(event(), "https://einlass.test")
    person = LINKS.person(who)
    speaker = Speaker(uuid7(), 0, NOW)
    speaker.event("event.published", shown)
    speaker.event("event.changed", shown, changes=["title"], announce=True)
    speaker.event("event.called_off", shown, reason=None)
    speaker.confirmed(who, "direct", person)
    speaker.confirmed(who, "waitlist", person)
    speaker.waitlisted(who, 7, person)
    speaker.cancelled(who, "confirmed", person)
    speaker.cancelled(who, "waitlisted", person)
    speaker.freed(2)
    too = replace(who, newsletter=True)
    speaker.confirmed(too, "direct", person)
    speaker.waitlisted(too, 7, person)
    return speaker.said


@pytest.mark.parametrize("number", range(11))
def test_a_message_is_what_the_contract_says(number: int) -> None:
    said = all_said()
    assert len(said) == 11
    event_id, payload = said[number]
    message = ADAPTER.validate_json(payload)
    assert (message.event_id, message.seq) == (event_id, number + 1)
    assert json.loads(payload) == message.model_dump(mode="json", exclude_unset=True)


def test_the_wish_for_the_newsletter_is_said_where_there_is_one() -> None:
    wishes = [getattr(ADAPTER.validate_json(p).data, "newsletter", None) for _, p in all_said()]
    assert wishes[3:6] == [False] * 3
    assert wishes[9:] == [True] * 2


def test_the_link_of_one_made_just_now_is_the_one_that_is_sealed() -> None:
    who = somebody()
    opened = LINKS.manage_url(who)
    token = opened.rsplit("/", 1)[1]
    who.manage_url = LINKS.url(who.id, token)
    assert LINKS.manage_url(who) == opened


def test_nothing_freed_is_nothing_said() -> None:
    speaker = Speaker(uuid7(), 3, NOW)
    speaker.freed(0)
    assert (speaker.seq, speaker.said) == (3, [])
