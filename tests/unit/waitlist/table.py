"""What the database keeps of one line, in memory, and short names for what is told."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.waitlist.domain.facts import (
    Confirmed,
    Described,
    Fact,
    Freed,
    Joined,
    Left,
    LineRules,
    Offered,
    Policy,
)
from services.waitlist.domain.line import (
    Decision,
    Entry,
    Kind,
    Line,
    Record,
    State,
    Wish,
    decide,
    read,
)

EVENT: Final = UUID(int=1)
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER: Final = NOW - timedelta(minutes=5)
LATER: Final = NOW + timedelta(hours=24)


def party(number: int) -> UUID:
    return UUID(int=1000 + number)


def joined(number: int, seats: int = 1) -> Joined:
    return Joined(EARLIER, party(number), seq=number, seats=seats)


def left(number: int) -> Left:
    return Left(EARLIER, party(number))


def confirmed(number: int, seats: int = 1) -> Confirmed:
    return Confirmed(EARLIER, party(number), seats)


def offered(number: int, seats: int = 1) -> Offered:
    return Offered(EARLIER, party(number), seats, LATER)


def freed(seats: int) -> Freed:
    return Freed(EARLIER, seats)


def ruled(policy: Policy, passes: int = 3, ends_at: datetime | None = None) -> Described:
    rules = LineRules("offer", policy, passes, ends_at)
    return Described(EARLIER, "seminar", "Seminar", open=True, rules=rules)


class Table:
    """Nothing more of it is read than is asked for."""

    def __init__(self, *facts: Fact) -> None:
        self.line = Line(EVENT)
        self.entries: dict[UUID, Entry] = {}
        self.wishes: list[Wish] = []
        self.ledger: list[Record] = []
        self.strays = 0
        self.take(*facts)

    def take(self, *facts: Fact, now: datetime = NOW) -> Decision:
        known = read(self.entries.values(), self.line, facts)
        decision = decide(self.line, known, facts, now)
        self.line = decision.line
        self.entries.update({entry.registration_id: entry for entry in decision.entries})
        self.wishes += decision.wishes
        self.ledger += decision.records
        self.strays += len(decision.stray)
        return decision

    def queue(self) -> list[Entry]:
        """Who waits, in order."""
        waiting = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        return sorted(waiting, key=lambda entry: entry.rank)

    def order(self) -> list[int]:
        """The numbers of those who wait, in order."""
        return [entry.registration_id.int - 1000 for entry in self.queue()]

    def entry(self, number: int) -> Entry:
        return self.entries[party(number)]

    def state(self, number: int) -> State:
        return self.entry(number).state

    def kinds(self) -> list[Kind]:
        return [record.kind for record in self.ledger]

    def last(self, kind: Kind) -> Record:
        return [record for record in self.ledger if record.kind is kind][-1]

    def everything(self) -> tuple[object, ...]:
        return self.line, self.entries, self.wishes, self.ledger, self.strays
