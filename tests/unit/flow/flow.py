"""The message flow of one event in memory: both services' real rules, and all that Kafka, a relay
and a consumer may do to the messages between them.

Invariant of the model: what is simulated is only what has no rule of its own: tables, an outbox,
a partition, an offset. Decisions come from `registration.domain` and `waitlist.domain`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Generic, Literal, TypeVar
from uuid import UUID

from services.registration.domain import batch
from services.registration.domain import seats as rules
from services.registration.domain.errors import CapacityTooLow
from services.registration.domain.seats import Seats
from services.waitlist.domain import line as lines
from services.waitlist.domain.facts import Confirmed, Described, Fact, Freed, Joined, Left
from services.waitlist.domain.line import Entry, Kind, Promote, Record, Release, State, Wish

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """`id` is unique, `seq` counts the event's messages from 1, as in contracts.envelope."""

    id: int
    seq: int
    body: T


@dataclass(slots=True)
class Channel(Generic[T]):
    """One direction: outbox, relay, the event's partition and its consumer with an inbox.

    A partition keeps the order of what is put into it. A relay that dies before it deletes, or
    wakes up after its lease, puts rows in again; a consumer that dies before it commits its
    offset reads again from an older one. Nothing is ever lost, only late.
    """

    outbox: list[Message[T]] = field(default_factory=list)
    log: list[Message[T]] = field(default_factory=list)
    offset: int = 0
    inbox: set[int] = field(default_factory=set)
    last_seq: int = 0
    handled: set[int] = field(default_factory=set)
    gaps: int = 0

    def say(self, seq: int, body: T) -> None:
        """Puts a message into the outbox."""
        self.outbox.append(Message(seq, seq, body))

    def publish(self, rows: int, *, deletes: bool) -> None:
        """The relay sends the first rows; without `deletes` it dies before it says so."""
        self.log += self.outbox[:rows]
        if deletes:
            del self.outbox[:rows]

    def publish_again(self, first: int, rows: int) -> None:
        """A relay that slept past its lease sends rows that others have long sent."""
        self.log += self.log[first : first + rows]

    def receive(self, records: int, handle: Callable[[Sequence[Message[T]]], None]) -> None:
        """The consumer takes records in one transaction and commits their offset."""
        taken = self.log[self.offset : self.offset + records]
        handle(self.admit(taken))
        self.offset += len(taken)

    def admit(self, messages: Sequence[Message[T]]) -> list[Message[T]]:
        """The rule of kit.inbox.admit: dropped is what was had by its id, and what stands at or
        below the last `seq`; a gap is alarmed and let pass."""
        fresh = []
        for message in messages:
            if message.id in self.inbox or message.seq <= self.last_seq:
                self.inbox.add(message.id)
                continue
            self.gaps += message.seq != self.last_seq + 1
            self.inbox.add(message.id)
            self.last_seq = message.seq
            self.handled.add(message.id)
            fresh.append(message)
        return fresh

    def rewind(self, to: int) -> None:
        """The consumer begins again at an older offset."""
        self.offset = min(self.offset, to)

    def forget(self) -> None:
        """The janitor prunes the inbox; older repeats are known by their `seq`."""
        self.inbox.clear()

    def under_way(self) -> list[T]:
        """What was said and not handled, each once."""
        said = {message.id: message for message in (*self.log, *self.outbox)}
        return [message.body for key, message in said.items() if key not in self.handled]


@dataclass(frozen=True, slots=True)
class Applicant:
    """A sign-up, as far as registration.domain.batch looks at it."""

    seats: int
    email_key: str
    idempotency_digest: bytes | None
    request_digest: bytes


@dataclass(frozen=True, slots=True)
class Person:
    """A registration's row."""

    id: UUID
    seq: int
    seats: int
    status: Literal["confirmed", "waitlisted", "cancelled"]
    applicant: Applicant


@dataclass(slots=True)
class Registration:
    """Registration's tables of one event."""

    says: Channel[Fact]
    seats: Seats = field(default_factory=lambda: Seats(capacity=4))
    people: dict[UUID, Person] = field(default_factory=dict)
    called_off: bool = False
    moved_up: list[int] = field(default_factory=list)

    def sign_up(self, items: Sequence[Applicant]) -> None:
        """A batch of sign-ups, as SignUps decides and writes it."""
        known = list(self.people.values())
        line = rules.Line()
        after, outcomes = batch.decide(
            self.seats,
            line,
            not self.called_off,
            [(one.applicant, one.status != "cancelled") for one in known],
            items,
        )
        seq = self.seats.seq
        for outcome in outcomes:
            if not isinstance(outcome, batch.Joined):
                continue
            seq += 1
            waits = outcome.position is not None
            status: Literal["confirmed", "waitlisted"] = "waitlisted" if waits else "confirmed"
            made = Person(UUID(int=seq), seq, outcome.applicant.seats, status, outcome.applicant)
            self.people[made.id] = made
            told: Fact = Described(NOW, "seminar", "Seminar", open=True)
            if waits:
                told = Joined(NOW, made.id, seq, made.seats)
            self.says.say(seq, told)
            if outcome.freed:
                seq += 1
                self.says.say(seq, Freed(NOW, outcome.freed))
        assert seq == after.seq, "the messages and the counters number differently"
        self.seats = after

    def cancel(self, who: UUID) -> None:
        """A person gives the place back, or leaves the line."""
        person = self.people[who]
        if person.status == "cancelled" or self.called_off:
            return
        seq = self.seats.seq + 1
        freed = rules.cancel(self.seats, person.seats, person.status)
        was_confirmed = person.status == "confirmed"
        self.people[who] = replace(person, status="cancelled")
        # A confirmed person's leaving says nothing to the line but takes its number.
        told: Fact = Described(NOW, "seminar", "Seminar", open=True)
        self.says.say(seq, told if was_confirmed else Left(NOW, who))
        self._freed(freed)

    def resize(self, capacity: int) -> None:
        """Another capacity, where that is possible."""
        try:
            freed = rules.resize(self.seats, capacity)
        except CapacityTooLow:
            return
        self._freed(freed)

    def call_off(self) -> None:
        """The event does not take place."""
        self.called_off = True
        self.seats = replace(self.seats, seq=self.seats.seq + 1)
        self.says.say(self.seats.seq, Described(NOW, "seminar", "Seminar", open=False))

    def hear(self, wishes: Sequence[Message[Wish]]) -> None:
        """A batch of wishes, as registration.handlers takes them."""
        for message in wishes:
            match message.body:
                case Promote(who, seats):
                    self._promote(self.people[who], seats)
                case Release(seats):
                    self._freed(rules.release(self.seats, seats))

    def _promote(self, person: Person, seats: int) -> None:
        assert person.seats == seats
        waits = person.status == "waitlisted" and not self.called_off
        seq = self.seats.seq + 1
        freed = rules.promote(self.seats, seats, still_waits=waits)
        if waits:
            self.people[person.id] = replace(person, status="confirmed")
            self.moved_up.append(person.seq)
            self.says.say(seq, Confirmed(NOW, person.id))
        self._freed(freed)

    def _freed(self, freed: rules.Freed) -> None:
        self.seats = freed.seats
        if freed.freed:
            self.says.say(freed.seats.seq, Freed(NOW, freed.freed))

    def waiting(self) -> list[Person]:
        """Who waits, in order."""
        found = [one for one in self.people.values() if one.status == "waitlisted"]
        return sorted(found, key=lambda one: one.seq)

    def confirmed(self) -> int:
        """Seats that people have."""
        return sum(one.seats for one in self.people.values() if one.status == "confirmed")


@dataclass(slots=True)
class Waitlist:
    """The waitlist's tables of one event."""

    says: Channel[Wish]
    line: lines.Line = field(default_factory=lambda: lines.Line(UUID(int=0)))
    entries: dict[UUID, Entry] = field(default_factory=dict)
    ledger: list[Record] = field(default_factory=list)
    stray: int = 0
    seq: int = 0

    def hear(self, messages: Sequence[Message[Fact]]) -> None:
        """A batch of facts, as waitlist.service.take takes them: of the entries only those are
        read that it asks for."""
        facts = [message.body for message in messages]
        heads = self.waiting()[: lines.heads_needed(self.line, facts)]
        named = [self.entries[key] for key in lines.mentioned(facts) if key in self.entries]
        known = {entry.registration_id: entry for entry in (*heads, *named)}
        decision = lines.decide(self.line, known.values(), facts, NOW)
        self.line = decision.line
        self.entries.update((entry.registration_id, entry) for entry in decision.entries)
        self.ledger += decision.records
        self.stray += len(decision.stray)
        for wish in decision.wishes:
            self.seq += 1
            self.says.say(self.seq, wish)

    def waiting(self) -> list[Entry]:
        """Who waits, in order."""
        found = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        return sorted(found, key=lambda entry: entry.seq)

    def summed(self, kind: Kind) -> int:
        """Seats of this kind in the ledger."""
        return sum(record.seats for record in self.ledger if record.kind is kind)

    def promoted(self) -> list[int]:
        """The numbers of those promoted, in the order of promotion."""
        return [
            self.entries[record.registration_id].seq
            for record in self.ledger
            if record.kind is Kind.PROMOTED and record.registration_id is not None
        ]
