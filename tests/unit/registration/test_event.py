"""When an event is open, over changes of the clocks and ends of days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.ids import uuid7
from services.registration.domain.event import Day, Event, Phase, Status
from services.registration.domain.light import FewLeft

BERLIN = ZoneInfo("Europe/Berlin")


def event(*days: Day, zone: str = "Europe/Berlin", **changes: Any) -> Event:
    return Event(
        **{
            "id": uuid7(),
            "slug": "a",
            "title": "A",
            "days": days or (Day(date(2026, 5, 1)),),
            "timezone": zone,
            "few_left": FewLeft(),
            "status": "published",
            **changes,
        }
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        # In summer, in winter, and on the days on which the clocks change.
        (Day(date(2026, 7, 1)), "2026-06-30T22:00Z", "2026-07-01T22:00Z"),
        (Day(date(2026, 1, 1)), "2025-12-31T23:00Z", "2026-01-01T23:00Z"),
        (Day(date(2026, 3, 29)), "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # 23 hours
        (Day(date(2026, 10, 25)), "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        (Day(date(2026, 7, 1), time(18), time(20)), "2026-07-01T16:00Z", "2026-07-01T18:00Z"),
        (Day(date(2026, 7, 1), time(18)), "2026-07-01T16:00Z", "2026-07-01T22:00Z"),
        # 02:30 does not exist on this morning, and comes twice on that one: the first counts.
        (Day(date(2026, 3, 29), time(2, 30)), "2026-03-29T01:30Z", "2026-03-29T22:00Z"),
        (Day(date(2026, 10, 25), time(2, 30)), "2026-10-25T00:30Z", "2026-10-25T23:00Z"),
    ],
)
def test_a_day_begins_and_ends(day: Day, begins: str, ends: str) -> None:
    assert day.begins(BERLIN) == at(begins)
    assert day.ends(BERLIN) == at(ends)


@pytest.mark.parametrize(
    ("now", "phase"),
    [
        ("2026-02-28T22:59:59Z", "not_open"),
        ("2026-02-28T23:00:00Z", "open"),
        ("2026-03-28T22:59:59Z", "open"),
        ("2026-03-28T23:00:00Z", "closed"),  # the first day has begun
        ("2026-03-29T21:59:59Z", "closed"),
        ("2026-03-29T22:00:00Z", "past"),
    ],
)
def test_phases_follow_each_other(now: str, phase: Phase) -> None:
    opens = datetime(2026, 3, 1, tzinfo=BERLIN).astimezone(UTC)
    assert event(Day(date(2026, 3, 29)), opens_at=opens).phase(at(now)) == phase


def test_a_deadline_of_its_own_counts_instead_of_the_first_day() -> None:
    closes = at("2026-04-20T12:00Z")
    found = event(closes_at=closes, cancel_until=closes - timedelta(days=1))
    assert found.closes == closes
    assert found.cancels == at("2026-04-19T12:00Z")
    assert found.phase(closes - timedelta(seconds=1)) == "open"
    assert found.phase(closes) == "closed"
    assert event().cancels == event().closes == event().begins


def test_days_in_any_order_span_from_the_first_to_the_last() -> None:
    found = event(
        Day(date(2026, 5, 3)),
        Day(date(2026, 5, 1), time(10), time(12)),
        Day(date(2026, 5, 2), time(9)),
    )
    assert found.begins == at("2026-05-01T08:00Z")
    assert found.ends == at("2026-05-03T22:00Z")


@pytest.mark.parametrize("status", ["draft", "called_off"])
@given(now=st.datetimes(timezones=st.just(UTC)))
def test_what_is_not_published_has_no_time(status: Status, now: datetime) -> None:
    assert event(status=status).phase(now) == status


@given(
    day=st.dates(date(1970, 1, 1), date(2999, 12, 31)),
    zone=st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]),
    now=st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001  # Hypothesis adds the zone
)
def test_every_moment_has_a_phase_and_phases_never_go_back(
    day: date, zone: str, now: datetime
) -> None:
    found = event(Day(day), zone=zone)
    order = ["not_open", "open", "closed", "past"]
    assert found.begins < found.ends
    later = found.phase(now + timedelta(hours=1))
    assert order.index(found.phase(now)) <= order.index(later)
