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
from services.registration.changes import Changes, Turn, begin
from services.registration.domain import seats as rules
from services.registration.domain.errors import CancellationClosed
from services.registration.domain.event import Event
from services.registration.messages import Links
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody with this token wants to cancel."""

    registration_id: UUID
    token: str


Outcome = tuple[Registration, Event] | EinlassError


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
            turns = begin(locked, now)
            gone: dict[UUID, Registration] = {}
            outcomes = [self._decide(wish, found, turns, gone, now) for wish in items]
            await registrations.move(conn, list(gone), "cancelled", now)
            await self.changes.save(conn, turns.values())
        return outcomes

    def _decide(
        self,
        wish: Wish,
        found: dict[UUID, Registration],
        turns: dict[UUID, Turn],
        gone: dict[UUID, Registration],
        now: datetime,
    ) -> Outcome:
        """Cancels in memory, and remembers who is `gone`."""
        who = gone.get(wish.registration_id) or found.get(wish.registration_id)
        if who is None or not tokens.matches(wish.token, who.token_digest):
            return NotFound()
        turn = turns[who.event_id]
        if who.status == "cancelled":
            return who, turn.locked.event
        if not may_cancel(turn.locked.event, now):
            return CancellationClosed()
        freed = rules.cancel(turn.seats, who.seats, who.status)
        turn.seats = freed.seats
        turn.speaker.cancelled(who, who.status, self.links.person(who))
        turn.speaker.freed(freed.freed)
        gone[who.id] = replace(who, status="cancelled", revision=who.revision + 1)
        return gone[who.id], turn.locked.event


def may_cancel(event: Event, now: datetime) -> bool:
    """Whether people may still cancel by themselves."""
    return event.status == "published" and now < event.cancels
