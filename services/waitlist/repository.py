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
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.waitlist.domain.line import Actor, Entry, Kind, Line, Reason, Record, State
from services.waitlist.models import entry, ledger, line

_UUID: Final = PgUUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)

_LOCK = sa.text(
    """
    SELECT event_id, slug, title, open, free, waiting, length, seq FROM line
    WHERE event_id = ANY(:events) ORDER BY event_id FOR UPDATE
    """
)
_OPEN = sa.text(
    """
    INSERT INTO line (event_id, open, free, waiting, length, seq)
    SELECT event_id, true, 0, 0, 0, 0 FROM unnest(:events) AS l (event_id) ORDER BY event_id
    ON CONFLICT DO NOTHING
    """
)
# Under LIMIT the partial index is read in its own order, from the head, and no further.
_ENTRIES = sa.text(
    """
    SELECT event_id, registration_id, seq, seats, state, joined_at, ended_at FROM entry
    WHERE registration_id = ANY(:mentioned)
    UNION ALL
    SELECT head.* FROM unnest(:events, :heads) AS wanted (event_id, heads)
    CROSS JOIN LATERAL (
        SELECT event_id, registration_id, seq, seats, state, joined_at, ended_at FROM entry
        WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
        ORDER BY entry.seq LIMIT wanted.heads) AS head
    """
)
_SAVE_LINES = sa.text(
    """
    UPDATE line SET slug = new.slug, title = new.title, open = new.open, free = new.free,
        waiting = new.waiting, length = new.length, seq = new.seq
    FROM unnest(:events, :slugs, :titles, :open, :free, :waiting, :lengths, :seqs)
        AS new (event_id, slug, title, open, free, waiting, length, seq)
    WHERE line.event_id = new.event_id
    """
)
_SAVE_ENTRIES = sa.text(
    """
    INSERT INTO entry (event_id, registration_id, seq, seats, state, joined_at, ended_at)
    SELECT * FROM unnest(:events, :parties, :seqs, :seats, :states, :joined, :ended)
    ON CONFLICT (registration_id) DO UPDATE
    SET state = excluded.state, ended_at = excluded.ended_at
    """
)
_ADD_RECORDS = sa.text(
    """
    INSERT INTO ledger (event_id, registration_id, kind, seats, at, reason, actor)
    SELECT event_id, registration_id, kind, seats, at, reason, actor
    FROM unnest(:events, :parties, :kinds, :seats, :times, :reasons, :actors) WITH ORDINALITY
        AS r (event_id, registration_id, kind, seats, at, reason, actor, place)
    ORDER BY place
    """
)


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
    statement = _LOCK.bindparams(array("events", sorted(events), _UUID))
    rows = (await conn.execute(statement)).all()
    if len(rows) < len(events):
        missing = sorted(set(events) - {row.event_id for row in rows})
        await conn.execute(_OPEN.bindparams(array("events", missing, _UUID)))
        rows = (await conn.execute(statement)).all()
    return {row.event_id: Stored(_line(row), row.seq) for row in rows}


async def entries(
    conn: AsyncConnection, mentioned: Collection[UUID], heads: Mapping[UUID, int]
) -> dict[UUID, set[Entry]]:
    """By event: the entries of these registrations, and the first `heads[event]` that wait."""
    found: dict[UUID, set[Entry]] = {}
    if not mentioned and not heads:
        return found
    rows = await conn.execute(
        _ENTRIES.bindparams(
            array("mentioned", sorted(mentioned), _UUID),
            array("events", list(heads), _UUID),
            array("heads", list(heads.values()), sa.BigInteger),
        )
    )
    for row in rows:
        found.setdefault(row.event_id, set()).add(_entry(row))
    return found


async def save_lines(conn: AsyncConnection, lines: Sequence[Stored]) -> None:
    """Writes lines that `lock_lines` has locked."""
    every = [stored.line for stored in lines]
    await conn.execute(
        _SAVE_LINES.bindparams(
            array("events", [one.event_id for one in every], _UUID),
            array("slugs", [one.slug for one in every], sa.Text),
            array("titles", [one.title for one in every], sa.Text),
            array("open", [one.open for one in every], sa.Boolean),
            array("free", [one.free for one in every], sa.Integer),
            array("waiting", [one.waiting for one in every], sa.Integer),
            array("lengths", [one.length for one in every], sa.Integer),
            array("seqs", [stored.seq for stored in lines], sa.BigInteger),
        )
    )


async def save_entries(conn: AsyncConnection, changed: Iterable[tuple[UUID, Entry]]) -> None:
    """Writes new and changed entries, each with its event."""
    rows = list(changed)
    if not rows:
        return
    await conn.execute(
        _SAVE_ENTRIES.bindparams(
            array("events", [event_id for event_id, _ in rows], _UUID),
            array("parties", [one.registration_id for _, one in rows], _UUID),
            array("seqs", [one.seq for _, one in rows], sa.BigInteger),
            array("seats", [one.seats for _, one in rows], sa.Integer),
            array("states", [one.state.value for _, one in rows], sa.Text),
            array("joined", [one.joined_at for _, one in rows], _TIME),
            array("ended", [one.ended_at for _, one in rows], _TIME),
        )
    )


async def add_records(conn: AsyncConnection, records: Iterable[tuple[UUID, Record]]) -> None:
    """Adds to the ledger, in this order, each record with its event."""
    rows = list(records)
    if not rows:
        return
    await conn.execute(
        _ADD_RECORDS.bindparams(
            array("events", [event_id for event_id, _ in rows], _UUID),
            array("parties", [one.registration_id for _, one in rows], _UUID),
            array("kinds", [one.kind.value for _, one in rows], sa.Text),
            array("seats", [one.seats for _, one in rows], sa.Integer),
            array("times", [one.at for _, one in rows], _TIME),
            array("reasons", [one.reason and one.reason.value for _, one in rows], sa.Text),
            array("actors", [one.actor.value for _, one in rows], sa.Text),
        )
    )


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
