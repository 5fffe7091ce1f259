"""When people are reminded, and of what."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.registration import Day
from services.notifications.domain.reminders import (
    EVENING,
    MORNING,
    Upcoming,
    distances_of,
    reminder,
)
from tests.unit.notifications.letters import MAILER, event, html_of, letter, read, shown, text_of
from tests.unit.notifications.test_mail_settings import settings

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = date(2026, 8, 28)
EVENT = UUID(int=7)


def upcoming(starts_at: time | None = time(18), **changes: Any) -> Upcoming:
    """An evening and the day after."""
    days = (Day(date=FRIDAY, starts_at=starts_at), Day(date=FRIDAY + timedelta(days=1)))
    usual = {"days": days, "zone": BERLIN, "dated_at": None, "written": frozenset()}
    return Upcoming(id=EVENT, **{**usual, **changes})


def at(day: int, hour: int, minute: int = 0, zone: ZoneInfo = BERLIN) -> datetime:
    """A moment in August 2026, in UTC."""
    return datetime(2026, 8, day, hour, minute, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (at(21, 8, 59), None),
        (at(21, 9), 7),
        (at(21, 19, 59), 7),
        (at(21, 20), None),
        (at(22, 3), None),
        (at(24, 9), 7),
        (at(27, 8, 59), None),
        (at(27, 9), 1),
        (at(28, 9), 1),
        (at(28, 17, 59), 1),
        (at(28, 18), None),
        (at(29, 9), None),
    ],
)
def test_it_is_due_in_the_morning_and_written_by_day(now: datetime, days: int | None) -> None:
    found = reminder(upcoming(), (7, 1), now)
    assert (found.days if found else None) == days
    if found is not None:
        assert found.since == datetime.combine(FRIDAY - timedelta(found.days), MORNING, BERLIN)
        assert (found.event_id, found.first_day) == (EVENT, "2026-08-28")


def test_each_is_written_once_and_none_is_made_up_for() -> None:
    assert reminder(upcoming(written=frozenset({7})), (7, 1), at(24, 12)) is None
    assert reminder(upcoming(written=frozenset({1})), (7, 1), at(27, 12)) is None
    # The one a week before was missed.
    found = reminder(upcoming(), (7, 1), at(27, 12))
    assert found is not None
    assert found.days == 1


def test_an_event_without_times_begins_with_its_day() -> None:
    assert reminder(upcoming(starts_at=None), (1,), at(27, 19)) is not None
    assert reminder(upcoming(starts_at=None), (1,), at(28, 9)) is None


def test_the_clock_is_that_of_the_place() -> None:
    auckland = ZoneInfo("Pacific/Auckland")
    far = upcoming(zone=auckland)
    assert reminder(far, (1,), at(27, 8, 59, auckland)) is None
    assert reminder(far, (1,), at(27, 9, 0, auckland)) is not None


def test_who_has_just_been_told_of_the_day_is_not_reminded_of_it() -> None:
    moved = upcoming(dated_at=at(24, 12))
    assert reminder(moved, (7, 1), at(24, 13)) is None
    found = reminder(moved, (7, 1), at(27, 9))
    assert found is not None
    assert found.days == 1


def test_without_distances_nobody_is_reminded() -> None:
    assert reminder(upcoming(), (), at(27, 12)) is None


@given(
    st.sets(st.integers(1, 60), max_size=4),
    st.integers(0, 120 * 24 * 60).map(lambda m: at(30, 0) - timedelta(minutes=m)),
    st.one_of(st.none(), st.times().map(lambda t: t.replace(second=0, microsecond=0))),
)
def test_never_by_night_never_late_never_early(
    distances: set[int], now: datetime, starts_at: time | None
) -> None:
    found = reminder(upcoming(starts_at=starts_at), distances, now)
    if found is None:
        return
    begins = datetime.combine(FRIDAY, starts_at or time.min, BERLIN)
    assert MORNING <= now.astimezone(BERLIN).time() < EVENING
    assert found.since <= now < begins
    assert found.days in distances
    assert not any(
        found.days > nearer and now >= datetime.combine(FRIDAY - timedelta(nearer), MORNING, BERLIN)
        for nearer in distances
    )


@pytest.mark.parametrize(
    ("text", "days"),
    [("7d,1d", (7, 1)), (" 1d , 14d,1d", (14, 1)), ("60d", (60,)), ("none", ())],
)
def test_the_setting(text: str, days: tuple[int, ...]) -> None:
    assert distances_of(text) == days
    assert settings(reminders=text).reminder_distances == days


@pytest.mark.parametrize("text", ["7", "0d", "61d", "1h", "7d,", "d", "-1d", "²d", "7d;1d"])
def test_a_setting_that_nobody_can_read(text: str) -> None:
    with pytest.raises(ValidationError):
        settings(reminders=text)


def test_by_default_a_week_and_a_day_before() -> None:
    assert settings().reminder_distances == (7, 1)


def test_it_says_when_and_how_to_cancel() -> None:
    message = read(MAILER.render(letter("reminder", seats=2)))
    for said in (" ".join(text_of(message).split()), shown(html_of(message))[0]):
        assert "Zur Erinnerung: Sie haben 2 Plätze." in said
        assert "sagen Sie bitte ab, damit der Platz für andere frei wird" in said
    whole_day = event(days=(Day(date=date(2023, 8, 25)), Day(date=date(2023, 8, 26))))
    message = read(MAILER.render(letter("reminder", event=whole_day)))
    assert text_of(message).startswith("Die Veranstaltung beginnt am Freitag, 25. August 2023.\n")
