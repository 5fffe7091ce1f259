"""Registration looked over: its counters against its registrations, and the mending of them.

Invariant: mending holds the event's lock from the count to the write, so that nobody signs up or
cancels in between; what it frees for the line is said through the outbox like anything else.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.kit import audit as tables
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.tokens import TokenBox
from services.registration.changes import Changes, Turn
from services.registration.domain.recount import Row, mend
from services.registration.messages import Speaker
from services.registration.repository import audit
from services.registration.repository import seats as counters
from services.registration.repository.audit import Person, Recount, State, Waiting

CONSUMER: Final = "einlass.registration"

__all__ = ["CONSUMER", "Mended", "Person", "Recount", "Row", "Seen", "State", "Waiting"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `key_fits`: whether the secret key opens what was sealed; None where nothing
    was sealed yet."""

    events: Sequence[Recount]
    messages: tables.Messages
    key_fits: bool | None


async def look(db: Database, tokens: TokenBox, event_id: UUID | None) -> Seen:
    """Recounts every event, or one, in one snapshot. Raises DBAPIError, OSError."""
    async with tables.snapshot(db) as conn:
        sealed = await audit.sealed(conn)
        return Seen(
            events=await audit.recount(conn, event_id),
            messages=await tables.messages(conn, CONSUMER),
            key_fits=None if sealed is None else _opens(tokens, *sealed),
        )


def _opens(tokens: TokenBox, owner: UUID, sealed: bytes) -> bool:
    try:
        tokens.open(sealed, owner)
    except InvalidTag:
        return False
    return True


async def positions(db: Database) -> dict[UUID, tuple[int, int]]:
    """By event, the last `seq` said and the last one had from the waitlist."""
    async with db.read() as conn:
        return await audit.positions(conn, CONSUMER)


async def line(db: Database, event_id: UUID) -> list[Waiting]:
    """Who waits, in order."""
    async with db.read() as conn:
        return await audit.line(conn, event_id)


async def states(db: Database, event_id: UUID) -> dict[UUID, State]:
    """How everybody of an event stands."""
    async with db.read() as conn:
        return await audit.states(conn, event_id)


async def person(db: Database, registration_id: UUID) -> tuple[Person, Recount] | None:
    """A registration and its event, or None."""
    async with tables.snapshot(db) as conn:
        found = await audit.person(conn, registration_id)
        if found is None:
            return None
        (event,) = await audit.recount(conn, found.event_id)
        return found, event


async def id_of(db: Database, slug: str) -> UUID | None:
    """The event with this slug."""
    async with db.read() as conn:
        return await audit.id_of(conn, slug)


@dataclass(frozen=True, slots=True)
class Mended:
    """The counters before and after; `freed` seats were put aside for the line and said so."""

    before: Row
    after: Row
    freed: int


# Given the last `seq` said and had, the seats that the line knows of (None: something is on its
# way) and the highest `seq` that anybody has had.
Asks = Callable[[int, int], Awaitable[tuple[int | None, int]]]


async def mend_counters(
    db: Database, changes: Changes, clock: Clock, event_id: UUID, ask: Asks
) -> Mended:
    """Puts the counters and the light of an event right. While the event is locked here and
    nothing is on its way, the line cannot change either, so what `ask` reads there holds. While
    a message is set aside here, held seats stay: they may be those that it is about.

    Raises CannotMend, LookupError for an unknown event, and DBAPIError after the lock timeout.
    """
    async with db.transaction() as conn:
        locked = (await counters.lock_many(conn, [event_id]))[event_id]
        (found,) = await audit.recount(conn, event_id)
        had = (await tables.had(conn, CONSUMER)).get(event_id, 0)
        held, heard = await ask(found.row.seq, had)
        if await tables.letter_count(conn):
            held = None
        now = clock.now()
        freed = mend(found.row, found.counted, locked.event.line(now), held, heard)
        speaker = Speaker(event_id, freed.seats.seq - bool(freed.freed), now)
        speaker.freed(freed.freed)
        after = replace(freed.seats, seq=speaker.seq)
        await changes.save(conn, [Turn(locked, after, speaker)])
    row = Row(after.capacity, after.confirmed, after.held, after.waiting, after.line, after.seq)
    return Mended(found.row, row, freed.freed)
