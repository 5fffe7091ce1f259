"""The SQL of the waitlist.

Invariant: whatever changes a line, its entries or its ledger first holds the line's row, taken
by `lock_lines` in the order of the event ids, so that two batches never wait for each other
in a circle. No statement's cost grows with the length of a line, but for the place numbers
that an operator's page counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import copy
from services.waitlist.domain.facts import RULES, LineRules
from services.waitlist.domain.line import (
    Actor,
    Entry,
    Kind,
    Line,
    Needed,
    Reason,
    Record,
    State,
)
from services.waitlist.domain.model import LedgerRow
from services.waitlist.models import entry, ledger, line

# Every batch runs these, so they go to the driver as they are: SQLAlchemy's own way of binding
# arrays costs more than PostgreSQL's work on them.
_LINE: Final = """event_id, slug, title, open, free, waiting, length, seq, promotion, policy,
    passes, ends_at, paused, passed_by"""
_LOCK: Final = f"""
SELECT {_LINE} FROM line WHERE event_id = ANY($1::uuid[]) ORDER BY event_id FOR UPDATE
"""  # noqa: S608 - put together from constants
_OPEN: Final = f"""
INSERT INTO line ({_LINE})
SELECT event_id, NULL, NULL, true, 0, 0, 0, 0, '{RULES.promotion}', '{RULES.policy}',
    {RULES.passes}, NULL, false, '{{}}'
FROM unnest($1::uuid[]) AS l (event_id) ORDER BY event_id
ON CONFLICT DO NOTHING
"""  # noqa: S608 - put together from constants
_ENTRY: Final = """event_id, registration_id, seq, seats, joined_at, rank, state, ended_at,
    priority, whole, until, passed_by"""
# Under LIMIT the partial index is read in its own order, from the head, and no further.
_ENTRIES: Final = f"""
SELECT {_ENTRY}, false AS head FROM entry WHERE registration_id = ANY($1::uuid[])
UNION ALL
SELECT head.*, true FROM unnest($2::uuid[], $3::bigint[]) AS wanted (event_id, heads)
CROSS JOIN LATERAL (
    SELECT {_ENTRY} FROM entry
    WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
    ORDER BY entry.rank LIMIT wanted.heads) AS head
"""  # noqa: S608 - put together from constants
# The sizes that there are, from one to the next by the index, and of each the first.
_BEHIND: Final = f"""
SELECT small.* FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
    AS wanted (event_id, behind, per_size, sizes)
CROSS JOIN LATERAL (
    WITH RECURSIVE size (seats) AS (
        SELECT min(seats) FROM entry
        WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
        UNION ALL
        SELECT (SELECT min(entry.seats) FROM entry
                WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
                    AND entry.seats > size.seats)
        FROM size WHERE size.seats < wanted.sizes)
    SELECT seats FROM size WHERE seats <= wanted.sizes) AS size
CROSS JOIN LATERAL (
    SELECT {_ENTRY} FROM entry
    WHERE entry.event_id = wanted.event_id AND entry.state = 'waiting'
        AND entry.seats = size.seats AND entry.rank > wanted.behind
    ORDER BY entry.rank LIMIT wanted.per_size) AS small
"""  # noqa: S608 - put together from constants
_PROMOTED: Final = f"""
SELECT {_ENTRY} FROM entry WHERE event_id = ANY($1::uuid[]) AND state = 'promoted'
"""  # noqa: S608 - put together from constants
_SAVE_LINES: Final = """
UPDATE line SET slug = new.slug, title = new.title, open = new.open, free = new.free,
    waiting = new.waiting, length = new.length, seq = new.seq, promotion = new.promotion,
    policy = new.policy, passes = new.passes, ends_at = new.ends_at, paused = new.paused,
    passed_by = new.passed_by::bigint[]
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::integer[], $6::integer[],
            $7::integer[], $8::bigint[], $9::text[], $10::text[], $11::integer[],
            $12::timestamptz[], $13::boolean[], $14::text[])
    AS new (event_id, slug, title, open, free, waiting, length, seq, promotion, policy, passes,
            ends_at, paused, passed_by)
WHERE line.event_id = new.event_id
"""
_SAVE_ENTRIES: Final = f"""
INSERT INTO entry ({_ENTRY})
SELECT event_id, registration_id, seq, seats, joined_at, rank, state, ended_at, priority, whole,
    until, passed_by::bigint[]
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::timestamptz[], $6::bigint[],
            $7::text[], $8::timestamptz[], $9::integer[], $10::boolean[], $11::timestamptz[],
            $12::text[]) AS new ({_ENTRY})
ON CONFLICT (registration_id) DO UPDATE
SET seats = excluded.seats, rank = excluded.rank, state = excluded.state,
    ended_at = excluded.ended_at, priority = excluded.priority, whole = excluded.whole,
    until = excluded.until, passed_by = excluded.passed_by
"""  # noqa: S608 - put together from constants
_RECORD: Final = (
    *("event_id", "registration_id", "kind", "seats", "at", "reason", "actor"),
    *("number", "by", "why"),
)
_DUE: Final = sa.text(
    """
    SELECT event_id FROM line WHERE open AND free > 0 AND ends_at <= :now
    ORDER BY ends_at LIMIT :limit
    """
)

_LINES: Final = sa.text(
    """
    SELECT line.*, c.called_up FROM line
    CROSS JOIN LATERAL (
        SELECT count(*) AS called_up FROM entry
        WHERE entry.event_id = line.event_id AND state IN ('promoted', 'offered')) AS c
    WHERE slug IS NOT NULL
        AND (:every OR (open AND (ends_at IS NULL OR ends_at > :now OR free > 0)
                        AND (length > 0 OR free > 0 OR paused OR called_up > 0)))
        AND (CAST(:after AS uuid) IS NULL OR (lower(title), line.event_id)
             > (SELECT lower(title), event_id FROM line WHERE event_id = :after))
    ORDER BY lower(title), line.event_id LIMIT :limit
    """
)
_FOUND: Final = sa.text(
    """
    SELECT slug, registration_id FROM entry JOIN line USING (event_id)
    WHERE registration_id = CAST(:id AS uuid) AND slug IS NOT NULL
    """
)
# An operator's search reads every entry; no index is kept for it.
_FOUND_BY_END: Final = sa.text(
    """
    SELECT slug, registration_id FROM entry JOIN line USING (event_id)
    WHERE right(CAST(registration_id AS text), 12) = :id AND slug IS NOT NULL LIMIT 2
    """
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A line and the `seq` of the last message said about it."""

    line: Line
    seq: int


def to_line(row: Any) -> Line:
    """A line from a row that has its columns."""
    rules = LineRules(row.promotion, row.policy, row.passes, row.ends_at)
    return Line(
        row.event_id,
        row.slug,
        row.title,
        row.open,
        row.free,
        row.waiting,
        row.length,
        rules,
        row.paused,
        tuple(row.passed_by),
    )


def to_entry(row: Any) -> Entry:
    """An entry from a row that has its columns."""
    return Entry(
        row.registration_id,
        row.seq,
        row.seats,
        row.joined_at,
        row.rank,
        State(row.state),
        row.ended_at,
        row.priority,
        row.whole,
        row.until,
        tuple(row.passed_by),
    )


def to_record(row: Any) -> LedgerRow:
    """A row of the ledger."""
    record = Record(
        Kind(row.kind),
        row.seats,
        row.at,
        Actor(row.actor),
        row.registration_id,
        Reason(row.reason) if row.reason else None,
        row.number,
        row.by,
        row.why,
    )
    return LedgerRow(row.id, record)


async def lock_lines(conn: AsyncConnection, events: Collection[UUID]) -> dict[UUID, Stored]:
    """The lines of `events`, locked until the transaction ends; new ones are opened."""
    wanted = list(events)
    rows = (await conn.exec_driver_sql(_LOCK, (wanted,))).all()
    if len(rows) < len(wanted):
        missing = list(set(wanted) - {row.event_id for row in rows})
        await conn.exec_driver_sql(_OPEN, (missing,))
        rows = (await conn.exec_driver_sql(_LOCK, (wanted,))).all()
    return {row.event_id: Stored(to_line(row), row.seq) for row in rows}


async def entries(
    conn: AsyncConnection, mentioned: Collection[UUID], needed: Mapping[UUID, Needed]
) -> dict[UUID, dict[UUID, Entry]]:
    """By event and registration: the entries of these registrations, and those that are `needed`
    of each event, as domain.line.read picks them."""
    found: dict[UUID, dict[UUID, Entry]] = {}
    heads = {event_id: one.heads for event_id, one in needed.items() if one.heads}
    last: dict[UUID, int] = {}
    if mentioned or heads:
        rows = await conn.exec_driver_sql(
            _ENTRIES, (list(mentioned), list(heads), list(heads.values()))
        )
        for row in rows:
            found.setdefault(row.event_id, {})[row.registration_id] = to_entry(row)
            if row.head:
                last[row.event_id] = max(row.rank, last.get(row.event_id, row.rank))
    small = [(key, rank, needed[key]) for key, rank in last.items() if needed[key].per_size]
    if small:
        rows = await conn.exec_driver_sql(
            _BEHIND,
            (
                [event_id for event_id, _, _ in small],
                [rank for _, rank, _ in small],
                [one.per_size for _, _, one in small],
                [one.sizes for _, _, one in small],
            ),
        )
        for row in rows:
            found[row.event_id][row.registration_id] = to_entry(row)
    promoted = [event_id for event_id, one in needed.items() if one.promoted]
    if promoted:
        for row in await conn.exec_driver_sql(_PROMOTED, (promoted,)):
            found.setdefault(row.event_id, {})[row.registration_id] = to_entry(row)
    return found


def _array(numbers: Iterable[int]) -> str:
    """PostgreSQL's text of an array; an array of arrays is no parameter."""
    return "{" + ",".join(map(str, numbers)) + "}"


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
            [one.rules.promotion for one in every],
            [one.rules.policy for one in every],
            [one.rules.passes for one in every],
            [one.rules.ends_at for one in every],
            [one.paused for one in every],
            [_array(one.passed_by) for one in every],
        ),
    )


async def save_entries(conn: AsyncConnection, changed: Iterable[tuple[UUID, Entry]]) -> None:
    """Writes new and changed entries, each with its event."""
    rows = list(changed)
    if not rows:
        return
    every = [one for _, one in rows]
    await conn.exec_driver_sql(
        _SAVE_ENTRIES,
        (
            [event_id for event_id, _ in rows],
            [one.registration_id for one in every],
            [one.seq for one in every],
            [one.seats for one in every],
            [one.joined_at for one in every],
            [one.rank for one in every],
            [one.state.value for one in every],
            [one.ended_at for one in every],
            [one.priority for one in every],
            [one.whole for one in every],
            [one.until for one in every],
            [_array(one.passed_by) for one in every],
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
            one.number,
            one.by,
            one.why,
        )
        for event_id, one in records
    ]
    if rows:
        await copy(conn, "ledger", _RECORD, rows)


async def due(conn: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    """The events of `limit` lines at most that are over at `now` and hold seats back."""
    return list((await conn.execute(_DUE, {"now": now, "limit": limit})).scalars())


async def line_of(conn: AsyncConnection, slug: str) -> Line | None:
    """The line of the event of this slug; of two that had it, the younger event's."""
    row = (
        await conn.execute(
            sa.select(line).where(line.c.slug == slug).order_by(line.c.event_id.desc()).limit(1)
        )
    ).one_or_none()
    return None if row is None else to_line(row)


async def waiting_after(
    conn: AsyncConnection, event_id: UUID, after: int | None, limit: int
) -> tuple[int, list[Entry]]:
    """How many wait up to `after` (a rank), and the next `limit` behind them in order."""
    here = sa.and_(entry.c.event_id == event_id, entry.c.state == sa.literal_column("'waiting'"))
    before = 0
    query = sa.select(entry).where(here)
    if after is not None:
        count = sa.select(sa.func.count()).select_from(entry).where(here, entry.c.rank <= after)
        before = (await conn.execute(count)).scalar_one()
        query = query.where(entry.c.rank > after)
    rows = await conn.execute(query.order_by(entry.c.rank).limit(limit))
    return before, [to_entry(row) for row in rows]


async def lines_after(
    conn: AsyncConnection, after: UUID | None, limit: int, *, every: bool, now: datetime
) -> list[tuple[Line, int]]:
    """The next `limit` lines behind the event `after`, by title, each with how many parties are
    called up and have not answered; those that may still move alone, or with `every` all."""
    rows = await conn.execute(_LINES, {"after": after, "limit": limit, "every": every, "now": now})
    return [(to_line(row), row.called_up) for row in rows]


async def found(conn: AsyncConnection, end_or_id: str) -> list[tuple[str, UUID]]:
    """The slugs and ids of two registrations at most of this id, or whose id ends in these 12
    hexadecimal digits."""
    query = _FOUND_BY_END if len(end_or_id) == 12 else _FOUND
    return [(row.slug, row.registration_id) for row in await conn.execute(query, {"id": end_or_id})]


async def called_up(conn: AsyncConnection, event_id: UUID, limit: int) -> list[Entry]:
    """The first `limit` that are promoted or offered a place and have not answered, in order."""
    here = sa.text("event_id = :event_id AND state IN ('promoted', 'offered')")
    query = sa.select(entry).where(here).order_by(entry.c.rank).limit(limit)
    return [to_entry(row) for row in await conn.execute(query, {"event_id": event_id})]


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
    return [to_record(row) for row in rows]
