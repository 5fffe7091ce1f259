"""How seats are counted.

Invariants:
- `confirmed + held <= capacity`, always.
- While somebody waits and the line moves, no seat is free: every one is taken or held for the
  line. So a freed seat never goes to a passer-by before those who wait, and a party that did not
  fit into the last free seats finds them put aside.
- `held > 0` only while somebody waits, an offer is open, or a message about it is on its way.
- Whoever has an offer is not among the `waiting`; the seats of the offer are among the `held`.
The rules are the table "Seats" of docs/architecture.md.
"""

from dataclasses import dataclass, replace
from typing import Literal

from services.registration.domain.errors import CapacityTooLow


@dataclass(frozen=True, slots=True)
class Seats:
    """The counters of one event. `waiting` are seats asked for in line, `line` the entries
    (a party is one entry), `seq` the last number given to a message of this event."""

    capacity: int
    confirmed: int = 0
    held: int = 0
    waiting: int = 0
    line: int = 0
    seq: int = 0

    def __post_init__(self) -> None:
        if self.confirmed < 0 or self.held < 0 or self.waiting < 0 or self.line < 0:
            raise AssertionError("a counter is below zero")
        if self.confirmed + self.held > self.capacity:
            raise AssertionError("more seats are taken or held than there are")

    @property
    def free(self) -> int:
        """Seats that the next passer-by could have, if nobody waited."""
        return self.capacity - self.confirmed - self.held


@dataclass(frozen=True, slots=True)
class Line:
    """What counting must know of the waiting list. `limit`: seats that may wait at most, or no
    limit. `over`: nothing moves any more; who still waits holds up nobody."""

    enabled: bool = True
    limit: int | None = None
    over: bool = False

    def takes(self, seats: Seats, party: int) -> bool:
        """Whether a party of this size may still join."""
        return (
            self.enabled
            and not self.over
            and (self.limit is None or seats.waiting + party <= self.limit)
        )

    def waits(self, seats: Seats) -> bool:
        """Whether somebody waits for whom seats are put aside."""
        return seats.waiting > 0 and not self.over


@dataclass(slots=True)
class Confirmed:
    """The party has its seats."""

    seats: Seats


@dataclass(slots=True)
class Waitlisted:
    """The party waits at `position`, from 1; `freed` seats, too few for it, are put aside."""

    seats: Seats
    position: int
    freed: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Booked up, and the line takes nobody; nothing changed."""

    seats: Seats


@dataclass(frozen=True, slots=True)
class Freed:
    """The counters after it, and how many seats were put aside for the line (0: none)."""

    seats: Seats
    freed: int = 0


def _hold_for_line(seats: Seats, line: Line) -> Freed:
    """Puts all free seats aside where somebody waits; `seq` counts the message."""
    freed = seats.free if line.waits(seats) else 0
    if freed == 0:
        return Freed(seats)
    return Freed(replace(seats, held=seats.held + freed, seq=seats.seq + 1), freed)


def sign_up(seats: Seats, party: int, line: Line) -> Confirmed | Waitlisted | Refused:
    """A sign-up for `party` seats: a place, a place in line, or neither."""
    if party <= seats.free and not line.waits(seats):
        return Confirmed(
            Seats(
                seats.capacity,
                seats.confirmed + party,
                seats.held,
                seats.waiting,
                seats.line,
                seats.seq + 1,
            )
        )
    if not line.takes(seats, party) or party > seats.capacity:
        return Refused(seats)
    joined = Seats(
        seats.capacity,
        seats.confirmed,
        seats.held,
        seats.waiting + party,
        seats.line + 1,
        seats.seq + 1,
    )
    held = _hold_for_line(joined, line)
    return Waitlisted(held.seats, position=joined.line, freed=held.freed)


def leave(seats: Seats, party: int) -> Seats:
    """A party leaves the line, or is offered a place: it waits no longer."""
    return replace(seats, waiting=seats.waiting - party, line=seats.line - 1, seq=seats.seq + 1)


def rejoin(seats: Seats, party: int) -> Seats:
    """A party whose offer has ended waits again."""
    return replace(seats, waiting=seats.waiting + party, line=seats.line + 1, seq=seats.seq + 1)


def cancel(seats: Seats, party: int, line: Line) -> Freed:
    """A confirmed party gives its seats back."""
    back = replace(seats, confirmed=seats.confirmed - party, seq=seats.seq + 1)
    return _hold_for_line(back, line)


def reduce(seats: Seats, by: int, was: Literal["confirmed", "waitlisted"], line: Line) -> Freed:
    """A party becomes smaller by so many seats."""
    if was == "waitlisted":
        return Freed(replace(seats, waiting=seats.waiting - by, seq=seats.seq + 1))
    return cancel(seats, by, line)


def promote(seats: Seats, party: int) -> Seats:
    """A party that waits is given its seats out of those held."""
    return replace(
        seats,
        held=seats.held - party,
        confirmed=seats.confirmed + party,
        waiting=seats.waiting - party,
        line=seats.line - 1,
        seq=seats.seq + 1,
    )


def accept(seats: Seats, offered: int) -> Seats:
    """Offered seats, which are held, are taken."""
    return replace(
        seats, held=seats.held - offered, confirmed=seats.confirmed + offered, seq=seats.seq + 1
    )


def give_back(seats: Seats, held: int, line: Line) -> Freed:
    """Held seats that nobody has taken: to those who wait, else to the public."""
    if held > seats.held:
        raise AssertionError("more seats than are held")
    return _hold_for_line(replace(seats, held=seats.held - held), line)


def resize(seats: Seats, capacity: int, line: Line) -> Freed:
    """Another capacity. What becomes free goes to the line first.

    Raises CapacityTooLow with `must_go`, the seats that would have to be given back first.
    """
    taken = seats.confirmed + seats.held
    if capacity < taken:
        raise CapacityTooLow(must_go=taken - capacity)
    return _hold_for_line(replace(seats, capacity=capacity), line)
