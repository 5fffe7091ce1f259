"""Dates and times read as people say them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import dates
from services.kit.dates import Language


@dataclass(frozen=True)
class Day:
    date: date
    starts_at: time | None = None
    ends_at: time | None = None


def days(*said: str) -> list[Day]:
    return [Day(date.fromisoformat(day)) for day in said]


@pytest.mark.parametrize(
    ("given_days", "german", "english"),
    [
        (["2023-08-25"], "Freitag, 25. August 2023", "Friday, 25 August 2023"),
        (
            ["2023-08-25", "2023-08-26"],
            "Freitag, 25. und Samstag, 26. August 2023",
            "Friday, 25 and Saturday, 26 August 2023",
        ),
        (
            ["2023-08-26", "2023-08-25", "2023-08-26"],
            "Freitag, 25. und Samstag, 26. August 2023",
            "Friday, 25 and Saturday, 26 August 2023",
        ),
        (
            ["2023-07-31", "2023-08-01"],
            "Montag, 31. Juli und Dienstag, 1. August 2023",
            "Monday, 31 July and Tuesday, 1 August 2023",
        ),
        (
            ["2023-12-31", "2024-01-01"],
            "Sonntag, 31. Dezember 2023 und Montag, 1. Januar 2024",
            "Sunday, 31 December 2023 and Monday, 1 January 2024",
        ),
        (
            ["2023-08-25", "2023-08-26", "2023-08-27"],
            "Freitag, 25. bis Sonntag, 27. August 2023",
            "Friday, 25 to Sunday, 27 August 2023",
        ),
        (
            ["2023-12-30", "2023-12-31", "2024-01-01"],
            "Samstag, 30. Dezember 2023 bis Montag, 1. Januar 2024",
            "Saturday, 30 December 2023 to Monday, 1 January 2024",
        ),
        (
            ["2023-08-04", "2023-08-11", "2023-08-18"],
            "Freitag, 4., Freitag, 11. und Freitag, 18. August 2023",
            "Friday, 4, Friday, 11 and Friday, 18 August 2023",
        ),
        (
            ["2023-08-25", "2023-08-26", "2023-08-27", "2023-09-01"],
            "Freitag, 25. bis Sonntag, 27. August und Freitag, 1. September 2023",
            "Friday, 25 to Sunday, 27 August and Friday, 1 September 2023",
        ),
        ([], "", ""),
    ],
)
def test_dates(given_days: list[str], german: str, english: str) -> None:
    assert dates.dates(days(*given_days), "de") == german
    assert dates.dates(days(*given_days), "en") == english


@pytest.mark.parametrize(
    ("day", "german", "english"),
    [
        (Day(date(2023, 8, 25)), "", ""),
        (Day(date(2023, 8, 25), time(18), time(20)), "18:00 bis 20:00 Uhr", "18:00–20:00"),
        (Day(date(2023, 8, 25), time(9, 5)), "ab 9:05 Uhr", "from 9:05"),
        (Day(date(2023, 8, 25), None, time(20)), "bis 20:00 Uhr", "until 20:00"),
        (Day(date(2023, 8, 25), time(0), time(0)), "0:00 bis 0:00 Uhr", "0:00–0:00"),
    ],
)
def test_times(day: Day, german: str, english: str) -> None:
    assert dates.times(day, "de") == german
    assert dates.times(day, "en") == english


def test_one_line_where_all_days_have_the_same_times() -> None:
    both = [
        Day(date(2023, 8, 25), time(9), time(17)),
        Day(date(2023, 8, 26), time(9), time(17)),
    ]
    assert dates.schedule(both, "de") == [
        "Freitag, 25. und Samstag, 26. August 2023, jeweils 9:00 bis 17:00 Uhr"
    ]
    assert dates.schedule(both, "en") == [
        "Friday, 25 and Saturday, 26 August 2023, 9:00–17:00 each day"
    ]
    assert dates.schedule(both, "de", times_apart=True) == [
        "Freitag, 25. und Samstag, 26. August 2023",
        "jeweils 9:00 bis 17:00 Uhr",
    ]
    assert dates.schedule(both[:1], "de") == ["Freitag, 25. August 2023, 9:00 bis 17:00 Uhr"]


def test_a_line_a_day_where_the_times_differ() -> None:
    mixed = [
        Day(date(2023, 8, 26)),
        Day(date(2023, 8, 25), time(18), time(20)),
        Day(date(2023, 8, 25), time(9), time(12)),
    ]
    assert dates.schedule(mixed, "de") == [
        "Freitag, 25. August 2023, 9:00 bis 12:00 Uhr",
        "Freitag, 25. August 2023, 18:00 bis 20:00 Uhr",
        "Samstag, 26. August 2023",
    ]
    assert dates.schedule([], "de") == []


def test_a_moment_is_said_in_the_zone_of_the_place() -> None:
    at = datetime(2023, 8, 24, 22, 30, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    assert dates.moment(at, berlin, "de") == "Freitag, 25. August 2023, 0:30 Uhr"
    assert dates.moment(at, berlin, "en") == "Friday, 25 August 2023, 0:30"


def test_headings() -> None:
    assert dates.month(date(2023, 3, 1), "de") == "März 2023"
    assert dates.month(date(2023, 3, 1), "en") == "March 2023"
    assert dates.weekday(date(2023, 3, 1), "de") == "Mittwoch"


@given(
    st.sets(st.dates(date(2020, 1, 1), date(2030, 12, 31)), min_size=1, max_size=12),
    st.sampled_from(["de", "en"]),
)
def test_first_and_last_day_and_every_year_are_always_said(
    found: set[date], language: Language
) -> None:
    said = dates.dates([Day(day) for day in found], language)
    for day in (min(found), max(found)):
        assert f"{dates.weekday(day, language)}, {day.day}" in said
    for year in {min(found).year, max(found).year}:
        assert said.count(str(year)) == 1
