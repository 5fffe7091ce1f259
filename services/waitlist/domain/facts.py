"""What registration tells that matters to a line, in the line's own words.

Invariant: a fact has happened and cannot be refused; a line only draws its conclusions.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Described:
    """The event is called this now. `open`: it takes place; once it does not, it never will."""

    at: datetime
    slug: str
    title: str
    open: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A party of `seats` stands in line; lines are in the order of `seq`."""

    at: datetime
    registration_id: UUID
    seq: int
    seats: int


@dataclass(frozen=True, slots=True)
class Left:
    """A party has left the line, whether or not the line has called it up meanwhile."""

    at: datetime
    registration_id: UUID


@dataclass(frozen=True, slots=True)
class Freed:
    """`seats` are held for the line from now on."""

    at: datetime
    seats: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A party from the line has its seats."""

    at: datetime
    registration_id: UUID


Fact = Described | Joined | Left | Freed | Confirmed
