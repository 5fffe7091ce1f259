"""The line of one event: strictly first in, first out.

Registration holds freed seats back from the public until the line has said whose they are.
Every held seat is at each moment in exactly one place. With `held` of registration's row,

    held = free          here, until a head fits
         + promoted      `waitlist.promoted` on its way to registration
         + released      `waitlist.seats_released` on its way to registration
         + freed         `registration.seats_freed` on its way to here

Each step moves seats from one place to another or, by registration's answer, out of `held`:

* A head that has left meanwhile: registration keeps its seats held and says `seats_freed`
  again. So `Left` of a promoted entry adds nothing to `free`; the seats come by themselves.
* A line that empties while somebody joins: the release meets a waiting person at registration,
  which keeps the seats held and says `seats_freed` again, after that person's `waitlisted`.
* A line whose event is called off is closed for good and keeps `free` as it is: it neither
  promotes nor releases. A promotion that was on its way comes back as `seats_freed` and stays.

Further invariants, after every fact: `free >= 0`; while the line is open, `free` is less than
the seats of the head, and 0 where nobody waits; an entry is promoted at most once.

Facts are taken one after the other, so a batch cut anywhere ends in the same state and says
the same in the same order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import assert_never
from uuid import UUID

from services.waitlist.domain.facts import Confirmed, Described, Fact, Freed, Joined, Left


class State(StrEnum):
    """Where an entry stands. Only `waiting` can be promoted; `confirmed` and `left` are final."""

    WAITING = "waiting"
    PROMOTED = "promoted"
    CONFIRMED = "confirmed"
    LEFT = "left"


class Kind(StrEnum):
    """What a row of the ledger tells."""

    JOINED = "joined"
    LEFT = "left"
    FREED = "freed"
    PROMOTED = "promoted"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why it happened, where the kind alone does not say so."""

    FIRST_IN_LINE = "first_in_line"
    NOBODY_WAITS = "nobody_waits"
    LEFT_AFTER_PROMOTION = "left_after_promotion"
    CALLED_OFF = "called_off"


class Actor(StrEnum):
    """Whose decision it was: the arbiter's, told by a message, or the line's own rule."""

    REGISTRATION = "registration"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its entries.

    `free`: seats held for it that nobody has been promoted to. `waiting`: seats wanted by the
    `length` entries that wait. `slug` and `title` are None until registration has told them.
    """

    event_id: UUID
    slug: str | None = None
    title: str | None = None
    open: bool = True
    free: int = 0
    waiting: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One party in line. `ended_at` is when it ceased to wait."""

    registration_id: UUID
    seq: int
    seats: int
    joined_at: datetime
    state: State = State.WAITING
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Promote:
    """Wish: this entry shall have `seats` of those held."""

    registration_id: UUID
    seats: int


@dataclass(frozen=True, slots=True)
class Release:
    """Wish: `seats` of those held shall go back to the public."""

    seats: int


Wish = Promote | Release


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the ledger; `seats` is 0 where none moved.

    `at` is when it happened: for what registration told, its time; for what the line decided,
    the moment of deciding.
    """

    kind: Kind
    seats: int
    at: datetime
    actor: Actor
    registration_id: UUID | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from the facts.

    `entries`: those that are new or changed, as they are now. `wishes` and `records`: in the
    order in which they arose. `stray`: facts about an entry that the line does not know, or
    knows to be in a state where they change nothing.
    """

    line: Line
    entries: tuple[Entry, ...]
    wishes: tuple[Wish, ...]
    records: tuple[Record, ...]
    stray: tuple[Fact, ...]


def heads_needed(line: Line, facts: Sequence[Fact]) -> int:
    """How many of the first waiting entries `decide` must be given for these facts.

    Each promotion takes one seat at least, and each entry that ends otherwise takes a fact of
    its own. So once as many entries as there are seats and such facts have ended, no seat is
    free any more: the entries behind them are never looked at, however long the line is.
    """
    seats = line.free + sum(fact.seats for fact in facts if isinstance(fact, Freed))
    if not seats:
        return 0
    return seats + sum(isinstance(fact, Left | Confirmed) for fact in facts)


def mentioned(facts: Sequence[Fact]) -> set[UUID]:
    """The entries that `decide` must be given for these facts, where they exist."""
    return {fact.registration_id for fact in facts if isinstance(fact, Joined | Left | Confirmed)}


def decide(line: Line, known: Iterable[Entry], facts: Sequence[Fact], now: datetime) -> Decision:
    """What follows from `facts`, in their order.

    `known` holds, in any order, the entries that `mentioned` names and the first
    `heads_needed` of those that wait.
    """
    turn = _Turn(line, known, now)
    for fact in facts:
        turn.take(fact)
        turn.advance()
    return turn.decision()


class _Turn:
    """The state of one call of `decide`; the line's counts are kept apart from the line, since
    every fact moves them."""

    def __init__(self, line: Line, known: Iterable[Entry], now: datetime) -> None:
        self.line = line
        self.free, self.waiting, self.length = line.free, line.waiting, line.length
        self.now = now
        self.entries = {entry.registration_id: entry for entry in known}
        self.changed: dict[UUID, None] = {}
        # Entries that have ended stay in the heap until they come up.
        self.queue = [
            (entry.seq, entry.registration_id)
            for entry in self.entries.values()
            if entry.state is State.WAITING
        ]
        heapify(self.queue)
        self.wishes: list[Wish] = []
        self.records: list[Record] = []
        self.stray: list[Fact] = []

    def take(self, fact: Fact) -> None:
        match fact:
            case Described():
                self._described(fact)
            case Joined():
                self._joined(fact)
            case Left():
                self._left(fact)
            case Freed():
                self.free += fact.seats
                self._record(Kind.FREED, fact.seats, fact.at)
            case Confirmed():
                self._confirmed(fact)
            case _:
                assert_never(fact)

    def advance(self) -> None:
        """Promotes from the head while it fits; gives back what nobody waits for."""
        while self.free and self.line.open:
            head = self._head()
            if head is None:
                if self.length == 0:
                    self._release()
                return
            if head.seats > self.free:
                return
            self._promote(head)

    def decision(self) -> Decision:
        return Decision(
            line=replace(self.line, free=self.free, waiting=self.waiting, length=self.length),
            entries=tuple(self.entries[key] for key in self.changed),
            wishes=tuple(self.wishes),
            records=tuple(self.records),
            stray=tuple(self.stray),
        )

    def _described(self, fact: Described) -> None:
        if self.line.open and not fact.open:
            self._record(Kind.CLOSED, 0, fact.at, reason=Reason.CALLED_OFF)
        self.line = replace(
            self.line, slug=fact.slug, title=fact.title, open=self.line.open and fact.open
        )

    def _joined(self, fact: Joined) -> None:
        if fact.registration_id in self.entries:
            self.stray.append(fact)
            return
        entry = Entry(fact.registration_id, fact.seq, fact.seats, joined_at=fact.at)
        self._put(entry)
        heappush(self.queue, (entry.seq, entry.registration_id))
        self.waiting += entry.seats
        self.length += 1
        self._record(Kind.JOINED, entry.seats, fact.at, entry)

    def _left(self, fact: Left) -> None:
        entry = self.entries.get(fact.registration_id)
        if entry is None or entry.state in {State.LEFT, State.CONFIRMED}:
            self.stray.append(fact)
            return
        promoted = entry.state is State.PROMOTED
        self._end(entry, State.LEFT, fact.at)
        reason = Reason.LEFT_AFTER_PROMOTION if promoted else None
        self._record(Kind.LEFT, entry.seats, fact.at, entry, reason)

    def _confirmed(self, fact: Confirmed) -> None:
        # An entry may be confirmed that still waits here, where this database was restored
        # from before its promotion. Registration decides: it has its seats and leaves the line.
        entry = self.entries.get(fact.registration_id)
        if entry is None or entry.state in {State.LEFT, State.CONFIRMED}:
            self.stray.append(fact)
            return
        self._end(entry, State.CONFIRMED, fact.at)
        self._record(Kind.CONFIRMED, entry.seats, fact.at, entry)

    def _promote(self, head: Entry) -> None:
        self._end(head, State.PROMOTED, self.now)
        self.free -= head.seats
        self.wishes.append(Promote(head.registration_id, head.seats))
        self._record(Kind.PROMOTED, head.seats, self.now, head, Reason.FIRST_IN_LINE, Actor.LINE)

    def _release(self) -> None:
        seats, self.free = self.free, 0
        self.wishes.append(Release(seats))
        self._record(Kind.RELEASED, seats, self.now, reason=Reason.NOBODY_WAITS, actor=Actor.LINE)

    def _head(self) -> Entry | None:
        while self.queue:
            entry = self.entries[self.queue[0][1]]
            if entry.state is State.WAITING:
                return entry
            heappop(self.queue)
        return None

    def _end(self, entry: Entry, state: State, at: datetime) -> None:
        """Moves an entry on; it ceases to wait, where it still did."""
        if entry.state is State.WAITING:
            self.waiting -= entry.seats
            self.length -= 1
            entry = replace(entry, ended_at=at)
        self._put(replace(entry, state=state))

    def _put(self, entry: Entry) -> None:
        self.entries[entry.registration_id] = entry
        self.changed[entry.registration_id] = None

    def _record(
        self,
        kind: Kind,
        seats: int,
        at: datetime,
        entry: Entry | None = None,
        reason: Reason | None = None,
        actor: Actor = Actor.REGISTRATION,
    ) -> None:
        party = entry.registration_id if entry else None
        self.records.append(Record(kind, seats, at, actor, party, reason))
