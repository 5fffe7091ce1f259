"""For how long a place out of the line is offered, or whether it is given at once.

Invariants:
- An offer takes no more than a quarter of what remains until nothing moves any more, so that
  three others can still be asked; and never less than LEAST. Where both cannot be, the place is
  given at once.
- No offer runs out in the quiet hours; it then lasts into the day, for LEAST after their end.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

LEAST: Final = timedelta(minutes=30)
SHARE: Final = 4

Promotion = Literal["automatic", "offer"]
Policy = Literal["strict", "fill", "partial"]
AfterOffer = Literal["out", "end"]


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours in which nobody is expected to answer, as wall-clock times; none where both are
    the same. They may go over midnight."""

    begins: time = time(22)
    ends: time = time(8)

    def end(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours end in which the moment `at` lies, or None."""
        if self.begins == self.ends:
            return None
        local = at.astimezone(zone)
        end = datetime.combine(local.date(), self.ends, zone)
        now = local.time()
        if self.begins < self.ends:
            return end if self.begins <= now < self.ends else None
        if now < self.ends:
            return end
        return (
            datetime.combine(local.date() + timedelta(days=1), self.ends, zone)
            if (now >= self.begins)
            else None
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """How the waiting list of an event moves. `limit`: seats that may wait at most. `passes`: how
    often an entry may be passed. `hours`: for how long a place is offered at most. `after`: who
    lets an offer run out is out of the line, or goes to its end. `until`: from when on nothing
    moves any more; the event's begin where it is not set."""

    enabled: bool = True
    limit: int | None = None
    promotion: Promotion = "automatic"
    policy: Policy = "strict"
    passes: int = 3
    hours: int = 24
    after: AfterOffer = "out"
    quiet: Quiet = Quiet()
    until: datetime | None = None


def offered_until(rules: Rules, now: datetime, ends: datetime, zone: ZoneInfo) -> datetime | None:
    """When an offer made now runs out; None where there is no time for one. `ends`: from when on
    nothing moves."""
    length = min(timedelta(hours=rules.hours), (ends - now) / SHARE)
    if length < LEAST:
        return None
    until = now + length
    morning = rules.quiet.end(until, zone)
    if morning is not None:
        until = (morning + LEAST).astimezone(now.tzinfo)
    return until if until < ends else None
