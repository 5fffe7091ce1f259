"""iCalendar (RFC 5545) for a download, and iTIP invitations (RFC 5546) for a mail.

Invariant: one entry of ours becomes as few VEVENTs as can say it, numbered in the order of time.
The first has the entry's own UID and the n-th the UID `<uid>-<n>`, so a date that moves updates
what stands in a calendar already. An iTIP object holds one UID only (RFC 5546, 3.2.2), hence
`request` and `cancel` give one object per VEVENT; a download holds all of them in one.

How days become VEVENTs:

- days without a beginning that follow each other are one all-day VEVENT whose DTEND is the day
  after the last, because DTEND is exclusive (RFC 5545, 3.6.1);
- days that follow each other and have the same times are one VEVENT that repeats daily;
- any other day is a VEVENT of its own. An end at or before the beginning is on the next day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vCalAddress

from services.kit.dates import DayLike

PRODID: Final = "-//Einlass//Einlass//EN"
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Party:
    """Who invites or is invited. `name` may hold any character; `email` is an address."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a calendar shall hold.

    `uid` and `host` together are globally unique and stay for good. `sequence` rises with every
    change that is told to somebody (RFC 5545, 3.8.7.4). `stamp` is the moment of this version,
    aware. Times of `days` are wall-clock times in `zone`.
    """

    uid: str
    host: str
    sequence: int
    stamp: datetime
    summary: str
    days: Sequence[DayLike]
    zone: ZoneInfo
    description: str = ""
    location: str = ""
    url: str = ""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class _Block:
    """`count` days in a row from `first` on, all with the same times or all without."""

    first: date
    starts_at: time | None
    ends_at: time | None
    count: int = 1

    def next(self) -> tuple[date, time | None, time | None]:
        """The day that would make this block one day longer."""
        return self.first + self.count * _ONE_DAY, self.starts_at, self.ends_at


def blocks(days: Iterable[DayLike]) -> int:
    """How many VEVENTs these days become."""
    return len(_blocks(days))


def download(entry: Entry) -> bytes:
    """All of an entry in one object without METHOD, for an `.ics` link."""
    calendar = _calendar(None)
    found = _blocks(entry.days)
    for number, block in enumerate(found, start=1):
        calendar.add_component(_vevent(entry, block, number))
    return _bytes(calendar, entry, found)


def request(entry: Entry, organizer: Party, attendee: Party) -> list[bytes]:
    """Invitations that put the entry into the attendee's calendar, or update it there.

    The attendee has accepted already (by signing up) and no answer is asked for.
    """
    return [
        _itip("REQUEST", entry, block, number, organizer, attendee)
        for number, block in enumerate(_blocks(entry.days), start=1)
    ]


def cancel(entry: Entry, organizer: Party, attendee: Party, *, after: int = 0) -> list[bytes]:
    """Objects that take the entry out of the attendee's calendar again.

    With `after`, only the VEVENTs past the first `after` ones: those which an entry had with
    its former days and has no longer.
    """
    gone = replace(entry, cancelled=True)
    return [
        _itip("CANCEL", gone, block, number, organizer, attendee)
        for number, block in enumerate(_blocks(entry.days), start=1)
        if number > after
    ]


def _blocks(days: Iterable[DayLike]) -> list[_Block]:
    distinct = {
        (day.date, day.starts_at, day.ends_at if day.starts_at is not None else None)
        for day in days
    }
    found: list[_Block] = []
    for day in sorted(distinct, key=lambda day: (day[0], day[1] or time.min, day[2] or time.min)):
        for place, block in enumerate(found):
            if block.next() == day:
                found[place] = replace(block, count=block.count + 1)
                break
        else:
            found.append(_Block(*day))
    return found


def _calendar(method: Literal["REQUEST", "CANCEL"] | None) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    if method is not None:
        calendar.add("method", method)
    return calendar


def _itip(
    method: Literal["REQUEST", "CANCEL"],
    entry: Entry,
    block: _Block,
    number: int,
    organizer: Party,
    attendee: Party,
) -> bytes:
    calendar = _calendar(method)
    event = _vevent(entry, block, number)
    event.add("organizer", _address(organizer))
    invited = _address(attendee)
    invited.params.update({"CUTYPE": "INDIVIDUAL", "ROLE": "REQ-PARTICIPANT", "RSVP": "FALSE"})
    if method == "REQUEST":
        invited.params["PARTSTAT"] = "ACCEPTED"
    event.add("attendee", invited)
    calendar.add_component(event)
    return _bytes(calendar, entry, [block])


def _vevent(entry: Entry, block: _Block, number: int) -> Event:
    event = Event()
    suffix = "" if number == 1 else f"-{number}"
    event.add("uid", f"{entry.uid}{suffix}@{entry.host}")
    event.add("dtstamp", entry.stamp.astimezone(UTC))
    event.add("sequence", entry.sequence)
    event.add("summary", one_line(entry.summary))
    _add_times(event, block, entry.zone)
    if entry.location:
        event.add("location", one_line(entry.location))
    if entry.description:
        event.add("description", "\n".join(map(one_line, entry.description.splitlines())))
    if entry.url:
        event.add("url", entry.url)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if entry.cancelled else "OPAQUE")
    return event


def _add_times(event: Event, block: _Block, zone: ZoneInfo) -> None:
    if block.starts_at is None:
        event.add("dtstart", block.first)
        event.add("dtend", block.first + block.count * _ONE_DAY)
        return
    event.add("dtstart", datetime.combine(block.first, block.starts_at, zone))
    if block.ends_at is not None:
        over_night = block.ends_at <= block.starts_at
        last = block.first + _ONE_DAY if over_night else block.first
        event.add("dtend", datetime.combine(last, block.ends_at, zone))
    if block.count > 1:
        event.add("rrule", {"freq": "daily", "count": block.count})


def _address(party: Party) -> vCalAddress:
    """RFC 6868 writes a quote or a line break inside a parameter as ^' and ^n; few programs
    read that, so both are taken out here."""
    name = one_line(party.name).replace('"', "'").replace("^", "")
    return vCalAddress.new(party.email, cn=name or None)


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, single-spaced."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@lru_cache(maxsize=64)
def _timezone(key: str, first_year: int, last_year: int) -> Timezone:
    return Timezone.from_tzid(
        key, first_date=date(first_year, 1, 1), last_date=date(last_year, 12, 31)
    )


def _bytes(calendar: Calendar, entry: Entry, found: Sequence[_Block]) -> bytes:
    """The object as octets, lines folded at 75 and ended by CRLF, with its VTIMEZONE.

    The VTIMEZONE covers the years around the days only, so a phone need not read a table of
    decades.
    """
    if any(block.starts_at is not None for block in found):
        first = min(block.first for block in found)
        last = max(block.first + block.count * _ONE_DAY for block in found)
        calendar.subcomponents.insert(0, _timezone(entry.zone.key, first.year - 1, last.year + 1))
    return bytes(calendar.to_ical())
