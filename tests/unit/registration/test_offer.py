"""How long a place is offered: by every clock, zone and night that Hypothesis can think of."""

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration.domain.offer import LEAST, SHARE, Quiet, Rules, offered_until

BERLIN: Final = ZoneInfo("Europe/Berlin")
ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC")
moments = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
quiet_hours = st.builds(Quiet, st.times(), st.times())


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@given(
    now=moments,
    remains=st.timedeltas(timedelta(0), timedelta(days=40)),
    hours=st.integers(1, 720),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    quiet=quiet_hours,
)
def test_an_offer_is_never_too_short_nor_too_late_nor_ends_at_night(
    now: datetime, remains: timedelta, hours: int, zone: ZoneInfo, quiet: Quiet
) -> None:
    until = offered_until(Rules(hours=hours, quiet=quiet), now, now + remains, zone)
    length = min(timedelta(hours=hours), remains / SHARE)
    if length < LEAST:
        assert until is None
        return
    if until is None:
        # Only the night takes an offer to where nothing moves any more.
        assert quiet.end(now + length, zone) is not None
        return
    assert now + LEAST <= until < now + remains
    if until != now + length:
        woken = quiet.end(now + length, zone)
        assert woken is not None
        assert until == woken + LEAST


@pytest.mark.parametrize(
    ("now", "ends", "until"),
    [
        # A day, where there is time for it.
        ("2026-05-04T12:00", "2026-05-20T10:00", "2026-05-05T12:00"),
        # A quarter of what remains.
        ("2026-05-04T10:00", "2026-05-05T10:00", "2026-05-04T16:00"),
        # Into the night, so into the morning.
        ("2026-05-04T23:30", "2026-05-20T10:00", "2026-05-06T08:30"),
        ("2026-05-05T03:00", "2026-05-20T10:00", "2026-05-06T08:30"),
        # Too close: given at once.
        ("2026-05-04T08:01", "2026-05-04T10:00", None),
        # The morning after the night would be too late.
        ("2026-05-04T19:00", "2026-05-05T08:00", None),
        # The night on which the clocks go forward is an hour shorter.
        ("2026-03-28T02:30", "2026-04-20T10:00", "2026-03-29T08:30"),
    ],
)
def test_by_the_clock_on_the_wall(now: str, ends: str, until: str | None) -> None:
    found = offered_until(Rules(), local(now).astimezone(UTC), local(ends), BERLIN)
    assert found == (until and local(until).astimezone(UTC))


def test_without_quiet_hours_an_offer_may_end_at_any_time() -> None:
    rules = Rules(quiet=Quiet(time(0), time(0)))
    now = local("2026-05-04T23:30").astimezone(UTC)
    assert offered_until(rules, now, local("2026-06-01T10:00"), BERLIN) == now + timedelta(days=1)
