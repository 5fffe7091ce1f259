"""Dates, quarters and numbers."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.newsletter.domain.calendar import (
    Date,
    Number,
    Quarter,
    Waiting,
    expected,
    next_number,
    quarter_at,
    reminders_due,
    usual_date,
)

BERLIN = ZoneInfo("Europe/Berlin")
_DAYS = st.dates(date(2020, 1, 1), date(2040, 12, 31))
_TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(_DAYS, _TIMES)
def test_a_planned_time_is_that_time_on_the_clock_of_the_place(day: date, at: time) -> None:
    moment = Date(day, at).moment(BERLIN)
    if moment is None:  # left out: only in the hour in which the clocks are put forward
        assert (day.month, at.hour) == (3, 2)
        assert (day + timedelta(days=7)).month == 4
        return
    shown = moment.astimezone(BERLIN)
    assert (shown.date(), shown.time()) == (day, at)
    assert moment.tzinfo is UTC


@given(_DAYS)
def test_ten_in_the_morning_is_always_there(day: date) -> None:
    moment = Date(day, time(10)).moment(BERLIN)
    assert moment is not None
    assert moment.hour in (8, 9)


def test_summer_time_changes_the_moment_and_not_the_clock() -> None:
    assert Date(date(2027, 3, 27), time(10)).moment(BERLIN) == datetime(2027, 3, 27, 9, tzinfo=UTC)
    assert Date(date(2027, 3, 28), time(10)).moment(BERLIN) == datetime(2027, 3, 28, 8, tzinfo=UTC)
    assert Date(date(2027, 3, 28), time(2, 30)).moment(BERLIN) is None
    # Shown twice: the first.
    assert Date(date(2027, 10, 31), time(2, 30)).moment(BERLIN) == datetime(
        2027, 10, 31, 0, 30, tzinfo=UTC
    )


@given(_DAYS)
def test_quarters_follow_each_other(day: date) -> None:
    quarter = Quarter.of(day)
    assert quarter < quarter.next()
    usual = usual_date(quarter)
    assert Quarter.of(usual.day) == quarter
    assert usual.day.weekday() == 1
    assert usual.day.month == 3 * quarter.number
    assert usual.day.day <= 7


def test_the_quarter_is_that_of_the_place() -> None:
    assert quarter_at(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), BERLIN) == Quarter(2027, 1)
    assert Quarter(2026, 4).next() == Quarter(2027, 1)


def at(month: int, year: int = 2027) -> datetime:
    return datetime(year, month, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mine", "begun", "planned", "number"),
    [
        (at(3), [], [], Number(2027, 1)),
        (at(3), [Number(2026, 4)], [], Number(2027, 1)),
        (at(6), [Number(2027, 1)], [], Number(2027, 2)),
        (at(9), [Number(2027, 1)], [at(6)], Number(2027, 3)),
        (at(3), [], [at(6), at(9)], Number(2027, 1)),
        (at(3, 2028), [Number(2027, 1)], [at(6)], Number(2028, 1)),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), [Number(2026, 4)], [], Number(2027, 1)),
    ],
)
def test_the_number_by_the_present_plan(
    mine: datetime, begun: list[Number], planned: list[datetime], number: Number
) -> None:
    others = [Waiting(UUID(int=2 + place), when) for place, when in enumerate(planned)]
    me = Waiting(UUID(int=1), mine)
    assert expected(UUID(int=1), mine, begun, [*others, me], BERLIN) == number


# Hypothesis wants its edges without a zone.
_START, _END = datetime(2026, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001


@given(st.lists(st.datetimes(_START, _END), max_size=20))
def test_numbers_have_no_gap_and_no_double(begins: list[datetime]) -> None:
    given_out: list[Number] = []
    for begin in sorted(begins):
        given_out.append(next_number(given_out, begin.replace(tzinfo=UTC), BERLIN))
    assert len(set(given_out)) == len(given_out)
    for year in {number.year for number in given_out}:
        of_year = [number.number for number in given_out if number.year == year]
        assert of_year == list(range(1, len(of_year) + 1))
    assert [str(Number(2027, 1))] == ["1/2027"]


@pytest.mark.parametrize(
    ("days_before", "due"),
    [(20, []), (15, []), (14, [14]), (10, [14]), (4, [14]), (3, [3]), (1, [3])],
)
def test_reminders(days_before: int, due: list[int]) -> None:
    appears = datetime(2027, 3, 2, 9, tzinfo=UTC)
    now = appears - timedelta(days=days_before)
    quarter = Quarter(2027, 1)
    assert reminders_due(quarter, appears, now, taken=False, zone=BERLIN) == due
    assert reminders_due(quarter, appears, now, taken=True, zone=BERLIN) == []


def test_no_reminder_once_the_day_is_past() -> None:
    appears = datetime(2027, 3, 2, 9, tzinfo=UTC)
    assert reminders_due(Quarter(2027, 1), appears, appears, taken=False, zone=BERLIN) == []
