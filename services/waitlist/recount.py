"""Counting again what a line should say; the SQL of the audit, beside `repository`.

Invariant: only reads. A line's true counters are those of its entries and of its ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.audit import digest
from services.waitlist.domain.idle import Head, Idle, idle
from services.waitlist.domain.line import Entry, Line
from services.waitlist.domain.model import LedgerRow, Record
from services.waitlist.domain.why import Since, Story
from services.waitlist.repository import to_entry, to_line, to_record

_WAITS: Final = "state = 'waiting'"
_OPEN: Final = "state IN ('waiting', 'promoted')"
_LINES = sa.text(
    f"""
    SELECT l.*, now() AS looked_at, e.*, b.*, t.*, h.*
    FROM line AS l
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(seats) FILTER (WHERE {_WAITS}), 0) AS n_waiting,
               count(*) FILTER (WHERE {_WAITS}) AS n_length,
               count(*) FILTER (WHERE state = 'promoted') AS n_promoted,
               count(*) AS n_entries,
               min(seats) FILTER (WHERE {_WAITS}) AS smallest,
               {digest("registration_id", "n.rank", "seats", where=_WAITS)} AS line_digest,
               {digest("registration_id", "n.rank", "seats", where=_OPEN)} AS open_digest
        FROM entry AS n WHERE n.event_id = l.event_id) AS e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(seats) FILTER (WHERE kind = 'freed'), 0) AS freed,
               coalesce(sum(seats) FILTER (WHERE kind = 'promoted'), 0) AS promoted,
               coalesce(sum(seats) FILTER (WHERE kind = 'released'), 0) AS released,
               count(*) FILTER (WHERE kind = 'joined') AS joined
        FROM ledger WHERE ledger.event_id = l.event_id) AS b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(greatest(times - 1, 0)), 0) AS twice FROM (
            SELECT sum(CASE kind WHEN 'promoted' THEN 1 ELSE -1 END) AS times FROM ledger
            WHERE ledger.event_id = l.event_id AND kind IN ('promoted', 'returned')
            GROUP BY registration_id) AS told) AS t
    LEFT JOIN LATERAL (
        SELECT seats AS head_seats, rank AS head_rank, whole AS head_whole FROM entry AS h
        WHERE h.event_id = l.event_id AND h.state = 'waiting' ORDER BY h.rank LIMIT 1) AS h ON true
    WHERE CAST(:event_id AS uuid) IS NULL OR l.event_id = :event_id
    """  # noqa: S608 - put together from constants
)
_ENTRIES = sa.text(
    """
    SELECT * FROM entry
    WHERE event_id = :event_id AND state IN ('waiting', 'promoted') ORDER BY rank
    """
)
_ENTRY = sa.text(
    """
    SELECT e.*, b.* FROM entry AS e
    CROSS JOIN LATERAL (
        SELECT count(*) AS before, coalesce(sum(seats), 0) AS seats_before FROM entry AS b
        WHERE b.event_id = e.event_id AND b.state = 'waiting' AND b.rank < e.rank) AS b
    WHERE e.registration_id = :id AND e.event_id = :event_id
    """
)
_LEDGER = sa.text("SELECT * FROM ledger WHERE registration_id = :id ORDER BY id")
_PAUSE = sa.text(
    """
    SELECT * FROM ledger WHERE event_id = :event_id AND actor = 'operator' AND kind = 'paused'
    ORDER BY id DESC LIMIT 1
    """
)
# What became of seats while this person stood in line: from the row of joining to now, or where
# they no longer wait, to the last row of being promoted, or else of having gone.
_SINCE = sa.text(
    """
    WITH own AS (
        SELECT min(id) FILTER (WHERE kind = 'joined') AS first,
               coalesce(max(id) FILTER (WHERE kind = 'promoted'),
                        max(id) FILTER (WHERE kind IN ('left', 'confirmed'))) AS last
        FROM ledger WHERE registration_id = :id)
    SELECT coalesce(sum(l.seats) FILTER (WHERE kind = 'freed'), 0) AS freed,
           coalesce(sum(l.seats) FILTER (WHERE kind = 'promoted'), 0) AS promoted,
           count(*) FILTER (WHERE kind = 'promoted') AS parties,
           count(*) FILTER (WHERE kind = 'promoted' AND e.seq > :seq) AS later,
           coalesce(sum(l.seats) FILTER (WHERE kind = 'released'), 0) AS released
    FROM own JOIN ledger AS l ON l.id > own.first AND (:waits OR l.id < own.last)
    LEFT JOIN entry AS e ON l.kind = 'promoted' AND e.registration_id = l.registration_id
    WHERE l.event_id = :event_id AND l.registration_id IS DISTINCT FROM :id
    """
)
_ONE = sa.text("SELECT * FROM line WHERE event_id = :event_id")


@dataclass(frozen=True, slots=True)
class Recount:
    """A line, the last `seq` said about it, and what its entries and its ledger say.

    `freed`, `promoted`, `released` are sums of seats; `twice` counts promotions of somebody who
    had been promoted before and not returned; `head` is the first in line.
    `line_digest` is over those that wait, `open_digest` also over those that are promoted and not
    yet answered (id, rank, seats; see kit.audit.digest).
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
    head: Head | None
    at: datetime
    line_digest: Decimal
    open_digest: Decimal

    @property
    def free(self) -> int:
        """The held seats that nobody is promoted to, by the ledger."""
        return self.freed - self.promoted - self.released

    @property
    def idle(self) -> Idle | None:
        """What the free seats should have been used for."""
        return idle(self.line, self.head, self.at)

    @property
    def awaited(self) -> int:
        """Promotions that registration has yet to answer. Of an event called off, or a line that
        is over, none is: whoever was promoted too late waits there as before."""
        return self.unanswered if self.line.open and not self.line.over(self.at) else 0


async def recount(conn: AsyncConnection, event_id: UUID | None = None) -> Mapping[UUID, Recount]:
    """Every line, or one; reads each entry and each row of the ledger once."""
    return {
        row.event_id: Recount(
            line=to_line(row),
            seq=row.seq,
            waiting=row.n_waiting,
            length=row.n_length,
            unanswered=row.n_promoted,
            entries=row.n_entries,
            freed=row.freed,
            promoted=row.promoted,
            released=row.released,
            joined=row.joined,
            twice=int(row.twice),
            head=_head(row),
            at=row.looked_at,
            line_digest=row.line_digest,
            open_digest=row.open_digest,
        )
        for row in await conn.execute(_LINES, {"event_id": event_id})
    }


def _head(row: Any) -> Head | None:
    if row.head_seats is None:
        return None
    return Head(row.head_seats, row.head_rank, row.head_whole, row.smallest)


async def entries(conn: AsyncConnection, event_id: UUID) -> list[Entry]:
    """Those that wait or are promoted and not answered, in order."""
    return [to_entry(row) for row in await conn.execute(_ENTRIES, {"event_id": event_id})]


async def one(conn: AsyncConnection, event_id: UUID) -> Line | None:
    """A line as it stands, not locked."""
    row = (await conn.execute(_ONE, {"event_id": event_id})).one_or_none()
    return None if row is None else to_line(row)


async def story(conn: AsyncConnection, line: Line, registration_id: UUID) -> Story | None:
    """All that the line knows of somebody, or None. It counts who waits before, and reads the
    ledger since they joined."""
    key = {"event_id": line.event_id, "id": registration_id}
    row = (await conn.execute(_ENTRY, key)).one_or_none()
    if row is None:
        return None
    ledger: list[LedgerRow] = [to_record(one) for one in await conn.execute(_LEDGER, key)]
    since = (
        await conn.execute(_SINCE, {**key, "seq": row.seq, "waits": row.state == "waiting"})
    ).one()
    return Story(
        to_entry(row),
        row.before,
        row.seats_before,
        ledger,
        Since(*since),
        await pause_of(conn, line),
    )


async def pause_of(conn: AsyncConnection, line: Line) -> Record | None:
    """The order by which a line is paused; None where it is not."""
    if not line.paused:
        return None
    row = (await conn.execute(_PAUSE, {"event_id": line.event_id})).one_or_none()
    return None if row is None else to_record(row).record
