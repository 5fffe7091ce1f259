"""Dates and times as people say them, in German and in English.

Invariant: pure, and without a time zone: a day and its times are wall-clock values of the place
where something happens, and they are said as they stand. Names of days and months are CLDR's
(Babel); the order of the words and the small words between them are ours, because CLDR has no
pattern for "Friday, 25 and Saturday, 26 August 2023".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from babel.dates import get_day_names, get_month_names

Language = Literal["de", "en"]

_RUN: Final = 3
"""From so many days in a row on one says "25 to 27" instead of naming each."""


class DayLike(Protocol):
    """One day, with or without a beginning and an end."""

    @property
    def date(self) -> date: ...
    @property
    def starts_at(self) -> time | None: ...
    @property
    def ends_at(self) -> time | None: ...


@dataclass(frozen=True, slots=True)
class _Words:
    """`day` gets weekday and day of the month; the other patterns get what their names say."""

    day: str
    conjunction: str
    until: str
    span: str
    start: str
    end: str
    each: str
    at: str


_WORDS: Final[dict[Language, _Words]] = {
    "de": _Words(
        day="{weekday}, {day}.",
        conjunction=" und ",
        until=" bis ",
        span="{start} bis {end} Uhr",
        start="ab {start} Uhr",
        end="bis {end} Uhr",
        each="jeweils {times}",
        at="{date}, {time} Uhr",
    ),
    "en": _Words(
        day="{weekday}, {day}",
        conjunction=" and ",
        until=" to ",
        span="{start}–{end}",
        start="from {start}",
        end="until {end}",
        each="{times} each day",
        at="{date}, {time}",
    ),
}


def dates(days: Iterable[DayLike], language: Language) -> str:
    """All days in one phrase, without their times; empty where there is no day.

    >>> dates([Day(date(2023, 8, 25)), Day(date(2023, 8, 26))], "de")
    'Freitag, 25. und Samstag, 26. August 2023'

    Three or more days in a row become a range. Month and year are said once, at the last day
    they hold for. The days may come in any order; one that comes twice is said once.
    """
    words = _WORDS[language]
    runs = _runs(sorted({day.date for day in days}))
    spoken = [end for run in runs for end in run]
    following: Sequence[date | None] = [*spoken[1:], None]
    said = iter(_date(day, then, language) for day, then in zip(spoken, following, strict=True))
    phrases = [words.until.join(next(said) for _ in run) for run in runs]
    head, last = phrases[:-1], phrases[-1:]
    return words.conjunction.join([", ".join(head), *last] if head else last)


def times(day: DayLike, language: Language) -> str:
    """The times of one day ("18:00 bis 20:00 Uhr", "18:00–20:00"); empty where it has none."""
    words = _WORDS[language]
    start = _clock(day.starts_at) if day.starts_at is not None else ""
    end = _clock(day.ends_at) if day.ends_at is not None else ""
    if start and end:
        return words.span.format(start=start, end=end)
    if start:
        return words.start.format(start=start)
    return words.end.format(end=end) if end else ""


def schedule(
    days: Sequence[DayLike], language: Language, *, times_apart: bool = False
) -> list[str]:
    """Days and times as lines: one line where no day has a time or all have the same times,
    otherwise one line a day, in order. With `times_apart`, times that hold for all days are a
    line of their own.

    >>> schedule([Day(date(2023, 8, 25), time(18), time(20))], "de")
    ['Freitag, 25. August 2023, 18:00 bis 20:00 Uhr']
    """
    ordered = sorted(days, key=lambda day: (day.date, day.starts_at or time.min))
    said = {times(day, language) for day in ordered}
    if len(said) > 1 or len({day.date for day in ordered}) < len(ordered):
        pairs = [(dates([day], language), times(day, language)) for day in ordered]
        return [", ".join(filter(None, pair)) for pair in pairs]
    same = "".join(said)
    if same and len(ordered) > 1:
        same = _WORDS[language].each.format(times=same)
    lines = [line for line in (dates(ordered, language), same) if line]
    return lines if times_apart or not lines else [", ".join(lines)]


def moment(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """A point in time in `zone`: "Donnerstag, 24. August 2023, 18:00 Uhr". `at` is aware."""
    local = at.astimezone(zone)
    said = _date(local.date(), None, language)
    return _WORDS[language].at.format(date=said, time=_clock(local.time()))


def stamp(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """A point in time in `zone`, for tables: "24. Aug. 2023, 18:00". `at` is aware."""
    local = at.astimezone(zone)
    name = get_month_names("abbreviated", "format", language)[local.month]
    day = f"{local.day}." if language == "de" else f"{local.day}"
    return f"{day} {name} {local.year}, {_clock(local.time())}"


def month(day: date, language: Language) -> str:
    """A month as a heading: "August 2023"."""
    return f"{get_month_names('wide', 'stand-alone', language)[day.month]} {day.year}"


def weekday(day: date, language: Language) -> str:
    """The day's name: "Freitag"."""
    return str(get_day_names("wide", "stand-alone", language)[day.weekday()])


def _runs(days: Sequence[date]) -> list[tuple[date] | tuple[date, date]]:
    """Distinct, sorted days as single days and as (first, last) of `_RUN` or more in a row."""
    groups: list[list[date]] = []
    for day in days:
        if groups and groups[-1][-1] + timedelta(days=1) == day:
            groups[-1].append(day)
        else:
            groups.append([day])
    found: list[tuple[date] | tuple[date, date]] = []
    for group in groups:
        if len(group) >= _RUN:
            found.append((group[0], group[-1]))
        else:
            found.extend((day,) for day in group)
    return found


def _date(day: date, following: date | None, language: Language) -> str:
    """One day of a phrase, without the month and year that `following` says again."""
    said = _WORDS[language].day.format(weekday=weekday(day, language), day=day.day)
    same_year = following is not None and following.year == day.year
    if not (same_year and following is not None and following.month == day.month):
        said += f" {get_month_names('wide', 'format', language)[day.month]}"
    return said if same_year else f"{said} {day.year}"


def _clock(at: time) -> str:
    return f"{at.hour}:{at.minute:02}"
