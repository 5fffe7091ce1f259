"""One call of `line.decide`: facts go in one after the other, and each moves the line as far as
its rules let it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.waitlist.domain.facts import (
    Confirmed,
    Described,
    Ended,
    Fact,
    Freed,
    Joined,
    Left,
    LineRules,
    Offered,
    Paused,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
    StillWanted,
)
from services.waitlist.domain.model import (
    PRIORITY_STEP,
    Actor,
    Decision,
    Entry,
    Kind,
    Line,
    Move,
    Promote,
    Reason,
    Record,
    Release,
    State,
    Wish,
)
from services.waitlist.domain.queue import Queue

_FINAL = frozenset({State.CONFIRMED, State.LEFT})


def moves_end(old: LineRules, fact: Described) -> bool:
    """Whether an end that had come, by the clock of who tells it, is put off."""
    if fact.rules is None or old.ends_at is None or fact.at < old.ends_at:
        return False
    return fact.rules.ends_at is None or fact.rules.ends_at > old.ends_at


class Turn:
    """The state of one call; the line's counts are kept apart from the line, since every fact
    moves them."""

    def __init__(self, line: Line, known: Iterable[Entry], now: datetime) -> None:
        self.line = line
        self.free, self.waiting, self.length = line.free, line.waiting, line.length
        self.passed_by = line.passed_by
        self.now = now
        self.queue = Queue(known)
        self.changed: dict[UUID, None] = {}
        self.wishes: list[Wish] = []
        self.records: list[Record] = []
        self.stray: list[Fact] = []

    def take(self, fact: Fact) -> None:
        match fact:
            case Freed():
                self.free += fact.seats
                self._record(Kind.FREED, fact.seats, fact.at)
            case Joined():
                self._joined(fact)
            case Described():
                self._described(fact)
            case Paused() | Resumed():
                self._paused(fact)
            case Ended():
                pass
            case _:
                self._of_entry(fact)

    def _of_entry(
        self,
        fact: Left
        | Offered
        | Confirmed
        | Returned
        | Reduced
        | StillWanted
        | Prioritised
        | PromotedByHand,
    ) -> None:
        entry = self.queue.entries.get(fact.registration_id)
        if entry is None or entry.state in _FINAL:
            self.stray.append(fact)
            return
        match fact:
            case Left():
                self._left(fact, entry)
            case Offered():
                self._end(entry, State.OFFERED, fact.at, until=fact.until)
                self._record(Kind.OFFERED, fact.seats, fact.at, entry)
            case Confirmed():
                # Also of an entry that still waits here, where this database was restored from
                # before its promotion. Registration decides: it has its seats.
                self._end(entry, State.CONFIRMED, fact.at)
                self._record(Kind.CONFIRMED, fact.seats, fact.at, entry)
            case Returned():
                self._returned(fact, entry)
            case Reduced():
                self._reduced(fact, entry)
            case StillWanted():
                self._record(Kind.STILL_WANTED, 0, fact.at, entry)
            case Prioritised() | PromotedByHand():
                self._ordered(fact, entry)
            case _:
                assert_never(fact)

    def advance(self) -> None:
        """Promotes whose turn it is while the rules let it; gives back what nobody may have."""
        while self.free and self.line.open:
            if self.line.over(self.now):
                self._release(Reason.ENDED if self.length else Reason.NOBODY_WAITS)
                return
            if self.line.paused:
                return
            head = self.queue.first()
            if head is None:
                if self.length == 0:
                    self._release(Reason.NOBODY_WAITS)
                return
            if head.seats <= self.free:
                self._promote(head, head.seats, Reason.FIRST_IN_LINE)
            elif self.line.rules.policy == "partial" and not head.whole:
                self._promote(head, self.free, Reason.PART_OF_PARTY)
            elif self.line.rules.policy == "strict" or not self._pass(head):
                return

    def decision(self) -> Decision:
        return Decision(
            line=replace(
                self.line,
                free=self.free,
                waiting=self.waiting,
                length=self.length,
                passed_by=self.passed_by,
            ),
            entries=tuple(self.queue.entries[key] for key in self.changed),
            wishes=tuple(self.wishes),
            records=tuple(self.records),
            stray=tuple(self.stray),
        )

    # The line

    def _described(self, fact: Described) -> None:
        if self.line.open and not fact.open:
            self._record(Kind.CLOSED, 0, fact.at, reason=Reason.CALLED_OFF)
        put_off = moves_end(self.line.rules, fact)
        self.line = replace(
            self.line,
            slug=fact.slug,
            title=fact.title,
            open=self.line.open and fact.open,
            rules=fact.rules or self.line.rules,
        )
        if put_off and self.line.open:
            self._wait_again(fact.at)

    def _wait_again(self, at: datetime) -> None:
        """A promotion that met registration after the end was not answered, and its party waits
        there as before. One that is still on its way is answered as it would have been, and a
        second promotion of the same party frees its seats again."""
        promoted = [e for e in self.queue.entries.values() if e.state is State.PROMOTED]
        for entry in sorted(promoted, key=lambda one: one.rank):
            self._wait(entry)
            self._record(Kind.RETURNED, 0, at, entry, Reason.END_MOVED)

    def _paused(self, fact: Paused | Resumed) -> None:
        paused = isinstance(fact, Paused)
        if paused is self.line.paused:
            self.stray.append(fact)
            return
        self.line = replace(self.line, paused=paused)
        kind = Kind.PAUSED if paused else Kind.RESUMED
        self.records.append(Record(kind, 0, fact.at, Actor.OPERATOR, by=fact.by, why=fact.why))

    # Entries

    def _joined(self, fact: Joined) -> None:
        if fact.registration_id in self.queue.entries:
            self.stray.append(fact)
            return
        entry = Entry(fact.registration_id, fact.seq, fact.seats, fact.at, rank=fact.seq)
        self._put(entry)
        self.waiting += entry.seats
        self.length += 1
        self._record(Kind.JOINED, entry.seats, fact.at, entry)

    def _left(self, fact: Left, entry: Entry) -> None:
        reason = Reason(fact.reason) if fact.reason else None
        if reason is None and entry.state is State.PROMOTED:
            reason = Reason.LEFT_AFTER_PROMOTION
        self._end(entry, State.LEFT, fact.at)
        self._record(Kind.LEFT, entry.seats, fact.at, entry, reason)

    def _returned(self, fact: Returned, entry: Entry) -> None:
        entry = replace(entry, whole=entry.whole or fact.whole)
        if fact.rank is not None:
            entry = replace(entry, rank=fact.rank, priority=0, passed_by=())
        self._wait(entry)
        self._record(Kind.RETURNED, 0, fact.at, entry, Reason(fact.reason))

    def _wait(self, entry: Entry) -> None:
        """An entry waits again: who had passed it before has passed it still, and it has not passed
        anybody where it stands."""
        if entry.state is not State.WAITING:
            self.waiting += entry.seats
            self.length += 1
            passed_by = {*self.passed_by, *entry.passed_by} - {entry.rank}
            self.passed_by = tuple(sorted(passed_by))
        self._put(replace(entry, state=State.WAITING, ended_at=None, until=None, passed_by=()))

    def _reduced(self, fact: Reduced, entry: Entry) -> None:
        if fact.seats >= entry.seats:
            self.stray.append(fact)
            return
        if entry.state is State.WAITING:
            self.waiting -= entry.seats - fact.seats
        self._put(replace(entry, seats=fact.seats))
        self._record(Kind.REDUCED, fact.seats, fact.at, entry)

    # Operators

    def _ordered(self, fact: Prioritised | PromotedByHand, entry: Entry) -> None:
        if entry.state is not State.WAITING:
            self.stray.append(fact)
        elif isinstance(fact, Prioritised):
            self._ledger(Kind.PRIORITY, fact, number=fact.priority)
            self._move(entry, fact.priority)
        elif not self.line.open or self.line.over(self.now):
            self.stray.append(fact)
        else:
            self._ledger(Kind.BY_HAND, fact)
            self._first(fact, entry)

    def _first(self, fact: PromotedByHand, entry: Entry) -> None:
        """Promotes by hand what fits, whoever is before it; what does not fit is next."""
        if entry.seats <= self.free:
            self._end(entry, State.PROMOTED, self.now)
            self.free -= entry.seats
            self.wishes.append(Promote(entry.registration_id, entry.seats))
            self._ledger(Kind.PROMOTED, fact, seats=entry.seats, reason=Reason.BY_HAND)
            return
        head = self.queue.first()
        if head is not None and head.rank < entry.rank:
            self._move(entry, (entry.base - head.rank) // PRIORITY_STEP + 1)

    def _move(self, entry: Entry, priority: int) -> None:
        rank = entry.base - priority * PRIORITY_STEP
        if rank != entry.rank:
            self._put(replace(entry, rank=rank, priority=priority))
            self.wishes.append(Move(entry.registration_id, rank))

    # Moving up

    def _pass(self, head: Entry) -> bool:
        """Lets the first that fits pass the head, where the head may still be passed."""
        self.passed_by = tuple(rank for rank in self.passed_by if rank > head.rank)
        if len(self.passed_by) >= self.line.rules.passes:
            return False
        smaller = self.queue.first_fitting(self.free)
        if smaller is None:
            return False
        self._promote(smaller, smaller.seats, Reason.FITS_BEFORE_HEAD)
        self.passed_by = (*self.passed_by, smaller.rank)
        self._record(
            Kind.SKIPPED,
            0,
            self.now,
            head,
            Reason.PASSED_BY_SMALLER,
            Actor.LINE,
            number=len(self.passed_by),
        )
        return True

    def _promote(self, entry: Entry, seats: int, reason: Reason) -> None:
        self._end(entry, State.PROMOTED, self.now)
        self.free -= seats
        self.wishes.append(Promote(entry.registration_id, seats))
        self._record(Kind.PROMOTED, seats, self.now, entry, reason, Actor.LINE)

    def _release(self, reason: Reason) -> None:
        seats, self.free = self.free, 0
        self.wishes.append(Release(seats))
        self._record(Kind.RELEASED, seats, self.now, reason=reason, actor=Actor.LINE)

    def _end(self, entry: Entry, state: State, at: datetime, until: datetime | None = None) -> None:
        """Moves an entry on; it ceases to wait, where it still did."""
        if entry.state is State.WAITING:
            self.waiting -= entry.seats
            self.length -= 1
            passed_by = tuple(rank for rank in self.passed_by if rank > entry.rank)
            entry = replace(entry, ended_at=at, passed_by=passed_by)
        self._put(replace(entry, state=state, until=until))

    def _put(self, entry: Entry) -> None:
        self.queue.put(entry)
        self.changed[entry.registration_id] = None

    def _ledger(
        self,
        kind: Kind,
        fact: Prioritised | PromotedByHand,
        *,
        seats: int = 0,
        reason: Reason | None = None,
        number: int | None = None,
    ) -> None:
        at = self.now if kind is Kind.PROMOTED else fact.at
        self.records.append(
            Record(
                kind,
                seats,
                at,
                Actor.OPERATOR,
                fact.registration_id,
                reason,
                number,
                fact.by,
                fact.why,
            )
        )

    def _record(
        self,
        kind: Kind,
        seats: int,
        at: datetime,
        entry: Entry | None = None,
        reason: Reason | None = None,
        actor: Actor = Actor.REGISTRATION,
        number: int | None = None,
    ) -> None:
        party = entry.registration_id if entry else None
        self.records.append(Record(kind, seats, at, actor, party, reason, number))
