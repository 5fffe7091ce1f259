"""What a line is made of, what it wishes, and what it writes down. Data without a rule but one:
`Line.over`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.waitlist.domain.facts import RULES, Fact, LineRules

PRIORITY_STEP: Final = 2**40
"""How far one priority moves a rank: further than any event's messages are numbered."""


class State(StrEnum):
    """Where an entry stands. Only `waiting` can be promoted, and `offered` can wait again;
    `confirmed` and `left` are final."""

    WAITING = "waiting"
    PROMOTED = "promoted"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    LEFT = "left"


class Kind(StrEnum):
    """What a row of the ledger tells."""

    JOINED = "joined"
    LEFT = "left"
    FREED = "freed"
    PROMOTED = "promoted"
    OFFERED = "offered"
    RETURNED = "returned"
    SKIPPED = "skipped"
    CONFIRMED = "confirmed"
    REDUCED = "reduced"
    STILL_WANTED = "still_wanted"
    RELEASED = "released"
    CLOSED = "closed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PRIORITY = "priority"
    BY_HAND = "by_hand"


class Reason(StrEnum):
    """Why it happened, where the kind alone does not say so."""

    FIRST_IN_LINE = "first_in_line"
    FITS_BEFORE_HEAD = "fits_before_head"
    PART_OF_PARTY = "part_of_party"
    BY_HAND = "by_hand"
    PASSED_BY_SMALLER = "passed_by_smaller"
    NOBODY_WAITS = "nobody_waits"
    ENDED = "ended"
    END_MOVED = "end_moved"
    LEFT_AFTER_PROMOTION = "left_after_promotion"
    DECLINED = "declined"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    CALLED_OFF = "called_off"


class Actor(StrEnum):
    """Whose decision it was: the arbiter's, told by a message; the line's own rule; or an
    operator's."""

    REGISTRATION = "registration"
    LINE = "line"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its entries.

    `free`: seats held for it that nobody has been promoted to. `waiting`: seats wanted by the
    `length` entries that wait. `slug` and `title` are None until registration has told them.
    `passed_by`: the ranks of those who have passed the head (see services.waitlist.domain.line).
    """

    event_id: UUID
    slug: str | None = None
    title: str | None = None
    open: bool = True
    free: int = 0
    waiting: int = 0
    length: int = 0
    rules: LineRules = RULES
    paused: bool = False
    passed_by: tuple[int, ...] = ()

    def over(self, now: datetime) -> bool:
        """Whether nothing moves any more."""
        return self.rules.ends_at is not None and now >= self.rules.ends_at


@dataclass(frozen=True, slots=True)
class Entry:
    """One party in line; lines are in the order of `rank`, which no two entries share.

    `seq` is the number under which it joined and `rank` that number at first, less PRIORITY_STEP
    for each `priority`. `ended_at` is when it ceased to wait, and `until` when an offer runs out.
    `whole`: it is not offered a part of its party. `passed_by`: the ranks of those who had passed
    it when it was promoted, in case it waits again.
    """

    registration_id: UUID
    seq: int
    seats: int
    joined_at: datetime
    rank: int
    state: State = State.WAITING
    ended_at: datetime | None = None
    priority: int = 0
    whole: bool = False
    until: datetime | None = None
    passed_by: tuple[int, ...] = ()

    @property
    def base(self) -> int:
        """Its rank without priority."""
        return self.rank + self.priority * PRIORITY_STEP


@dataclass(frozen=True, slots=True)
class Promote:
    """Wish: this entry shall have `seats` of those held; fewer than its party where only a part
    can be had."""

    registration_id: UUID
    seats: int


@dataclass(frozen=True, slots=True)
class Release:
    """Wish: `seats` of those held shall go back to the public."""

    seats: int


@dataclass(frozen=True, slots=True)
class Move:
    """Wish: this entry shall be shown at the place of `rank`."""

    registration_id: UUID
    rank: int


Wish = Promote | Release | Move


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the ledger; `seats` is 0 where none moved.

    `at` is when it happened: for what registration told or an operator ordered, its time; for what
    the line decided, the moment of deciding. `by` and `why`: an operator's name and reason.
    `number`: of a `priority` row the new priority, of a `skipped` row how often the head has been
    passed now.
    """

    kind: Kind
    seats: int
    at: datetime
    actor: Actor
    registration_id: UUID | None = None
    reason: Reason | None = None
    number: int | None = None
    by: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row as it is kept; ids rise in the order in which things became known."""

    id: int
    record: Record


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
