"""Messages of `registration.v1` into a real database, by the consumer's own path."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts import registration as wire
from services.contracts import topics, waitlist
from services.kit.clock import FixedClock
from services.kit.consumer import Consumer
from services.kit.db import Database
from services.waitlist.handlers import OnRegistration
from services.waitlist.models import entry, ledger, line
from tests.integration.waitlist.story import NOW, Story, a_line_of_offers, a_line_of_three, rules


@pytest.fixture
def consumer(db: Database) -> Consumer[wire.RegistrationMessage]:
    return Consumer(
        db,
        "no broker is asked here",
        "waitlist",
        topics.REGISTRATION,
        wire.ADAPTER,
        OnRegistration(FixedClock(NOW)),
    )


def records(messages: Sequence[wire.RegistrationMessage]) -> list[Any]:
    return [
        SimpleNamespace(
            topic="registration.v1",
            partition=message.event_id.int % 2**31,
            offset=message.seq,
            key=message.event_id.bytes,
            value=message.model_dump_json().encode(),
        )
        for message in messages
    ]


async def said(db: Database, event_id: UUID) -> list[waitlist.WaitlistMessage]:
    """The outbox of one event; no relay runs here to empty it."""
    async with db.read() as conn:
        payloads = await conn.execute(
            sa.text("SELECT payload FROM outbox WHERE key = :key ORDER BY id"),
            {"key": event_id.bytes},
        )
        return [waitlist.ADAPTER.validate_json(payload) for payload in payloads.scalars()]


async def everything(db: Database, story: Story) -> tuple[Any, ...]:
    """All that is kept of one event, with its parties by number, so that two can be compared."""
    number = {party: place for place, party in enumerate(story.parties, 1)}
    async with db.read() as conn:
        lines = await conn.execute(sa.select(line).where(line.c.event_id == story.event_id))
        entries = await conn.execute(
            sa.select(entry).where(entry.c.event_id == story.event_id).order_by(entry.c.seq)
        )
        book = await conn.execute(
            sa.select(ledger).where(ledger.c.event_id == story.event_id).order_by(ledger.c.id)
        )
        return (
            [tuple(row)[1:8] for row in lines],
            [(number[row.registration_id], *tuple(row)[2:]) for row in entries],
            [
                (number.get(row.registration_id), row.kind, row.seats, row.reason, row.actor)
                for row in book
            ],
            [_wish(message, number) for message in await said(db, story.event_id)],
        )


def _wish(message: waitlist.WaitlistMessage, number: dict[UUID, int]) -> tuple[Any, ...]:
    match message:
        case waitlist.Promoted(seq=seq, type=kind, data=data):
            return seq, kind, data.seats, number[data.registration_id]
        case waitlist.SeatsReleased(seq=seq, type=kind, data=data):
            return seq, kind, data.seats, False
        case waitlist.PlaceMoved(seq=seq, type=kind, data=data):
            return seq, kind, data.rank, number[data.registration_id]


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    sa.event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(db.engine.sync_engine, "before_cursor_execute", note)


async def test_a_line_from_the_first_to_the_last(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = a_line_of_three()
    await consumer.apply(records(story.messages))

    lines, entries, book, wishes = await everything(db, story)
    assert lines == [("seminar", "Seminar", True, 0, 0, 0, 4)]
    assert [(row[0], row[3]) for row in entries] == [
        (1, "confirmed"),
        (2, "left"),
        (3, "confirmed"),
    ]
    assert wishes == [
        (1, "waitlist.promoted", 1, 1),
        (2, "waitlist.promoted", 2, 2),
        (3, "waitlist.promoted", 1, 3),
        (4, "waitlist.seats_released", 1, False),
    ]
    assert book == [
        (1, "joined", 1, None, "registration"),
        (2, "joined", 2, None, "registration"),
        (3, "joined", 1, None, "registration"),
        (None, "freed", 1, None, "registration"),
        (1, "promoted", 1, "first_in_line", "line"),
        (1, "confirmed", 1, None, "registration"),
        (None, "freed", 1, None, "registration"),
        (None, "freed", 1, None, "registration"),
        (2, "promoted", 2, "first_in_line", "line"),
        (2, "left", 2, "left_after_promotion", "registration"),
        (None, "freed", 2, None, "registration"),
        (3, "promoted", 1, "first_in_line", "line"),
        (None, "released", 1, "nobody_waits", "line"),
        (3, "confirmed", 1, None, "registration"),
    ]


async def test_a_line_of_offers(db: Database, consumer: Consumer[wire.RegistrationMessage]) -> None:
    story = a_line_of_offers()
    await consumer.apply(records(story.messages))

    lines, entries, book, wishes = await everything(db, story)
    assert lines == [("seminar", "Seminar", True, 0, 0, 0, 7)]
    assert [(row[0], row[2], row[3], row[6]) for row in entries] == [
        (1, 2, "confirmed", 2),
        (2, 2, "offered", 12),
        (3, 1, "left", 4),
        (4, 1, "left", 5),
        (5, 2, "confirmed", 6),
    ]
    assert wishes == [
        (1, "waitlist.promoted", 2, 1),
        (2, "waitlist.promoted", 2, 2),
        (3, "waitlist.promoted", 2, 1),
        (4, "waitlist.promoted", 1, 4),
        (5, "waitlist.promoted", 1, 5),
        (6, "waitlist.promoted", 2, 2),
        (7, "waitlist.seats_released", 2, False),
    ]
    assert book[5:] == [
        (None, "freed", 2, None, "registration"),
        (1, "promoted", 2, "part_of_party", "line"),
        (1, "offered", 2, None, "registration"),
        (1, "returned", 0, "declined", "registration"),
        (None, "freed", 2, None, "registration"),
        (2, "promoted", 2, "fits_before_head", "line"),
        (1, "skipped", 0, "passed_by_smaller", "line"),
        (2, "offered", 2, None, "registration"),
        (2, "returned", 0, "expired", "registration"),
        (1, "reduced", 2, None, "registration"),
        (None, "freed", 2, None, "registration"),
        (1, "promoted", 2, "first_in_line", "line"),
        (1, "offered", 2, None, "registration"),
        (1, "confirmed", 2, None, "registration"),
        (5, "still_wanted", 0, None, "registration"),
        (3, "left", 1, "lapsed", "registration"),
        (None, "freed", 1, None, "registration"),
        (4, "promoted", 1, "first_in_line", "line"),
        (4, "offered", 1, None, "registration"),
        (4, "left", 1, "expired", "registration"),
        (None, "freed", 1, None, "registration"),
        (5, "promoted", 1, "part_of_party", "line"),
        (5, "offered", 1, None, "registration"),
        (5, "confirmed", 1, None, "registration"),
        (None, "freed", 4, None, "registration"),
        (2, "promoted", 2, "first_in_line", "line"),
        (None, "released", 2, "nobody_waits", "line"),
        (2, "offered", 2, None, "registration"),
    ]


async def test_an_event_s_rules_are_the_line_s(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    story.joined()
    story.published()
    await consumer.apply(records(story.messages))

    async def known() -> Any:
        async with db.read() as conn:
            columns = line.c.promotion, line.c.policy, line.c.passes, line.c.ends_at
            rows = await conn.execute(sa.select(*columns).where(line.c.event_id == story.event_id))
            return tuple(rows.one())

    assert await known() == ("automatic", "strict", 3, None)
    story.published(rules=rules("fill", NOW))
    story.freed(1)
    await consumer.apply(records(story.messages[2:]))
    assert await known() == ("offer", "fill", 2, NOW)
    _, _, book, wishes = await everything(db, story)
    assert wishes == [(1, "waitlist.seats_released", 1, False)]
    assert book[-1] == (None, "released", 1, "ended", "line")


async def test_a_repeat_changes_nothing(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = a_line_of_three()
    await consumer.apply(records(story.messages))
    before = await everything(db, story)
    await consumer.apply(records(story.messages))
    await consumer.apply(records(story.messages[3:7]))
    assert await everything(db, story) == before


async def test_a_repeat_from_before_the_inbox_was_pruned_changes_nothing(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = a_line_of_three()
    await consumer.apply(records(story.messages))
    before = await everything(db, story)
    async with db.transaction() as conn:
        ids = [message.id for message in story.messages]
        await conn.execute(sa.text("DELETE FROM inbox WHERE message_id = ANY(:ids)"), {"ids": ids})
    await consumer.apply(records(story.messages))
    assert await everything(db, story) == before


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("told", [a_line_of_three, a_line_of_offers])
async def test_batches_cut_anywhere_end_the_same(
    db: Database,
    consumer: Consumer[wire.RegistrationMessage],
    told: Callable[[], Story],
    seed: int,
) -> None:
    whole, cut = told(), told()
    await consumer.apply(records(whole.messages))
    rest, random = records(cut.messages), Random(seed)
    while rest:
        size = random.randint(1, len(rest)) if seed else 1
        await consumer.apply(rest[:size])
        rest = rest[size:]
    assert await everything(db, cut) == await everything(db, whole)


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    with statements(db) as few:
        await consumer.apply(records(a_line_of_three().messages))
    stories = [a_line_of_three() for _ in range(40)]
    mixed = [story.messages[turn] for turn in range(13) for story in stories]
    with statements(db) as many:
        await consumer.apply(records(mixed))
    assert len(many) == len(few)
    one = await everything(db, stories[0])
    for story in stories[1:]:
        assert await everything(db, story) == one


async def test_sign_ups_that_fit_do_not_touch_the_line(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    for _ in range(20):
        story.confirmed_directly()
    with statements(db) as sent:
        await consumer.apply(records(story.messages))
    assert not [statement for statement in sent if " line" in statement]


async def test_a_line_whose_event_was_never_told_is_opened(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    story.joined()
    story.freed(1)
    await consumer.apply(records(story.messages))
    lines, _, _, wishes = await everything(db, story)
    assert lines == [(None, None, True, 0, 0, 0, 1)]
    assert wishes == [(1, "waitlist.promoted", 1, 1)]


async def test_a_called_off_event_moves_nobody(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    story.published()
    story.joined()
    story.published(status="called_off")
    story.freed(1)
    await consumer.apply(records(story.messages))
    lines, _, book, wishes = await everything(db, story)
    assert lines == [("seminar", "Seminar", False, 1, 1, 1, 0)]
    assert wishes == []
    assert book[1] == (None, "closed", 0, "called_off", "registration")


async def test_a_message_that_cannot_be_taken_is_set_aside_alone(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    story.published()
    story.joined(2**31)  # more than the column holds
    story.joined()
    story.freed(1)
    sent = records(story.messages)
    await consumer.apply(sent)
    _, entries, _, wishes = await everything(db, story)
    assert [row[0] for row in entries] == [2]
    assert wishes == [(1, "waitlist.promoted", 1, 2)]
    async with db.read() as conn:
        letters = await conn.execute(
            sa.text('SELECT "offset" FROM dead_letter WHERE partition = :partition'),
            {"partition": sent[0].partition},
        )
        assert letters.scalars().all() == [2]


async def test_a_dead_letter_replayed_stands_where_its_number_puts_it(db: Database) -> None:
    story = Story()
    story.published()
    for _ in range(3):
        story.joined()
    handler = OnRegistration(FixedClock(NOW))
    broken = {story.messages[2].id}

    async def at_first_broken(
        conn: AsyncConnection, messages: Sequence[wire.RegistrationMessage]
    ) -> None:
        if broken & {message.id for message in messages}:
            raise ValueError
        await handler(conn, messages)

    consumer = Consumer(db, "", "waitlist", topics.REGISTRATION, wire.ADAPTER, at_first_broken)
    sent = records(story.messages)
    await consumer.apply(sent)
    async with db.read() as conn:
        letter = await conn.execute(
            sa.text("SELECT id FROM dead_letter WHERE partition = :partition"),
            {"partition": sent[0].partition},
        )
        letter_id = letter.scalar_one()
    broken.clear()
    await consumer.replay(letter_id)

    story.freed(2)
    await consumer.apply(records(story.messages[-1:]))
    _, _, _, wishes = await everything(db, story)
    assert [wish[3] for wish in wishes] == [1, 2]


async def test_two_members_at_once_take_turns(
    db: Database, consumer: Consumer[wire.RegistrationMessage]
) -> None:
    story = Story()
    story.published()
    for _ in range(20):
        story.joined()
    await consumer.apply(records(story.messages))
    begun = len(story.messages)
    for _ in range(20):
        story.freed(1)
    parts = records(story.messages[begun:])
    handler = OnRegistration(FixedClock(NOW))

    async def take(part: Any) -> None:
        async with db.transaction() as conn:
            await handler(conn, [wire.ADAPTER.validate_json(part.value)])

    await asyncio.gather(*(take(part) for part in parts))
    lines, entries, _, wishes = await everything(db, story)
    assert lines == [("seminar", "Seminar", True, 0, 0, 0, 20)]
    assert wishes == [(n, "waitlist.promoted", 1, n) for n in range(1, 21)]
    assert {row[3] for row in entries} == {"promoted"}
