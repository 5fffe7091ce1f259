"""What registration tells becomes mails in the ledger, each once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.contracts.registration import Day, RegistrationMessage
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.domain.errors import UnknownEvent
from services.notifications.handlers import OnRegistration
from services.notifications.metadata import metadata
from services.notifications.models import mail, participant
from services.notifications.repository import ledger
from tests.integration.notifications.told import Story
from tests.support import databases


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


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


async def take(db: Database, *messages: RegistrationMessage) -> int:
    bell = Bell()
    async with db.transaction() as conn:
        await OnRegistration(bell)(conn, messages)
        assert bell.rung == 0
    return bell.rung


async def mails(db: Database) -> Sequence[sa.Row[Any]]:
    async with db.read() as conn:
        return (await conn.execute(sa.select(mail).order_by(mail.c.id))).all()


async def kinds(db: Database, registration_id: UUID) -> list[tuple[str, int, int]]:
    return [
        (row.kind, row.version, row.sequence)
        for row in await mails(db)
        if row.registration_id == registration_id
    ]


async def test_one_mail_for_each_thing_that_happens_to_a_person(db: Database) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    rung = await take(
        db,
        story.published(),
        story.confirmed(anna),
        story.waitlisted(ben, position=1),
        story.cancelled(anna),
        story.freed(),
        story.confirmed(ben, revision=2, via="waitlist"),
        story.changed(title="Anders"),
        story.called_off("Kein Saal"),
    )
    assert rung == 1
    assert await kinds(db, anna) == [("confirmed", 1, 1), ("cancelled", 2, 2)]
    assert await kinds(db, ben) == [
        ("waitlisted", 1, 1),
        ("promoted", 2, 2),
        ("event_changed", 2, 3),
        ("event_called_off", 3, 4),
    ]


async def test_a_mail_holds_what_was_true_when_it_was_due(db: Database) -> None:
    story, anna = Story(), uuid7()
    old_days = [day.model_dump(mode="json") for day in story.details.days]
    await take(db, story.published(), story.confirmed(anna))
    await take(db, story.changed(days=(Day(date=story.details.days[0].date),), title="Neu"))
    first, second = (row.content for row in await mails(db))
    assert first["event"]["title"] == "Die digitale Stadt, gemeinsam"
    assert first["holds_place"] is True
    assert first["person"]["email"] == f"{anna.hex}@example.org"
    assert second["event"]["title"] == "Neu"
    assert second["former_days"] == old_days
    assert second["changes"] == ["days", "title"]


async def test_who_waits_gets_no_place_and_the_cancelled_get_no_news(db: Database) -> None:
    story, anna, ben, cleo = Story(), uuid7(), uuid7(), uuid7()
    await take(
        db,
        story.published(),
        story.confirmed(anna),
        story.waitlisted(ben, position=2),
        story.confirmed(cleo),
        story.cancelled(cleo),
        story.changed(place="Anderswo"),
    )
    told = [row for row in await mails(db) if row.kind == "event_changed"]
    assert {row.registration_id: row.content["holds_place"] for row in told} == {
        anna: True,
        ben: False,
    }
    waiting = next(row for row in await mails(db) if row.kind == "waitlisted")
    assert (waiting.content["position"], waiting.content["holds_place"]) == (2, False)


async def test_a_change_that_is_not_announced_sends_nothing_but_is_known(db: Database) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    await take(db, story.published(), story.confirmed(anna))
    assert await take(db, story.changed(announce=False, contact="Neu")) == 0
    await take(db, story.confirmed(ben))
    assert [row.kind for row in await mails(db)] == ["confirmed", "confirmed"]
    assert (await mails(db))[-1].content["event"]["contact"] == "Neu"
    assert (await kinds(db, ben))[0][2] == 2


async def test_repeats_change_nothing(db: Database) -> None:
    story, anna = Story(), uuid7()
    messages: list[RegistrationMessage] = [
        story.published(),
        story.confirmed(anna),
        story.changed(place="Anderswo"),
    ]
    await take(db, *messages)
    before = await mails(db)
    assert await take(db, *messages) == 0
    assert await mails(db) == before


async def test_an_older_word_does_not_undo_a_newer_one(db: Database) -> None:
    story, anna = Story(), uuid7()
    published, confirmed = story.published(), story.confirmed(anna)
    cancelled, changed = story.cancelled(anna), story.changed(title="Neu")
    await take(db, published, cancelled, changed)
    await take(db, confirmed, published)
    async with db.read() as conn:
        row = (await conn.execute(sa.select(participant))).one()
        title = await conn.scalar(sa.text("SELECT details ->> 'title' FROM event"))
    assert (row.status, row.revision, title) == ("cancelled", 2, "Neu")


async def test_calling_off_counts_without_a_new_version(db: Database) -> None:
    story, anna = Story(), uuid7()
    await take(db, story.published(), story.confirmed(anna))
    off = story.called_off()
    same_version = off.model_copy(
        update={
            "data": off.data.model_copy(
                update={"event": off.data.event.model_copy(update={"version": 1})}
            )
        }
    )
    await take(db, same_version)
    assert [row.kind for row in await mails(db)] == ["confirmed", "event_called_off"]


async def test_a_registration_of_an_unknown_event_is_an_error(db: Database) -> None:
    story = Story()
    with pytest.raises(UnknownEvent):
        await take(db, story.confirmed(uuid7()))
    assert await mails(db) == []


async def test_many_registrations_take_few_statements(db: Database) -> None:
    story = Story()
    people = [uuid7() for _ in range(500)]
    async with counting(db) as statements:
        await take(db, story.published(), *(story.confirmed(one) for one in people))
    assert len(statements) <= 6
    assert len(await mails(db)) == 500


async def test_two_thousand_people_are_told_in_one_statement(db: Database) -> None:
    story = Story()
    people = [uuid7() for _ in range(2000)]
    await take(db, story.published(), *(story.confirmed(one) for one in people[:1500]))
    await take(db, *(story.waitlisted(one) for one in people[1500:]))
    async with counting(db) as statements:
        await take(db, story.called_off("Unwetter"))
    inserts = [one for one in statements if "INSERT INTO mail" in one]
    assert len(inserts) == 1
    told = [row for row in await mails(db) if row.kind == "event_called_off"]
    assert {row.registration_id for row in told} == set(people)
    assert len({row.id for row in told}) == 2000


async def test_the_ledger_is_unique_whatever_writes_it(db: Database) -> None:
    story, anna = Story(), uuid7()
    await take(db, story.published(), story.confirmed(anna))
    with pytest.raises(IntegrityError, match="uq_mail_kind_registration_id_version"):
        async with db.transaction() as conn:
            await conn.execute(
                sa.text(
                    """
                    INSERT INTO mail (id, kind, registration_id, version, event_id, sequence,
                                      content)
                    SELECT uuidv7(), kind, registration_id, version, event_id, sequence, content
                    FROM mail
                    """
                )
            )


async def test_old_content_is_forgotten_and_the_ledger_stays(db: Database) -> None:
    story = Story()
    await take(db, story.published(), *(story.confirmed(uuid7()) for _ in range(4)))
    ids = [row.id for row in await mails(db)]
    old = sa.text(
        """
        UPDATE mail SET status = :status, sent_at = now(), due_at = now() - interval '31 days'
        WHERE id = :id
        """
    )
    async with db.transaction() as conn:
        await conn.execute(old, {"id": ids[0], "status": "sent"})
        await conn.execute(old, {"id": ids[1], "status": "failed"})
        await conn.execute(old, {"id": ids[2], "status": "pending"})
        assert await ledger.forget(conn, 30) == 2
        assert await ledger.forget(conn, 30) == 0
    assert [row.content is None for row in await mails(db)] == [True, True, False, False]


async def test_the_migrations_make_what_the_models_say(db: Database) -> None:
    migrated, modelled = await databases.shapes(db, metadata)
    assert modelled == migrated
