"""What registration does about the wishes of the waitlist (`waitlist.v1`).

Invariant: a wish comes true only while its person still waits; held seats whose wish does not
are freed again, so that no seat is lost and none is given twice.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.waitlist import Promoted, WaitlistMessage
from services.kit.clock import Clock
from services.registration.changes import Changes, Turn, begin
from services.registration.domain import seats as rules
from services.registration.messages import Links
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration


@dataclass(frozen=True, slots=True)
class Handler:
    """Handles a batch of wishes in the transaction of the consumer."""

    changes: Changes
    links: Links
    clock: Clock

    async def __call__(self, conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        """Raises LookupError for an event or a person that registration never knew, and
        AssertionError for seats that are not held or not the person's number."""
        now = self.clock.now()
        locked = await counters.lock_many(conn, sorted({m.event_id for m in messages}))
        wished = [m.data.registration_id for m in messages if isinstance(m, Promoted)]
        people = await registrations.by_ids(conn, wished)
        turns = begin(locked, now)
        moved_up: set[UUID] = set()
        for message in messages:
            turn = turns[message.event_id]
            if isinstance(message, Promoted):
                person = people[message.data.registration_id]
                if self._promote(turn, person, message.data.seats, moved_up):
                    moved_up.add(person.id)
            else:
                freed = rules.release(turn.seats, message.data.seats)
                turn.seats = freed.seats
                turn.speaker.freed(freed.freed)
        await registrations.move(conn, list(moved_up), "confirmed", now, via="waitlist")
        await self.changes.save(conn, turns.values())

    def _promote(self, turn: Turn, person: Registration, seats: int, moved_up: Set[UUID]) -> bool:
        """Gives held seats to a person who still waits; whether it came true."""
        if person.event_id != turn.locked.event.id:
            raise LookupError("a person of another event")
        if person.seats != seats:
            raise AssertionError("a wish for another number of seats than the person's")
        waits = (
            person.status == "waitlisted"
            and person.id not in moved_up
            and turn.locked.event.status == "published"
        )
        freed = rules.promote(turn.seats, seats, still_waits=waits)
        turn.seats = freed.seats
        if waits:
            moved = _moved(person)
            turn.speaker.confirmed(moved, "waitlist", self.links.person(moved))
        turn.speaker.freed(freed.freed)
        return waits


def _moved(person: Registration) -> Registration:
    return replace(person, revision=person.revision + 1)
