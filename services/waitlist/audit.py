"""The waitlist looked over: its lines against their entries and their ledger, and the mending.

Invariant: a line's counters follow from its entries and its ledger, never the other way round;
the ledger only grows and is not mended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from services.kit import audit as tables
from services.kit.clock import Clock
from services.kit.db import Database
from services.waitlist import recount, repository, service
from services.waitlist.domain.facts import Ended
from services.waitlist.domain.idle import Idle
from services.waitlist.domain.line import Entry, Line
from services.waitlist.domain.why import Because, Since, Story, because, meanwhile, told
from services.waitlist.recount import Recount
from services.waitlist.repository import Stored

CONSUMER: Final = "einlass.waitlist"

__all__ = [
    "CONSUMER",
    "Because",
    "Entry",
    "Idle",
    "Line",
    "Mended",
    "Recount",
    "Seen",
    "Since",
    "Standing",
    "Story",
    "because",
    "meanwhile",
    "told",
]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look."""

    lines: Mapping[UUID, Recount]
    messages: tables.Messages


async def look(db: Database, event_id: UUID | None) -> Seen:
    """Recounts every line, or one, in one snapshot. Raises DBAPIError, OSError."""
    async with tables.snapshot(db) as conn:
        return Seen(
            lines=await recount.recount(conn, event_id),
            messages=await tables.messages(conn, CONSUMER),
        )


async def entries(db: Database, event_id: UUID) -> list[Entry]:
    """Those that wait or are promoted and not answered, in order."""
    async with db.read() as conn:
        return await recount.entries(conn, event_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """A line at one moment: the last `seq` that it said and the last that it has had, how many
    promotions registration has yet to answer, and how many letters its service set aside."""

    line: Line
    seq: int
    had: int
    awaited: int
    letters: int


async def standing(db: Database, event_id: UUID) -> Standing | None:
    """A line as it stands, or None."""
    async with tables.snapshot(db) as conn:
        found = (await recount.recount(conn, event_id)).get(event_id)
        if found is None:
            return None
        had = (await tables.had(conn, CONSUMER)).get(event_id, 0)
        letters = await tables.letter_count(conn)
        return Standing(found.line, found.seq, had, found.awaited, letters)


async def story(
    db: Database, event_id: UUID, registration_id: UUID
) -> tuple[Line | None, Story | None]:
    """A line and all that it knows of somebody."""
    async with tables.snapshot(db) as conn:
        line = await recount.one(conn, event_id)
        if line is None:
            return None, None
        return line, await recount.story(conn, line, registration_id)


@dataclass(frozen=True, slots=True)
class Mended:
    """The line before and after; in between its own rule was asked, so it may have promoted."""

    before: Line
    counted: Line


async def mend_counters(db: Database, clock: Clock, event_id: UUID) -> Mended:
    """Counts the line anew under its lock, and lets its rule draw the conclusion: whoever fits
    into what is free moves up, and what nobody waits for is released.

    Raises LookupError for an unknown line, and ValueError where the ledger gave away more than
    was freed, which counters cannot mend.
    """
    async with db.transaction() as conn:
        if await recount.one(conn, event_id) is None:
            raise LookupError(event_id)
        stored = (await repository.lock_lines(conn, [event_id]))[event_id]
        counted = (await recount.recount(conn, event_id))[event_id]
        if counted.free < 0:
            raise ValueError("the ledger gave away more seats than were freed")
        line = replace(
            stored.line, free=counted.free, waiting=counted.waiting, length=counted.length
        )
        await repository.save_lines(conn, [Stored(line, stored.seq)])
        # That time has passed changes nothing by itself, and has the rules asked.
        now = clock.now()
        await service.take(conn, {event_id: [Ended(now)]}, now)
    return Mended(stored.line, line)
