"""Whether a line holds seats back that it would not, by its own rules: what an audit asks, since
it must not happen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.waitlist.domain.model import Line

GRACE: Final = timedelta(minutes=1)
"""How long the timer may take to end a line."""


class Idle(StrEnum):
    """What should have happened."""

    HEAD = "head"
    PART = "part"
    SMALLER = "smaller"
    NOBODY = "nobody"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Head:
    """The first in line, and `smallest`, the seats of the smallest party that waits."""

    seats: int
    rank: int
    whole: bool
    smallest: int


def idle(line: Line, head: Head | None, now: datetime) -> Idle | None:
    """What the free seats of a line should have been used for, or None."""
    if not line.free or not line.open:
        return None
    if line.over(now):
        return Idle.OVER if line.over(now - GRACE) else None
    if line.paused:
        return None
    if head is None:
        return Idle.NOBODY
    if head.seats <= line.free:
        return Idle.HEAD
    if line.rules.policy == "partial" and not head.whole:
        return Idle.PART
    passed = sum(rank > head.rank for rank in line.passed_by)
    passable = line.rules.policy != "strict" and passed < line.rules.passes
    return Idle.SMALLER if passable and head.smallest <= line.free else None
