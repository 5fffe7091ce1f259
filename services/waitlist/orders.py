"""What operators order: pause and resume, priority, promotion by hand.

Invariant: an order is looked at and taken under the line's lock, so that what it is refused for
is still so when it is refused, and each order that was taken is a row of the ledger with the
operator's name and reason.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.waitlist import repository, service
from services.waitlist.domain.errors import (
    AlreadyPaused,
    LineClosed,
    LineOver,
    NotPaused,
    NotWaiting,
    UnknownEntry,
)
from services.waitlist.domain.facts import Fact, Paused, Prioritised, PromotedByHand, Resumed
from services.waitlist.domain.line import Entry, Line, State


async def pause(conn: AsyncConnection, slug: str, by: str, why: str, now: datetime) -> None:
    """Stops the line; its seats stay held. Raises UnknownLine, LineClosed, AlreadyPaused."""
    line = await _locked(conn, slug)
    if line.paused:
        raise AlreadyPaused
    await _take(conn, line, Paused(now, by, why), now)


async def resume(conn: AsyncConnection, slug: str, by: str, why: str, now: datetime) -> None:
    """Lets the line go on. Raises UnknownLine, LineClosed, NotPaused."""
    line = await _locked(conn, slug)
    if not line.paused:
        raise NotPaused
    await _take(conn, line, Resumed(now, by, why), now)


async def prioritise(
    conn: AsyncConnection,
    slug: str,
    registration_id: UUID,
    priority: int,
    by: str,
    why: str,
    now: datetime,
) -> None:
    """Gives an entry that waits another priority, higher before lower.

    Raises UnknownLine, LineClosed, UnknownEntry, NotWaiting.
    """
    line = await _locked(conn, slug)
    await _waiting(conn, line, registration_id)
    await _take(conn, line, Prioritised(now, registration_id, priority, by, why), now)


async def promote(
    conn: AsyncConnection, slug: str, registration_id: UUID, by: str, why: str, now: datetime
) -> None:
    """Lets an entry come first: at once where its party fits into what is free, also while the
    line is paused; else it is the next.

    Raises UnknownLine, LineClosed, LineOver, UnknownEntry, NotWaiting.
    """
    line = await _locked(conn, slug)
    if line.over(now):
        raise LineOver
    await _waiting(conn, line, registration_id)
    await _take(conn, line, PromotedByHand(now, registration_id, by, why), now)


async def _locked(conn: AsyncConnection, slug: str) -> Line:
    found = await service.line_of(conn, slug)
    line = (await repository.lock_lines(conn, [found.event_id]))[found.event_id].line
    if not line.open:
        raise LineClosed
    return line


async def _waiting(conn: AsyncConnection, line: Line, registration_id: UUID) -> Entry:
    known = await repository.entries(conn, [registration_id], {})
    entry = known.get(line.event_id, {}).get(registration_id)
    if entry is None:
        raise UnknownEntry
    if entry.state is not State.WAITING:
        raise NotWaiting(entry.state.value)
    return entry


async def _take(conn: AsyncConnection, line: Line, fact: Fact, now: datetime) -> None:
    await service.take(conn, {line.event_id: [fact]}, now)
