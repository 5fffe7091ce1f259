"""The light (Ampel): what the public learns of the seats, and all it learns.

Invariants:
- Red only when the next person would really wait; seats held for the line are never green.
- The light says nothing but its colour: no number can be read off it or off what carries it.
- It does not flicker: green comes back only past a margin above the threshold. Leaving red has
  no margin, since red while a place can be had would be untrue (docs/decisions/0002).
"""

import math
from dataclasses import dataclass
from typing import Literal

from services.registration.domain.seats import Line, Seats

Light = Literal["green", "yellow", "red"]
State = Literal["open", "booked_up", "not_open", "closed", "past", "called_off"]


@dataclass(frozen=True, slots=True)
class FewLeft:
    """From when on only few are left: a number of `seats`, or a `share` of the capacity."""

    seats: int | None = None
    share: float | None = 0.1

    def threshold(self, capacity: int) -> int:
        """The most free seats that still show yellow; at least 1."""
        if self.seats is not None:
            return max(1, self.seats)
        return max(1, math.floor((self.share or 0) * capacity))


def margin(threshold: int) -> int:
    """Free seats above the threshold at which green goes on but does not come back: a fifth, at
    least one, so that one person who comes and goes changes nothing."""
    return max(1, math.ceil(threshold / 5))


def show(seats: Seats, line: Line, few: FewLeft, previous: Light | None) -> Light | None:
    """The lamp that is lit while sign-up is open, or None where it is booked up and nobody can
    join the line. `previous` is the lamp lit before."""
    if line.waits(seats) or seats.free < 1:
        return "red" if line.takes(seats, 1) else None
    threshold = few.threshold(seats.capacity)
    if seats.free <= threshold:
        return "yellow"
    # An event that is too small for the margin has green back when it is empty.
    green_again = min(threshold + margin(threshold) + 1, seats.capacity)
    return "green" if previous == "green" or seats.free >= green_again else "yellow"
