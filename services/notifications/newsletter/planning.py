"""The plan of the year: when each quarter's issue is to appear, and which issues it has.

Invariant: the plan only suggests; an issue's own date is what counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import FieldError, Invalid
from services.notifications.newsletter import repository
from services.notifications.newsletter.domain import calendar
from services.notifications.newsletter.domain.calendar import Date, Quarter
from services.notifications.newsletter.domain.issue import Issue


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, when, and where the newsletter is made."""

    by: str | None
    now: datetime
    zone: ZoneInfo


async def of_quarter(conn: AsyncConnection, quarter: Quarter, zone: ZoneInfo) -> list[Issue]:
    """The issues of a quarter that are planned or went out, in order."""
    return await repository.of_quarter(
        conn, quarter_start(quarter, zone), quarter_start(quarter.next(), zone)
    )


def quarter_start(quarter: Quarter, zone: ZoneInfo) -> datetime:
    """The quarter's first moment, there."""
    return datetime(quarter.year, 3 * quarter.number - 2, 1, tzinfo=zone)


@dataclass(frozen=True, slots=True)
class Planned:
    """A quarter of the plan. `at` is its date as a moment; `own`: somebody has set it."""

    quarter: Quarter
    date: Date
    at: datetime
    own: bool
    issues: Sequence[Issue]


async def year_plan(conn: AsyncConnection, year: int, zone: ZoneInfo) -> list[Planned]:
    """The four quarters of a year with their dates and issues."""
    own = await repository.dates(conn, [year])
    found = []
    for number in range(1, 5):
        quarter = Quarter(year, number)
        date = own.get(quarter, calendar.usual_date(quarter))
        at = date.moment(zone)
        assert at is not None  # set_date refuses a time that the clocks leave out
        issues = await of_quarter(conn, quarter, zone)
        found.append(Planned(quarter, date, at, quarter in own, issues))
    return found


async def suggested(conn: AsyncConnection, issue: Issue, now: datetime, zone: ZoneInfo) -> Date:
    """The date that an issue has, or that of the next quarter without an issue."""
    if issue.planned_at is not None:
        local = issue.planned_at.astimezone(zone)
        return Date(local.date(), local.time())
    quarter = calendar.quarter_at(now, zone)
    for _ in range(8):
        planned = (await year_plan(conn, quarter.year, zone))[quarter.number - 1]
        if planned.at > now and not planned.issues:
            return planned.date
        quarter = quarter.next()
    return calendar.usual_date(quarter)


async def set_date(conn: AsyncConnection, quarter: Quarter, to: Date, who: Actor) -> None:
    """Gives a quarter another date. Raises Invalid where it lies in another quarter, or where
    the clocks leave the time out."""
    if Quarter.of(to.day) != quarter:
        raise Invalid([FieldError("#/day", "other_quarter", "This day is in another quarter.")])
    moment_of(to, who.zone)
    await repository.set_date(conn, quarter, to)
    await repository.note(
        conn,
        None,
        "date_set",
        by=who.by,
        now=who.now,
        quarter=f"{quarter.year}-{quarter.number}",
        at=f"{to.day} {to.time}",
    )


def moment_of(date: Date, zone: ZoneInfo) -> datetime:
    """The moment that people mean. Raises Invalid where the clocks leave it out."""
    at = date.moment(zone)
    if at is None:
        raise Invalid(
            [FieldError("#/time", "left_out", "The clocks are put forward and leave this out.")]
        )
    return at
