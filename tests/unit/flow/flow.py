"""The message flow of one event in memory: both services' real rules, and all that Kafka, a relay
and a consumer may do to the messages between them.

Invariant of the model: what is simulated is only what has no rule of its own: tables, an outbox,
a partition, an offset. Decisions come from `registration.domain` and `waitlist.domain`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Literal, TypeVar
from uuid import UUID

from services.registration.domain import batch
from services.registration.domain import seats as rules
from services.registration.domain.errors import CapacityTooLow
from services.registration.domain.seats import Seats
from services.waitlist.domain import line as lines
from services.waitlist.domain.facts import (
    RULES,
    Confirmed,
    Described,
    Fact,
    Freed,
    Joined,
    Left,
    LineRules,
    Offered,
    Reduced,
    Returned,
)
from services.waitlist.domain.line import (
    Entry,
    Kind,
    Move,
    Promote,
    Reason,
    Record,
    Release,
    State,
    Wish,
)

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
END: Final = NOW + timedelta(days=1)
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
    """A registration's row; `offered` seats are held for it while it is asked."""

    id: UUID
    rank: int
    seats: int
    status: Literal["confirmed", "waitlisted", "offered", "cancelled", "expired"]
    applicant: Applicant
    offered: int = 0


@dataclass(slots=True)
class Registration:
    """Registration's tables of one event. `asks`: places are offered; `after`: where somebody goes
    who lets an offer run out. `over`: by its clock the line moves no more. `on_place` is called in
    the transaction in which somebody who waits gets a place or an offer."""

    says: Channel[Fact]
    settings: LineRules = RULES
    asks: bool = False
    after: Literal["out", "end"] = "out"
    seats: Seats = field(default_factory=lambda: Seats(capacity=4))
    people: dict[UUID, Person] = field(default_factory=dict)
    called_off: bool = False
    over: bool = False
    moved_up: list[int] = field(default_factory=list)
    on_place: Callable[[UUID], None] = lambda who: None

    @property
    def line(self) -> rules.Line:
        """What counting must know of the line."""
        return rules.Line(over=self.over)

    def sign_up(self, items: Sequence[Applicant]) -> None:
        """A batch of sign-ups, as SignUps decides and writes it."""
        known = list(self.people.values())
        after, outcomes = batch.decide(
            self.seats,
            self.line,
            not self.called_off,
            [(one.applicant, one.status not in ("cancelled", "expired")) for one in known],
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
            told: Fact = Joined(NOW, made.id, seq, made.seats) if waits else self._described()
            self.says.say(seq, told)
            if outcome.freed:
                seq += 1
                self.says.say(seq, Freed(NOW, outcome.freed))
        assert seq == after.seq, "the messages and the counters number differently"
        self.seats = after

    def cancel(self, who: UUID) -> None:
        """A person gives the place back, declines it, or leaves the line."""
        person = self.people[who]
        if self.called_off or person.status in ("cancelled", "expired"):
            return
        if person.status == "offered":
            self.end_offer(who, "declined", lost=True)
            return
        self.people[who] = replace(person, status="cancelled")
        if person.status == "waitlisted":
            self._say(rules.leave(self.seats, person.seats), Left(NOW, who))
            return
        # A confirmed person's leaving says nothing to the line but takes its number.
        freed = rules.cancel(self.seats, person.seats, self.line)
        self.says.say(self.seats.seq + 1, self._described())
        self._freed(freed)

    def lapse(self, who: UUID) -> None:
        """A person who waited here too has a place elsewhere."""
        person = self.people[who]
        if person.status == "waitlisted":
            self.people[who] = replace(person, status="cancelled")
            self._say(rules.leave(self.seats, person.seats), Left(NOW, who, "lapsed"))

    def accept(self, who: UUID) -> None:
        """A person takes the seats that are offered."""
        person = self.people[who]
        if person.status == "offered" and not self.called_off:
            taken = replace(person, status="confirmed", seats=person.offered, offered=0)
            self.people[who] = taken
            self._say(rules.accept(self.seats, person.offered), Confirmed(NOW, who, person.offered))

    def end_offer(
        self, who: UUID, reason: Literal["declined", "expired"], *, lost: bool = False
    ) -> None:
        """A person declines, or lets the time run out."""
        person = self.people[who]
        if person.status != "offered" or self.called_off:
            return
        part = person.offered < person.seats
        back = not lost and not self.over
        if back and (part if reason == "declined" else self.after == "end"):
            after = rules.rejoin(self.seats, person.seats)
            rank = after.seq if reason == "expired" else None
            self.people[who] = replace(
                person, status="waitlisted", offered=0, rank=person.rank if rank is None else rank
            )
            self._say(after, Returned(NOW, who, rank, reason == "declined", reason))
        else:
            status: Literal["cancelled", "expired"] = (
                "expired" if reason == "expired" else "cancelled"
            )
            self.people[who] = replace(person, status=status, offered=0)
            after = replace(self.seats, seq=self.seats.seq + 1)
            self._say(after, Left(NOW, who, reason))
        self._freed(rules.give_back(self.seats, person.offered, self.line))

    def reduce(self, who: UUID, by: int) -> None:
        """A party becomes smaller."""
        person = self.people[who]
        if self.called_off or by >= person.seats:
            return
        if person.status == "waitlisted":
            after = rules.reduce(self.seats, by, "waitlisted", self.line)
            self.people[who] = replace(person, seats=person.seats - by)
            self._say(after.seats, Reduced(NOW, who, person.seats - by))
        elif person.status == "confirmed":
            self.people[who] = replace(person, seats=person.seats - by)
            self.says.say(self.seats.seq + 1, self._described())
            self._freed(rules.reduce(self.seats, by, "confirmed", self.line))

    def resize(self, capacity: int) -> None:
        """Another capacity, where that is possible."""
        try:
            freed = rules.resize(self.seats, capacity, self.line)
        except CapacityTooLow:
            return
        self._freed(freed)

    def call_off(self) -> None:
        """The event does not take place."""
        self.called_off = True
        self._say(replace(self.seats, seq=self.seats.seq + 1), self._described())

    def hear(self, wishes: Sequence[Message[Wish]]) -> None:
        """A batch of wishes, as registration.handlers takes them."""
        for message in wishes:
            match message.body:
                case Promote(who, seats):
                    self._promote(self.people[who], seats)
                case Release(seats):
                    self._freed(rules.give_back(self.seats, seats, self.line))
                case Move(who, rank):
                    self.people[who] = replace(self.people[who], rank=rank)

    def _promote(self, person: Person, wished: int) -> None:
        taken = 0
        if person.status == "waitlisted" and not self.called_off and not self.over:
            taken = min(wished, person.seats)
            self.on_place(person.id)
            if self.asks or taken < person.seats:
                offered = replace(person, status="offered", offered=taken)
                self.people[person.id] = offered
                after = rules.leave(self.seats, person.seats)
                self._say(after, Offered(NOW, person.id, taken, END))
            else:
                self.people[person.id] = replace(person, status="confirmed")
                self.moved_up.append(person.rank)
                after = rules.promote(self.seats, taken)
                self._say(after, Confirmed(NOW, person.id, taken))
        if taken < wished:
            self._freed(rules.give_back(self.seats, wished - taken, self.line))

    def _described(self) -> Described:
        return Described(NOW, "seminar", "Seminar", open=not self.called_off, rules=self.settings)

    def _say(self, after: Seats, told: Fact) -> None:
        self.seats = after
        self.says.say(after.seq, told)

    def _freed(self, freed: rules.Freed) -> None:
        self.seats = freed.seats
        if freed.freed:
            self.says.say(freed.seats.seq, Freed(NOW, freed.freed))

    def waiting(self) -> list[Person]:
        """Who waits, in order."""
        found = [one for one in self.people.values() if one.status == "waitlisted"]
        return sorted(found, key=lambda one: one.rank)

    def offered(self) -> list[Person]:
        """Who is asked."""
        return [one for one in self.people.values() if one.status == "offered"]

    def confirmed(self) -> int:
        """Seats that people have."""
        return sum(one.seats for one in self.people.values() if one.status == "confirmed")


@dataclass(slots=True)
class Waitlist:
    """The waitlist's tables of one event. `passes`: by entry, how often it has been passed, as the
    model counts it from outside."""

    says: Channel[Wish]
    line: lines.Line = field(default_factory=lambda: lines.Line(UUID(int=0)))
    entries: dict[UUID, Entry] = field(default_factory=dict)
    ledger: list[Record] = field(default_factory=list)
    passes: Counter[UUID] = field(default_factory=Counter)
    now: datetime = NOW
    stray: int = 0
    seq: int = 0

    def hear(self, messages: Sequence[Message[Fact]]) -> None:
        """A batch of facts that registration told."""
        self.take([message.body for message in messages])

    def take(self, facts: Sequence[Fact]) -> None:
        """A batch of facts, as waitlist.service.take takes them: of the entries only those are
        read that it asks for."""
        known = lines.read(self.entries.values(), self.line, facts)
        decision = lines.decide(self.line, known, facts, self.now)
        self.line = decision.line
        self._count(decision.records)
        self.entries.update((entry.registration_id, entry) for entry in decision.entries)
        self.ledger += decision.records
        self.stray += len(decision.stray)
        for wish in decision.wishes:
            self.seq += 1
            self.says.say(self.seq, wish)

    def _count(self, records: Sequence[Record]) -> None:
        """Who passes an entry by having fitted before the head passes all that wait before it at
        that moment. An entry that is new in this batch joined behind all others."""
        gone: set[UUID] = set()
        for record in records:
            who = record.registration_id
            if who is not None and record.reason is Reason.FITS_BEFORE_HEAD:
                passing = self.entries.get(who)
                for key, entry in self.entries.items():
                    waits = entry.state is State.WAITING and key not in gone
                    if waits and (passing is None or entry.rank < passing.rank):
                        self.passes[key] += 1
            if who is not None and record.kind in (Kind.PROMOTED, Kind.LEFT, Kind.CONFIRMED):
                gone.add(who)

    def waiting(self) -> list[Entry]:
        """Who waits, in order."""
        found = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        return sorted(found, key=lambda entry: entry.rank)

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
