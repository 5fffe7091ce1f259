"""A line written down a second time, as plainly as can be: it looks at everybody after every
fact, and orders by priority and number instead of by ranks.

`passed` of a party are those who have passed it since it stands where it stands; `memory` is what
the line itself remembers of passings.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.waitlist.domain.facts import (
    RULES,
    Confirmed,
    Described,
    Fact,
    Freed,
    Joined,
    Left,
    Offered,
    Paused,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
    StillWanted,
)
from services.waitlist.domain.line import Promote, Release

Place = tuple[int, int]


@dataclass(eq=False)
class Party:
    """`number` is that of its joining, or of its last return to the end."""

    id: UUID
    number: int
    seats: int
    priority: int = 0
    state: Literal["waiting", "promoted", "offered", "confirmed", "left"] = "waiting"
    whole: bool = False
    remembered: set[Place] = field(default_factory=set)
    passed: set[Place] = field(default_factory=set)

    @property
    def place(self) -> Place:
        return -self.priority, self.number

    @property
    def over(self) -> bool:
        return self.state in ("confirmed", "left")


@dataclass
class Model:
    """The line of one event."""

    parties: dict[UUID, Party] = field(default_factory=dict)
    free: int = 0
    open: bool = True
    paused: bool = False
    rules = RULES
    most_passes: int = RULES.passes
    memory: set[Place] = field(default_factory=set)
    said: list[Promote | Release] = field(default_factory=list)
    strays: int = 0

    def queue(self) -> list[Party]:
        waiting = [one for one in self.parties.values() if one.state == "waiting"]
        return sorted(waiting, key=lambda one: one.place)

    def over(self, now: datetime) -> bool:
        return self.rules.ends_at is not None and self.rules.ends_at <= now

    def take(self, fact: Fact, now: datetime) -> None:
        if not self._take(fact, now):
            self.strays += 1
        while self.free and self.open and self._step(now):
            pass

    def _take(self, fact: Fact, now: datetime) -> bool:
        """False where it changes nothing."""
        match fact:
            case Described():
                self._described(fact)
            case Freed(seats=seats):
                self.free += seats
            case Paused() | Resumed():
                if self.paused == isinstance(fact, Paused):
                    return False
                self.paused = not self.paused
            case Joined(registration_id=who, seq=seq, seats=seats):
                if who in self.parties:
                    return False
                self.parties[who] = Party(who, seq, seats)
            case (
                Left()
                | Offered()
                | Confirmed()
                | Returned()
                | Reduced()
                | StillWanted()
                | Prioritised()
                | PromotedByHand()
            ):
                party = self.parties.get(fact.registration_id)
                return party is not None and not party.over and self._of(party, fact, now)
        return True

    def _of(self, party: Party, fact: Fact, now: datetime) -> bool:
        match fact:
            case Left():
                self._gone(party, "left")
            case Offered():
                self._gone(party, "offered")
            case Confirmed():
                self._gone(party, "confirmed")
            case Returned(rank=rank, whole=whole):
                party.whole = party.whole or whole
                if rank is not None:
                    party.number, party.priority = rank, 0
                    party.remembered, party.passed = set(), set()
                self._back(party)
            case Reduced(seats=seats):
                if seats >= party.seats:
                    return False
                party.seats = seats
            case Prioritised(priority=priority):
                if party.state != "waiting":
                    return False
                self._reorder(party, priority)
            case PromotedByHand():
                if party.state != "waiting" or not self.open or self.over(now):
                    return False
                self._by_hand(party)
        return True

    def _described(self, fact: Described) -> None:
        old = self.rules.ends_at
        self.open = self.open and fact.open
        if fact.rules is None:
            return
        self.rules = fact.rules
        self.most_passes = max(self.most_passes, fact.rules.passes)
        later = fact.rules.ends_at is None or (old is not None and old < fact.rules.ends_at)
        if self.open and old is not None and old <= fact.at and later:
            promoted = [one for one in self.parties.values() if one.state == "promoted"]
            for party in promoted:
                self._back(party)
            self.memory -= {party.place for party in promoted}

    def _by_hand(self, party: Party) -> None:
        if party.seats <= self.free:
            self._promote(party, party.seats)
            return
        head = self.queue()[0]
        while head is not party and party.place > head.place:
            self._reorder(party, party.priority + 1)

    def _reorder(self, party: Party, priority: int) -> None:
        if priority != party.priority:
            party.priority = priority
            party.passed = set()

    def _gone(
        self, party: Party, state: Literal["promoted", "offered", "confirmed", "left"]
    ) -> None:
        if party.state == "waiting":
            party.remembered = {place for place in self.memory if place > party.place}
        party.state = state

    def _back(self, party: Party) -> None:
        if party.state != "waiting":
            self.memory = (self.memory | party.remembered) - {party.place}
            for one in self.parties.values():
                one.passed.discard(party.place)
        party.state, party.remembered = "waiting", set()

    def _step(self, now: datetime) -> bool:
        """One promotion or release; False where nothing moves."""
        queue = self.queue()
        if self.over(now) or (not queue and not self.paused):
            self.said.append(Release(self.free))
            self.free = 0
            return True
        if self.paused:
            return False
        head = queue[0]
        if head.seats <= self.free:
            self._promote(head, head.seats)
            return True
        if self.rules.policy == "partial" and not head.whole:
            self._promote(head, self.free)
            return True
        if self.rules.policy == "strict":
            return False
        self.memory = {place for place in self.memory if place > head.place}
        fits = [one for one in queue if one.seats <= self.free]
        if not fits or len(self.memory) >= self.rules.passes:
            return False
        for passed in queue[: queue.index(fits[0])]:
            passed.passed.add(fits[0].place)
        self._promote(fits[0], fits[0].seats)
        self.memory.add(fits[0].place)
        return True

    def _promote(self, party: Party, seats: int) -> None:
        self._gone(party, "promoted")
        self.free -= seats
        self.said.append(Promote(party.id, seats))
