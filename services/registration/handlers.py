"""What registration does about the wishes of the waitlist (`waitlist.v1`).

Invariants:
- A wish comes true only while its person still waits and the line moves. Held seats whose wish
  does not come true are freed again or go to the public: no seat is lost and none given twice.
- Whether a place is given or offered is decided here, under the lock, by the event's settings; of
  a party that could get a part only, the place is always offered.
- Of several events that somebody waits for, the first that has a place takes them out of the other
  lines in the same transaction, under the locks of all: nobody ever holds two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.waitlist import PlaceMoved, Promoted, SeatsReleased, WaitlistMessage
from services.kit.clock import Clock
from services.registration.changes import Changes, Turn, begin
from services.registration.domain import seats as rules
from services.registration.domain.offer import offered_until
from services.registration.messages import Links
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration


@dataclass(slots=True)
class _Batch:
    """The events and people of a batch, as they become."""

    turns: Mapping[UUID, Turn]
    people: dict[UUID, Registration]
    siblings: Mapping[UUID, Sequence[UUID]]
    changed: dict[UUID, None] = field(default_factory=dict)
    ranks: dict[UUID, int] = field(default_factory=dict)

    def put(self, who: Registration) -> Registration:
        """The person with one change more."""
        now = replace(who, revision=who.revision + 1)
        self.people[who.id] = now
        self.changed[who.id] = None
        return now


@dataclass(frozen=True, slots=True)
class Handler:
    """Handles a batch of wishes in the transaction of the consumer."""

    changes: Changes
    links: Links
    clock: Clock

    async def __call__(self, conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        """Raises LookupError for an event or a person that registration never knew, and
        AssertionError for seats that are not held."""
        now = self.clock.now()
        batch = await self._begin(conn, messages)
        for message in messages:
            turn = batch.turns[message.event_id]
            match message:
                case Promoted():
                    person = batch.people[message.data.registration_id]
                    self._promote(batch, turn, person, message.data.seats)
                case SeatsReleased():
                    turn.free(rules.give_back(turn.seats, message.data.seats, turn.line))
                case PlaceMoved():
                    batch.ranks[message.data.registration_id] = message.data.rank
        await registrations.save(conn, [batch.people[one] for one in batch.changed], now)
        await registrations.rerank(conn, batch.ranks)
        await self.changes.save(conn, batch.turns.values())

    async def _begin(self, conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> _Batch:
        """Locks all events that the batch can change, in one order, and reads who is in it."""
        wished = [m.data.registration_id for m in messages if isinstance(m, Promoted)]
        known = await registrations.by_ids(conn, wished)
        bundles = {one.bundle for one in known.values() if one.bundle is not None}
        others = await registrations.bundled(conn, sorted(bundles))
        events = {m.event_id for m in messages} | {one.event_id for one in others}
        locked = await counters.lock_many(conn, sorted(events))
        # Read again: only what is read under the locks counts.
        people = await registrations.by_ids(conn, [*wished, *(one.id for one in others)])
        siblings = {
            one.id: [two.id for two in others if two.bundle == one.bundle and two.id != one.id]
            for one in others
        }
        return _Batch(begin(locked, self.clock.now()), people, siblings)

    def _promote(self, batch: _Batch, turn: Turn, person: Registration, wished: int) -> None:
        """Gives or offers held seats to a person who still waits; what they do not take is given
        back."""
        if person.event_id != turn.event.id:
            raise LookupError("a person of another event")
        taken = 0
        if (
            person.status == "waitlisted"
            and turn.event.status == "published"
            and not turn.line.over
        ):
            taken = min(wished, person.seats)
            self._lapse(batch, batch.siblings.get(person.id, ()))
            self._seat(batch, turn, person, taken)
        if taken < wished:
            turn.free(rules.give_back(turn.seats, wished - taken, turn.line))

    def _seat(self, batch: _Batch, turn: Turn, person: Registration, seats: int) -> None:
        settings, now = turn.event.waitlist, turn.speaker.now
        until = offered_until(settings, now, turn.event.line_ends, turn.event.zone)
        if seats < person.seats:
            # Nobody gets fewer seats than they asked for without having said so.
            until = until or turn.event.line_ends
        elif settings.promotion == "automatic":
            until = None
        if until is None:
            turn.seats = rules.promote(turn.seats, person.seats)
            who = batch.put(replace(person, status="confirmed", via="waitlist", moved_up_at=now))
            turn.speaker.confirmed(who, "waitlist", self.links.person(who))
        else:
            turn.seats = rules.leave(turn.seats, person.seats)
            offer = replace(person, status="offered", offered_seats=seats, offered_until=until)
            who = batch.put(offer)
            turn.speaker.offered(who, self.links.person(who))

    def _lapse(self, batch: _Batch, siblings: Iterable[UUID]) -> None:
        """Takes a person out of the other lines."""
        for one in siblings:
            other = batch.people[one]
            if other.status == "waitlisted":
                turn = batch.turns[other.event_id]
                turn.seats = rules.leave(turn.seats, other.seats)
                gone = batch.put(replace(other, status="cancelled"))
                turn.speaker.cancelled(gone, "waitlisted", self.links.person(gone), lapsed=True)
