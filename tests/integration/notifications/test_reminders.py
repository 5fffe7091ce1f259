"""People are reminded once of what they have a place in, on the real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from services.contracts.registration import Day, RegistrationMessage
from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import audit
from services.notifications.timer import Timer
from tests.integration.notifications.mailroom import a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import NOW, Story

FIRST_DAY = date(2026, 8, 28)
CROWD = 20_000


def at(days_before: int, hour: int = 10) -> datetime:
    """An hour of the day so long before the event, in UTC."""
    day = FIRST_DAY - timedelta(days=days_before)
    zone = ZoneInfo("Europe/Berlin")
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)


def later(message: RegistrationMessage, occurred_at: datetime) -> RegistrationMessage:
    return message.model_copy(update={"occurred_at": occurred_at})


def timer(db: Database, now: datetime, *distances: int, rung: list[int] | None = None) -> Timer:
    bell = (lambda: rung.append(1)) if rung is not None else lambda: None
    return Timer(db, FixedClock(now), distances or (7, 1), bell)


async def reminded(db: Database) -> list[UUID]:
    """To whom reminders were written, in order."""
    async with db.read() as conn:
        found = await conn.execute(
            sa.text("SELECT registration_id FROM mail WHERE kind = 'reminder' ORDER BY id")
        )
        return list(found.scalars())


async def test_those_with_a_place_are_reminded_once_each_time(db: Database) -> None:
    story = Story()
    ada, bo, cem, dilek = (uuid7() for _ in range(4))
    await tell(
        db,
        [
            story.published(),
            story.confirmed(ada),
            story.waitlisted(bo),
            story.waitlisted(cem, position=2),
            story.offered(cem),
            story.confirmed(dilek),
            story.cancelled(dilek),
        ],
    )
    rung: list[int] = []
    assert await timer(db, at(8), rung=rung).look() == 0
    assert await timer(db, at(7), rung=rung).look() == 1
    assert await timer(db, at(7, 11), rung=rung).look() == 0
    assert await timer(db, at(2), rung=rung).look() == 0
    assert await timer(db, at(1), rung=rung).look() == 1
    assert await timer(db, at(0), rung=rung).look() == 0
    assert await reminded(db) == [ada, ada]
    assert rung == [1, 1]


async def test_several_processes_remind_once(db: Database) -> None:
    story = Story()
    people = [uuid7() for _ in range(5)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in people)])
    written = await asyncio.gather(*(timer(db, at(7)).look() for _ in range(5)))
    assert sorted(written) == [0, 0, 0, 0, 5]
    assert sorted(await reminded(db)) == sorted(people)


async def test_whose_place_is_newer_than_the_reminder_gets_none(db: Database) -> None:
    """Two days before: the worker was away for five."""
    story, ada, bo, cem = Story(), uuid7(), uuid7(), uuid7()
    await tell(
        db,
        [
            story.published(),
            story.confirmed(ada),
            later(story.confirmed(bo), at(3)),
            story.waitlisted(cem),
            later(story.confirmed(cem, revision=2, via="waitlist"), at(3)),
        ],
    )
    assert await timer(db, at(2)).look() == 1
    assert await reminded(db) == [ada]
    assert await timer(db, at(1)).look() == 3


async def test_a_smaller_party_has_its_place_since_before(db: Database) -> None:
    story, ada = Story(), uuid7()
    await tell(db, [story.published(), story.confirmed(ada, seats=2)])
    await tell(db, [later(story.reduced(ada, was="confirmed"), at(3))])
    assert await timer(db, at(2)).look() == 1


async def test_of_a_new_day_people_are_reminded_again(db: Database) -> None:
    story, ada = Story(), uuid7()
    await tell(db, [story.published(), story.confirmed(ada)])
    assert await timer(db, at(7)).look() == 1
    moved = (Day(date=FIRST_DAY + timedelta(days=30)),)
    await tell(db, [later(story.changed(days=moved), at(6))])
    assert await timer(db, at(1)).look() == 0
    assert await timer(db, at(7) + timedelta(days=30)).look() == 1
    # Back again: of that day they were reminded a week before, and not yet the day before.
    back = (Day(date=FIRST_DAY),)
    await tell(db, [later(story.changed(days=back), at(4))])
    assert await timer(db, at(3)).look() == 0
    assert await timer(db, at(1)).look() == 1


async def test_who_was_just_told_of_the_day_is_not_reminded_of_it(db: Database) -> None:
    story, ada = Story(), uuid7()
    early = (Day(date=FIRST_DAY + timedelta(days=60)),)
    story.details = story.details.model_copy(update={"days": early})
    await tell(db, [story.published(), story.confirmed(ada)])
    await tell(db, [later(story.changed(days=(Day(date=FIRST_DAY),)), at(4))])
    assert await timer(db, at(3)).look() == 0
    # Another place is no other day.
    await tell(db, [later(story.changed(place="Stadthalle"), at(1, 9) + timedelta(minutes=5))])
    assert await timer(db, at(1)).look() == 1


async def test_of_what_is_called_off_or_has_begun_nobody_is_reminded(db: Database) -> None:
    story, other = Story(), Story()
    for one in (story, other):
        await tell(db, [one.published(), one.confirmed(uuid7())])
    await tell(db, [other.called_off()])
    assert await timer(db, at(0)).look() == 0
    assert await timer(db, at(1)).look() == 1


async def test_by_night_and_without_the_setting_nobody_is(db: Database) -> None:
    story = Story()
    await tell(db, [story.published(), story.confirmed(uuid7())])
    assert await timer(db, at(1, 22)).look() == 0
    silent = Timer(db, FixedClock(at(1)), (), lambda: None)
    assert await silent.look() == 0
    assert await timer(db, at(1)).look() == 1


async def test_it_says_when_it_begins_and_is_no_finding(
    db: Database, post_office: PostOffice
) -> None:
    story, ada = Story(), uuid7()
    await tell(db, [story.published(), story.confirmed(ada)])
    async with db.transaction() as conn:
        await conn.execute(sa.text("UPDATE mail SET status = 'sent', sent_at = now()"))
    await timer(db, at(7)).look()
    await timer(db, at(1)).look()
    async with running(a_delivery(db, post_office.url)):
        mails = await post_office.wait(2)
    assert {str(m["Subject"]) for m in mails} == {"Erinnerung: Die digitale Stadt, gemeinsam"}
    assert len({m["Message-ID"] for m in mails}) == 2
    assert "Freitag, 28. August 2026" in mails[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    (found,) = (await audit.look(db, None)).events.values()
    assert found.missing == 0


@asynccontextmanager
async def counting(db: Database) -> AsyncIterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    sa.event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(db.engine.sync_engine, "before_cursor_execute", note)


async def test_twenty_thousand_take_as_many_statements_as_one(db: Database) -> None:
    story = Story()
    await tell(db, [story.published()])
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                INSERT INTO participant (registration_id, event_id, status, revision, seats, name,
                                         email, locale, manage_url, confirmed_at)
                SELECT uuidv7(), :event_id, 'confirmed', 1, 1, 'Ada', 'ada@example.org', 'de',
                       'https://einlass.test/registrations/a/b', :at
                FROM generate_series(1, :crowd)
                """
            ),
            {"event_id": story.event_id, "at": NOW, "crowd": CROWD},
        )
    async with counting(db) as sent:
        assert await timer(db, at(7)).look() == CROWD
    assert len(sent) == 2
    async with db.read() as conn:
        people = await conn.scalar(
            sa.text("SELECT count(DISTINCT registration_id) FROM mail WHERE kind = 'reminder'")
        )
    assert people == CROWD
