"""Mending counters that no longer say what the registrations say.

Invariant: nothing is invented and nobody's lot changes: the registrations are what is true, the
counters follow, and what comes free by it is put aside for the line as ever.
"""

from dataclasses import dataclass

from services.registration.domain.seats import Freed, Line, Seats, resize


@dataclass(frozen=True, slots=True)
class Row:
    """The counters as the row has them, whether or not they can be true."""

    capacity: int
    confirmed: int
    held: int
    waiting: int
    line: int
    seq: int

    @property
    def free(self) -> int:
        """Seats neither taken nor held; below zero where the event is oversold."""
        return self.capacity - self.confirmed - self.held


@dataclass(frozen=True, slots=True)
class Counted:
    """What the registrations themselves say; `offered` are seats of open offers, `seq` is the
    highest that any of them has."""

    confirmed: int
    waiting: int
    line: int
    offered: int
    seq: int


class CannotMend(Exception):
    """Counters alone cannot put it right; the message says what can."""


def mend(row: Row, counted: Counted, line: Line, held: int | None, heard: int) -> Freed:
    """The counters as they should be, and the seats that are put aside for the line by it.

    `held`: the seats that the line knows of, while nothing is on the way between it and here;
    None where something is, and then `held` stays. `heard`: the highest `seq` that any service
    has had from here. Raises CannotMend.
    """
    if counted.confirmed > row.capacity:
        over = counted.confirmed - row.capacity
        raise CannotMend(
            f"confirmed are {counted.confirmed} of {row.capacity} seats: raise the "
            f"capacity by {over}, or cancel as many"
        )
    keeps = row.held if held is None else held + counted.offered
    room = row.capacity - counted.confirmed
    if keeps > room:
        raise CannotMend(
            f"the line and open offers count on {keeps} held of the {room} seats that are not "
            f"confirmed: raise the capacity by {keeps - room}, or cancel as many"
        )
    seats = Seats(
        capacity=row.capacity,
        confirmed=counted.confirmed,
        held=keeps,
        waiting=counted.waiting,
        line=counted.line,
        seq=max(row.seq, counted.seq, heard),
    )
    return resize(seats, seats.capacity, line)
