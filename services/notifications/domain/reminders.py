"""When people are reminded of an event that they have a place in.

Invariants:
- A reminder for so many days before the first day is due at MORNING of that day, where the event
  takes place, and is written by day alone: what is late in the evening waits for the next morning.
- Only the nearest one that is due is written; one that was missed is not made up for.
- Nobody is reminded of what they learned after the reminder was due: whose place is newer gets
  none, and an event whose first day is newer has none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.contracts.registration import Day

MORNING: Final = time(9)
EVENING: Final = time(20)
MOST_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An event. `days` in order, wall-clock times in `zone`; `dated_at`: since when it begins on
    the first of them, None where that is long ago; `written`: the distances for which people were
    reminded of this first day."""

    id: UUID
    days: Sequence[Day]
    zone: ZoneInfo
    dated_at: datetime | None
    written: frozenset[int]


@dataclass(frozen=True, slots=True)
class Reminder:
    """Whoever had a place at the moment `since` is to be reminded, `days` before `first_day`
    (ISO 8601)."""

    event_id: UUID
    first_day: str
    days: int
    since: datetime


def reminder(event: Upcoming, distances: Iterable[int], now: datetime) -> Reminder | None:
    """What people are to be reminded of now. `distances` are whole days before the first one."""
    first = event.days[0]
    begins = datetime.combine(first.date, first.starts_at or time.min, event.zone)
    if now >= begins or not MORNING <= now.astimezone(event.zone).time() < EVENING:
        return None

    def due(days: int) -> datetime:
        return datetime.combine(first.date - timedelta(days=days), MORNING, event.zone)

    nearest = min((days for days in distances if due(days) <= now), default=None)
    if nearest is None or nearest in event.written:
        return None
    since = due(nearest)
    if event.dated_at is not None and since < event.dated_at:
        return None
    return Reminder(event.id, first.date.isoformat(), nearest, since)


def distances_of(text: str) -> tuple[int, ...]:
    """The days of "7d,1d", the farthest first; none for "none". Raises ValueError for anything
    else."""
    if text.strip() == "none":
        return ()
    found = {_days(part.strip()) for part in text.split(",")}
    return tuple(sorted(found, reverse=True))


def _days(part: str) -> int:
    number = part.removesuffix("d")
    if number == part or not number.isdecimal() or not 1 <= int(number) <= MOST_DAYS:
        raise ValueError(f"a reminder is 1d to {MOST_DAYS}d before the event")
    return int(number)
