"""What matters to a line, in the line's own words: what registration tells, what operators order,
and that time has passed.

Invariant: a fact has happened and cannot be refused; a line only draws its conclusions. Whether an
operator's order makes sense is asked before it becomes a fact (services.waitlist.service).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

Promotion = Literal["automatic", "offer"]
Policy = Literal["strict", "fill", "partial"]
Ending = Literal["declined", "expired"]
Leaving = Literal["declined", "expired", "lapsed"]


@dataclass(frozen=True, slots=True)
class LineRules:
    """How a line moves (docs/waitlist.md).

    `promotion` is registration's affair: it gives or offers. `policy`: what happens where the
    head's party does not fit; `passes`: how often an entry may be passed by smaller parties. From
    `ends_at` on nothing moves any more; None: it has no end.
    """

    promotion: Promotion = "automatic"
    policy: Policy = "strict"
    passes: int = 3
    ends_at: datetime | None = None


RULES: Final = LineRules()
"""The rules of a line that was never told any."""


@dataclass(frozen=True, slots=True)
class Described:
    """The event is called this now. `open`: it takes place; once it does not, it never will.
    `rules` is None where the message tells none; then they stay as they were."""

    at: datetime
    slug: str
    title: str
    open: bool
    rules: LineRules | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A party of `seats` stands in line; it stands at the place of `seq`."""

    at: datetime
    registration_id: UUID
    seq: int
    seats: int


@dataclass(frozen=True, slots=True)
class Left:
    """A party has left the line, whether or not the line has called it up meanwhile. `reason` is
    None where it went by itself; `lapsed`: another of its events had a place."""

    at: datetime
    registration_id: UUID
    reason: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Freed:
    """`seats` are held for the line from now on."""

    at: datetime
    seats: int


@dataclass(frozen=True, slots=True)
class Offered:
    """A party from the line has `seats` held for it `until` then."""

    at: datetime
    registration_id: UUID
    seats: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A party from the line has its seats."""

    at: datetime
    registration_id: UUID
    seats: int


@dataclass(frozen=True, slots=True)
class Returned:
    """An offer has ended, and its party waits again: at `rank`, or where that is None at its old
    place. `whole`: it declined a part of its party and is not offered a part again."""

    at: datetime
    registration_id: UUID
    rank: int | None
    whole: bool
    reason: Ending


@dataclass(frozen=True, slots=True)
class Reduced:
    """A party is `seats` from now on, fewer than before."""

    at: datetime
    registration_id: UUID
    seats: int


@dataclass(frozen=True, slots=True)
class StillWanted:
    """Somebody who waits said that they still want a place."""

    at: datetime
    registration_id: UUID


@dataclass(frozen=True, slots=True)
class Ended:
    """The line's end has come, says the timer; the line looks at its rules itself."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Paused:
    """The operator `by` has stopped the line, because `why`. Its seats stay held."""

    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The operator `by` lets the line go on, because `why`."""

    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Prioritised:
    """The operator `by` has given an entry another priority, because `why`."""

    at: datetime
    registration_id: UUID
    priority: int
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class PromotedByHand:
    """The operator `by` wants an entry to come first, because `why`."""

    at: datetime
    registration_id: UUID
    by: str
    why: str


OfEntry = (
    Joined
    | Left
    | Offered
    | Confirmed
    | Returned
    | Reduced
    | StillWanted
    | Prioritised
    | PromotedByHand
)
Fact = Described | Freed | Ended | Paused | Resumed | OfEntry
