"""A batch of cancellations, of any events, in one transaction.

Invariant: the events are locked in the order of their ids before anything is read that counts.
Cancelling what is cancelled changes nothing, so an attempt whose commit was not answered is
simply made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.kit import tokens
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import EinlassError, NotFound
from services.registration.changes import Changes
from services.registration.domain import seats as rules
from services.registration.domain.errors import CancellationClosed
from services.registration.domain.event import Event
from services.registration.domain.seats import Seats
from services.registration.messages import Links, Speaker
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody with this token wants to cancel."""

    registration_id: UUID
    token: str


Outcome = tuple[Registration, Event] | EinlassError


@dataclass(slots=True)
class _Part:
    """One event's part of the batch."""

    locked: Locked
    seats: Seats
    speaker: Speaker


@dataclass(frozen=True, slots=True)
class Cancellations:
    """Decides batches; `run` is what kit.groupcommit calls."""

    db: Database
    clock: Clock
    links: Links
    changes: Changes

    async def run(self, items: Sequence[Wish], *, again: bool, alone: bool) -> Sequence[Outcome]:
        """For each wish the cancelled registration with its event, or why not; in order."""
        ids = [wish.registration_id for wish in items]
        async with self.db.transaction() as conn:
            event_ids = await registrations.events_of(conn, ids)
            locked = await counters.lock_many(conn, event_ids)
            found = await registrations.by_ids(conn, ids)
            now = self.clock.now()
            parts = {
                event_id: _Part(one, one.seats, Speaker(event_id, one.seats.seq, now))
                for event_id, one in locked.items()
            }
            gone: dict[UUID, Registration] = {}
            outcomes = [self._decide(wish, found, parts, gone, now) for wish in items]
            await registrations.move(conn, list(gone), "cancelled", now)
            await self.changes.save(
                conn, locked, {event_id: (p.seats, p.speaker) for event_id, p in parts.items()}
            )
        return outcomes

    def _decide(
        self,
        wish: Wish,
        found: dict[UUID, Registration],
        parts: dict[UUID, _Part],
        gone: dict[UUID, Registration],
        now: datetime,
    ) -> Outcome:
        """Cancels in memory, and remembers who is `gone`."""
        who = gone.get(wish.registration_id) or found.get(wish.registration_id)
        if who is None or not tokens.matches(wish.token, who.token_digest):
            return NotFound()
        part = parts[who.event_id]
        if who.status == "cancelled":
            return who, part.locked.event
        if not may_cancel(part.locked.event, now):
            return CancellationClosed()
        freed = rules.cancel(part.seats, who.seats, who.status)
        part.seats = freed.seats
        part.speaker.cancelled(who, who.status, self.links.person(who))
        part.speaker.freed(freed.freed)
        gone[who.id] = replace(who, status="cancelled", revision=who.revision + 1)
        return gone[who.id], part.locked.event


def may_cancel(event: Event, now: datetime) -> bool:
    """Whether people may still cancel by themselves."""
    return event.status == "published" and now < event.cancels
