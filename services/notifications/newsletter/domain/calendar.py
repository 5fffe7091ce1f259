"""When issues appear, and which number they have.

Invariants:
- A year's issues are numbered 1, 2, 3 … in the order in which their sending begins, without a
  gap and without a double; until then a number is what an issue would have by the present plan.
- A moment is planned as people say it, by date and time of the place, and kept as the moment
  that this means there, before and after a change of the clocks (IANA tz).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

REMIND_DAYS: Final = (14, 3)
"""So many days before a quarter's date the editors are reminded."""
USUAL_TIME: Final = time(10)
_TUESDAY: Final = 1


@dataclass(frozen=True, order=True, slots=True)
class Quarter:
    """A quarter of a year, from 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> "Quarter":
        """The quarter of a day."""
        return cls(day.year, (day.month + 2) // 3)

    def next(self) -> "Quarter":
        """The one after."""
        year, number = divmod(self.year * 4 + self.number, 4)
        return Quarter(year, number + 1)


@dataclass(frozen=True, order=True, slots=True)
class Number:
    """An issue's number in its year: "1/2027"."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.number}/{self.year}"


@dataclass(frozen=True, slots=True)
class Date:
    """When an issue is to appear, as people say it."""

    day: date
    time: time

    def moment(self, zone: ZoneInfo) -> datetime | None:
        """In UTC; None where the clocks leave this time out. Where they show it twice, the
        first."""
        local = datetime.combine(self.day, self.time, zone)
        found = local.astimezone(UTC)
        shown = found.astimezone(zone)
        return found if shown.replace(tzinfo=None) == local.replace(tzinfo=None) else None


def usual_date(quarter: Quarter) -> Date:
    """When a quarter's issue appears where nobody has said otherwise: on the first Tuesday of
    its last month, at ten."""
    first = date(quarter.year, 3 * quarter.number, 1)
    return Date(first + timedelta(days=(_TUESDAY - first.weekday()) % 7), USUAL_TIME)


def quarter_at(moment: datetime, zone: ZoneInfo) -> Quarter:
    """The quarter that a moment lies in, there."""
    return Quarter.of(moment.astimezone(zone).date())


@dataclass(frozen=True, slots=True)
class Waiting:
    """A planned issue."""

    issue_id: UUID
    at: datetime


def expected(
    issue_id: UUID,
    at: datetime,
    begun: Sequence[Number],
    planned: Iterable[Waiting],
    zone: ZoneInfo,
) -> Number:
    """The number that an issue gets which begins `at`, if those before it begin as planned."""
    following = next_number(begun, at, zone)
    before = sum(
        1
        for other in planned
        if other.issue_id != issue_id
        and other.at.astimezone(zone).year == following.year
        and (other.at, other.issue_id) < (at, issue_id)
    )
    return Number(following.year, following.number + before)


def next_number(begun: Iterable[Number], at: datetime, zone: ZoneInfo) -> Number:
    """The number of an issue that begins `at`."""
    year = at.astimezone(zone).year
    return Number(year, max((each.number for each in begun if each.year == year), default=0) + 1)


def reminders_due(
    quarter: Quarter, at: datetime, now: datetime, *, taken: bool, zone: ZoneInfo
) -> list[int]:
    """The reminders (days before) that are due for a quarter whose issue is to appear `at`;
    none where it has its issue, and none once the day is past. Only the nearest, where several
    days have gone by unseen."""
    if taken or now >= at:
        return []
    left = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    due = [days for days in REMIND_DAYS if left <= days]
    return due[-1:]
