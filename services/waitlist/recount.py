"""Counting again what a line should say; the SQL of the audit, beside `repository`.

Invariant: only reads. A line's true counters are those of its entries and of its ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.audit import digest
from services.waitlist.domain.line import Actor, Entry, Kind, Line, Reason, Record, State
from services.waitlist.repository import LedgerRow

_WAITS: Final = "state = 'waiting'"
_OPEN: Final = "state IN ('waiting', 'promoted')"
_LINES = sa.text(
    f"""
    SELECT l.*, e.*, b.*,
           (SELECT seats FROM entry AS h WHERE h.event_id = l.event_id AND h.state = 'waiting'
            ORDER BY h.seq LIMIT 1) AS head
    FROM line AS l
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(seats) FILTER (WHERE {_WAITS}), 0) AS n_waiting,
               count(*) FILTER (WHERE {_WAITS}) AS n_length,
               count(*) FILTER (WHERE state = 'promoted') AS n_promoted,
               count(*) AS n_entries,
               {digest("registration_id", "n.seq", "seats", where=_WAITS)} AS line_digest,
               {digest("registration_id", "n.seq", "seats", where=_OPEN)} AS open_digest
        FROM entry AS n WHERE n.event_id = l.event_id) AS e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(seats) FILTER (WHERE kind = 'freed'), 0) AS freed,
               coalesce(sum(seats) FILTER (WHERE kind = 'promoted'), 0) AS promoted,
               coalesce(sum(seats) FILTER (WHERE kind = 'released'), 0) AS released,
               count(*) FILTER (WHERE kind = 'joined') AS joined,
               count(*) FILTER (WHERE kind = 'promoted')
                   - count(DISTINCT registration_id) FILTER (WHERE kind = 'promoted') AS twice
        FROM ledger WHERE ledger.event_id = l.event_id) AS b
    WHERE CAST(:event_id AS uuid) IS NULL OR l.event_id = :event_id
    """  # noqa: S608 - put together from constants
)
_ENTRIES = sa.text(
    """
    SELECT registration_id, seq, seats, state, joined_at, ended_at FROM entry
    WHERE event_id = :event_id AND state IN ('waiting', 'promoted') ORDER BY seq
    """
)
_ENTRY = sa.text(
    """
    SELECT registration_id, seq, seats, state, joined_at, ended_at,
           (SELECT count(*) FROM entry AS b WHERE b.event_id = e.event_id
                AND b.state = 'waiting' AND b.seq < e.seq) AS before
    FROM entry AS e WHERE registration_id = :id
    """
)
_LEDGER = sa.text(
    """
    SELECT id, kind, seats, at, actor, registration_id, reason FROM ledger
    WHERE registration_id = :id ORDER BY id
    """
)
# What became of seats while this person stood in line: from the row of joining to the row of
# being promoted, confirmed or gone.
_SINCE = sa.text(
    """
    SELECT coalesce(sum(seats) FILTER (WHERE kind = 'freed'), 0) AS freed,
           coalesce(sum(seats) FILTER (WHERE kind = 'promoted'), 0) AS promoted,
           count(*) FILTER (WHERE kind = 'promoted') AS parties,
           coalesce(sum(seats) FILTER (WHERE kind = 'released'), 0) AS released
    FROM ledger WHERE event_id = :event_id
        AND id > (SELECT min(id) FROM ledger WHERE registration_id = :id AND kind = 'joined')
        AND id < coalesce((SELECT min(id) FROM ledger
                           WHERE registration_id = :id AND kind <> 'joined'), 9223372036854775807)
    """
)
_ONE = sa.text(
    "SELECT event_id, slug, title, open, free, waiting, length FROM line WHERE event_id = :event_id"
)


@dataclass(frozen=True, slots=True)
class Recount:
    """A line, the last `seq` said about it, and what its entries and its ledger say.

    `freed`, `promoted`, `released` are sums of seats; `twice` counts promotions of somebody who
    had been promoted before; `head` is the number of seats that the first in line wants.
    `line_digest` is over those that wait, `open_digest` also over those that are promoted and not
    yet answered (id, seq, seats; see kit.audit.digest).
    """

    line: Line
    seq: int
    waiting: int
    length: int
    unanswered: int
    entries: int
    freed: int
    promoted: int
    released: int
    joined: int
    twice: int
    head: int | None
    line_digest: Decimal
    open_digest: Decimal

    @property
    def free(self) -> int:
        """The held seats that nobody is promoted to, by the ledger."""
        return self.freed - self.promoted - self.released


@dataclass(frozen=True, slots=True)
class Since:
    """What became of seats while somebody stood in line; `parties` moved up with `promoted`
    seats."""

    freed: int
    promoted: int
    parties: int
    released: int


@dataclass(frozen=True, slots=True)
class Story:
    """Somebody in line: the entry, how many wait before it, its rows of the ledger, and what
    became of seats meanwhile."""

    entry: Entry
    before: int
    ledger: Sequence[LedgerRow]
    since: Since


def _line(row: Any) -> Line:
    return Line(row.event_id, row.slug, row.title, row.open, row.free, row.waiting, row.length)


def _entry(row: Any) -> Entry:
    return Entry(
        row.registration_id, row.seq, row.seats, row.joined_at, State(row.state), row.ended_at
    )


async def recount(conn: AsyncConnection, event_id: UUID | None = None) -> dict[UUID, Recount]:
    """Every line, or one; reads each entry and each row of the ledger once."""
    return {
        row.event_id: Recount(
            line=_line(row),
            seq=row.seq,
            waiting=row.n_waiting,
            length=row.n_length,
            unanswered=row.n_promoted,
            entries=row.n_entries,
            freed=row.freed,
            promoted=row.promoted,
            released=row.released,
            joined=row.joined,
            twice=row.twice,
            head=row.head,
            line_digest=row.line_digest,
            open_digest=row.open_digest,
        )
        for row in await conn.execute(_LINES, {"event_id": event_id})
    }


async def entries(conn: AsyncConnection, event_id: UUID) -> list[Entry]:
    """Those that wait or are promoted and not answered, in order."""
    return [_entry(row) for row in await conn.execute(_ENTRIES, {"event_id": event_id})]


async def one(conn: AsyncConnection, event_id: UUID) -> Line | None:
    """A line as it stands, not locked."""
    row = (await conn.execute(_ONE, {"event_id": event_id})).one_or_none()
    return None if row is None else _line(row)


async def story(conn: AsyncConnection, event_id: UUID, registration_id: UUID) -> Story | None:
    """All that the line knows of somebody, or None."""
    row = (await conn.execute(_ENTRY, {"id": registration_id})).one_or_none()
    if row is None:
        return None
    ledger = [_ledger(found) for found in await conn.execute(_LEDGER, {"id": registration_id})]
    since = (await conn.execute(_SINCE, {"event_id": event_id, "id": registration_id})).one()
    return Story(_entry(row), row.before, ledger, Since(*since))


def _ledger(row: Any) -> LedgerRow:
    at: datetime = row.at
    reason = Reason(row.reason) if row.reason else None
    return LedgerRow(
        row.id,
        Record(Kind(row.kind), row.seats, at, Actor(row.actor), row.registration_id, reason),
    )
