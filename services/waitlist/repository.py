"""The SQL of the waitlist.

Invariant: whatever changes a line, its entries or its ledger first holds the line's row, taken
by `lock_lines` in the order of the event ids, so that two batches never wait for each other
in a circle. No statement's cost grows with the length of a line, but for the place numbers
that an operator's page counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import copy
from services.waitlist.domain.line import Actor, Entry, Kind, Line, Reason, Record, State
from services.waitlist.models import entry, ledger, line

# Every batch runs these, so they go to the driver as they are: SQLAlchemy's own way of binding
# arrays costs more than PostgreSQL's work on them.
_LOCK: Final = """
SELECT event_id, slug, title, open, free, waiting, length, seq FROM line
WHERE event_id = ANY($1::uuid[]) ORDER BY event_id FOR UPDATE
"""
_OPEN: Final = """
INSERT INTO line (event_id, open, free, waiting, length, seq)
SELECT event_id, true, 0, 0, 0, 0 FROM unnest($1::uuid[]) AS l (event_id) ORDER BY event_id
ON CONFLICT DO NOTHING
"""
# Under LIMIT the partial index is read in its own order, from the head, and no further.
_ENTRIES: Final = """
SELECT event_id, registration_id, seq, seats, state, joined_at, ended_at FROM entry
WHERE registration_id = ANY($1::uuid[])
UNION ALL
SELECT head.* FROM unnest($2::uuid[], $3::bigint[]) AS wanted (event_id, heads)
CROSS JOIN LATERAL (
    SELECT event_id, registration_id, seq, seats, state, joined_at, ended_at FROM entry
    WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
    ORDER BY entry.seq LIMIT wanted.heads) AS head
"""
_SAVE_LINES: Final = """
UPDATE line SET slug = new.slug, title = new.title, open = new.open, free = new.free,
    waiting = new.waiting, length = new.length, seq = new.seq
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::integer[], $6::integer[],
            $7::integer[], $8::bigint[])
    AS new (event_id, slug, title, open, free, waiting, length, seq)
WHERE line.event_id = new.event_id
"""
_SAVE_ENTRIES: Final = """
INSERT INTO entry (event_id, registration_id, seq, seats, state, joined_at, ended_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::text[],
                     $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (registration_id) DO UPDATE
SET state = excluded.state, ended_at = excluded.ended_at
"""
_RECORD: Final = ("event_id", "registration_id", "kind", "seats", "at", "reason", "actor")


@dataclass(frozen=True, slots=True)
class Stored:
    """A line and the `seq` of the last message said about it."""

    line: Line
    seq: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of the ledger; ids rise in the order in which things became known."""

    id: int
    record: Record


def _line(row: sa.Row[Any]) -> Line:
    return Line(
        row.event_id, row.slug, row.title, row.open, row.free, row.waiting, length=row.length
    )


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        row.registration_id, row.seq, row.seats, row.joined_at, State(row.state), row.ended_at
    )


async def lock_lines(conn: AsyncConnection, events: Collection[UUID]) -> dict[UUID, Stored]:
    """The lines of `events`, locked until the transaction ends; new ones are opened."""
    wanted = list(events)
    rows = (await conn.exec_driver_sql(_LOCK, (wanted,))).all()
    if len(rows) < len(wanted):
        missing = list(set(wanted) - {row.event_id for row in rows})
        await conn.exec_driver_sql(_OPEN, (missing,))
        rows = (await conn.exec_driver_sql(_LOCK, (wanted,))).all()
    return {row.event_id: Stored(_line(row), row.seq) for row in rows}


async def entries(
    conn: AsyncConnection, mentioned: Collection[UUID], heads: Mapping[UUID, int]
) -> dict[UUID, dict[UUID, Entry]]:
    """By event and registration: the entries of these registrations, and the first
    `heads[event]` that wait."""
    found: dict[UUID, dict[UUID, Entry]] = {}
    if not mentioned and not heads:
        return found
    rows = await conn.exec_driver_sql(
        _ENTRIES, (list(mentioned), list(heads), list(heads.values()))
    )
    for row in rows:
        found.setdefault(row.event_id, {})[row.registration_id] = _entry(row)
    return found


async def save_lines(conn: AsyncConnection, lines: Sequence[Stored]) -> None:
    """Writes lines that `lock_lines` has locked."""
    every = [stored.line for stored in lines]
    await conn.exec_driver_sql(
        _SAVE_LINES,
        (
            [one.event_id for one in every],
            [one.slug for one in every],
            [one.title for one in every],
            [one.open for one in every],
            [one.free for one in every],
            [one.waiting for one in every],
            [one.length for one in every],
            [stored.seq for stored in lines],
        ),
    )


async def save_entries(conn: AsyncConnection, changed: Iterable[tuple[UUID, Entry]]) -> None:
    """Writes new and changed entries, each with its event."""
    rows = list(changed)
    if not rows:
        return
    await conn.exec_driver_sql(
        _SAVE_ENTRIES,
        (
            [event_id for event_id, _ in rows],
            [one.registration_id for _, one in rows],
            [one.seq for _, one in rows],
            [one.seats for _, one in rows],
            [one.state.value for _, one in rows],
            [one.joined_at for _, one in rows],
            [one.ended_at for _, one in rows],
        ),
    )


async def add_records(conn: AsyncConnection, records: Iterable[tuple[UUID, Record]]) -> None:
    """Adds to the ledger, in this order, each record with its event. The lines are locked."""
    rows = [
        (
            event_id,
            one.registration_id,
            one.kind.value,
            one.seats,
            one.at,
            one.reason and one.reason.value,
            one.actor.value,
        )
        for event_id, one in records
    ]
    if rows:
        await copy(conn, "ledger", _RECORD, rows)


async def line_of(conn: AsyncConnection, slug: str) -> Line | None:
    """The line of the event of this slug; of two that had it, the younger event's."""
    row = (
        await conn.execute(
            sa.select(line).where(line.c.slug == slug).order_by(line.c.event_id.desc()).limit(1)
        )
    ).one_or_none()
    return None if row is None else _line(row)


async def waiting_after(
    conn: AsyncConnection, event_id: UUID, after: int, limit: int
) -> tuple[int, list[Entry]]:
    """How many wait up to `after` (a seq), and the next `limit` behind them in order."""
    here = sa.and_(entry.c.event_id == event_id, entry.c.state == sa.literal_column("'waiting'"))
    before = 0
    if after:
        count = sa.select(sa.func.count()).select_from(entry).where(here, entry.c.seq <= after)
        before = (await conn.execute(count)).scalar_one()
    rows = await conn.execute(
        sa.select(entry).where(here, entry.c.seq > after).order_by(entry.c.seq).limit(limit)
    )
    return before, [_entry(row) for row in rows]


async def records_before(
    conn: AsyncConnection,
    event_id: UUID,
    registration_id: UUID | None,
    before: int | None,
    limit: int,
) -> list[LedgerRow]:
    """The newest `limit` rows of an event's ledger below the id `before`, newest first."""
    query = sa.select(ledger).where(ledger.c.event_id == event_id)
    if registration_id is not None:
        query = query.where(ledger.c.registration_id == registration_id)
    if before is not None:
        query = query.where(ledger.c.id < before)
    rows = await conn.execute(query.order_by(ledger.c.id.desc()).limit(limit))
    return [
        LedgerRow(
            row.id,
            Record(
                Kind(row.kind),
                row.seats,
                row.at,
                Actor(row.actor),
                row.registration_id,
                row.reason and Reason(row.reason),
            ),
        )
        for row in rows
    ]
