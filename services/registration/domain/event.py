"""An event, its days and its window for sign-ups."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.registration.domain.light import FewLeft
from services.registration.domain.offer import Rules
from services.registration.domain.seats import Line

Status = Literal["draft", "published", "called_off"]
Phase = Literal["draft", "called_off", "past", "not_open", "closed", "open"]


@dataclass(frozen=True, slots=True)
class Day:
    """One day; times are wall-clock times in the event's zone. A day without `starts_at` is a
    whole day."""

    date: date
    starts_at: time | None = None
    ends_at: time | None = None

    def begins(self, zone: ZoneInfo) -> datetime:
        """When it begins, in UTC; a whole day at its first moment."""
        return datetime.combine(self.date, self.starts_at or time.min, zone).astimezone(UTC)

    def ends(self, zone: ZoneInfo) -> datetime:
        """When it is over, in UTC; without an end, at midnight."""
        if self.ends_at is None:
            after = self.date + timedelta(days=1)
            return datetime.combine(after, time.min, zone).astimezone(UTC)
        return datetime.combine(self.date, self.ends_at, zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """All that is known of an event but its counters.

    `opens_at`, `closes_at`, `cancel_until`: aware moments; where not given, sign-up is open at
    once, and both sign-up and cancelling end when the first day begins. `version` rises with
    each change. Of events with the same `series`, people may wait for several at once and get the
    first that has a place. `questions` are JSON Schema properties with a `title` each, by their
    name.
    """

    id: UUID
    slug: str
    title: str
    days: tuple[Day, ...]
    timezone: str
    few_left: FewLeft
    summary: str = ""
    description: str = ""
    place: str | None = None
    contact: str | None = None
    max_party: int = 1
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    cancel_until: datetime | None = None
    waitlist: Rules = field(default_factory=Rules)
    series: str | None = None
    questions: dict[str, Any] = field(default_factory=dict)
    status: Status = "draft"
    version: int = 1

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def begins(self) -> datetime:
        """When the first day begins, in UTC."""
        return min(day.begins(self.zone) for day in self.days)

    @property
    def ends(self) -> datetime:
        """When the last day is over, in UTC."""
        return max(day.ends(self.zone) for day in self.days)

    @property
    def closes(self) -> datetime:
        """When sign-up ends."""
        return self.closes_at or self.begins

    @property
    def cancels(self) -> datetime:
        """Until when people may cancel by themselves."""
        return self.cancel_until or self.begins

    @property
    def line_ends(self) -> datetime:
        """From when on the line moves no more: its own time, the event's begin at the latest."""
        until = self.waitlist.until
        return self.begins if until is None else min(until, self.begins)

    def line(self, now: datetime) -> Line:
        """What counting must know of the line at `now`."""
        rules = self.waitlist
        return Line(rules.enabled, rules.limit, now >= self.line_ends)

    def phase(self, now: datetime) -> Phase:
        """Where the event stands at `now`, whatever its counters say."""
        if self.status != "published":
            return self.status
        if now >= self.ends:
            return "past"
        if self.opens_at is not None and now < self.opens_at:
            return "not_open"
        return "closed" if now >= self.closes else "open"
