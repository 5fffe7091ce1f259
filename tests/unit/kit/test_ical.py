"""Calendar objects are what RFC 5545 and RFC 5546 ask for; they are read back with a parser."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from services.kit import ical
from services.kit.ical import Entry, Party

BERLIN = ZoneInfo("Europe/Berlin")
ORGANIZER = Party("Stiftung", "anmeldung@einlass.test")
ATTENDEE = Party("Ayşe Öztürk", "ayse@example.org")


@dataclass(frozen=True)
class Day:
    date: date
    starts_at: time | None = None
    ends_at: time | None = None


def entry(*days: Day, **changes: Any) -> Entry:
    made = Entry(
        uid="0192",
        host="einlass.test",
        sequence=3,
        stamp=datetime(2023, 7, 1, 12, tzinfo=UTC),
        summary="Die digitale Stadt",
        days=days,
        zone=BERLIN,
        location="Rathaus, Münster",
        url="https://einlass.test/events/stadt",
    )
    return replace(made, **changes)


def read(data: bytes) -> tuple[Calendar, list[Any]]:
    """Parses one object strictly and checks what holds for all."""
    assert data.replace(b"\r\n", b"").count(b"\n") == 0
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    calendar = Calendar.from_ical(data)
    assert isinstance(calendar, Calendar)
    assert calendar["VERSION"] == "2.0"
    events = [part for part in calendar.subcomponents if isinstance(part, Event)]
    assert not any(event.errors for event in events)
    return calendar, events


def test_days_in_a_row_are_one_all_day_event_with_an_exclusive_end() -> None:
    calendar, (event,) = read(ical.download(entry(Day(date(2023, 8, 26)), Day(date(2023, 8, 25)))))
    assert event["DTSTART"].params["VALUE"] == "DATE"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2023, 8, 25), date(2023, 8, 27))
    assert event["UID"] == "0192@einlass.test"
    assert event["SEQUENCE"] == 3
    assert event["DTSTAMP"].dt == datetime(2023, 7, 1, 12, tzinfo=UTC)
    assert "METHOD" not in calendar
    assert calendar.timezones == []


def test_days_apart_are_events_of_their_own_with_steady_uids() -> None:
    _, events = read(ical.download(entry(Day(date(2023, 8, 25)), Day(date(2023, 9, 1)))))
    assert [(e["UID"], e["DTSTART"].dt) for e in events] == [
        ("0192@einlass.test", date(2023, 8, 25)),
        ("0192-2@einlass.test", date(2023, 9, 1)),
    ]


def test_times_are_local_with_a_time_zone() -> None:
    day = Day(date(2023, 8, 25), time(18), time(20))
    calendar, (event,) = read(ical.download(entry(day)))
    assert event["DTSTART"].params["TZID"] == "Europe/Berlin"
    assert event["DTSTART"].dt == datetime(2023, 8, 25, 18, tzinfo=BERLIN)
    assert event["DTEND"].dt.astimezone(UTC) == datetime(2023, 8, 25, 18, tzinfo=UTC)
    (zone,) = calendar.timezones
    assert zone["TZID"] == "Europe/Berlin"


def test_days_in_a_row_with_the_same_times_repeat() -> None:
    days = [Day(date(2023, 8, 25 + n), time(9), time(17)) for n in range(3)]
    _, (event,) = read(ical.download(entry(*days)))
    assert event["RRULE"] == {"FREQ": ["DAILY"], "COUNT": [3]}
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(hours=8)


def test_different_times_do_not_repeat() -> None:
    days = (Day(date(2023, 8, 25), time(18), time(20)), Day(date(2023, 8, 26), time(9), time(17)))
    _, events = read(ical.download(entry(*days)))
    assert [e.get("RRULE") for e in events] == [None, None]


def test_an_evening_may_end_after_midnight_and_an_end_may_be_open() -> None:
    _, (late, open_end) = read(
        ical.download(
            entry(Day(date(2023, 8, 25), time(20), time(1)), Day(date(2023, 9, 1), time(20)))
        )
    )
    assert late["DTEND"].dt == datetime(2023, 8, 26, 1, tzinfo=BERLIN)
    assert "DTEND" not in open_end


def test_an_invitation_has_one_uid_and_asks_for_no_answer() -> None:
    objects = ical.request(
        entry(Day(date(2023, 8, 25)), Day(date(2023, 9, 1))), ORGANIZER, ATTENDEE
    )
    assert len(objects) == 2
    for data in objects:
        calendar, (event,) = read(data)
        assert calendar["METHOD"] == "REQUEST"
        assert event["ORGANIZER"] == "mailto:anmeldung@einlass.test"
        assert event["ORGANIZER"].params["CN"] == "Stiftung"
        assert event["ATTENDEE"] == "mailto:ayse@example.org"
        assert event["ATTENDEE"].params["CN"] == "Ayşe Öztürk"
        assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
        assert event["ATTENDEE"].params["RSVP"] == "FALSE"
        assert event["STATUS"] == "CONFIRMED"


def test_a_cancellation_names_the_same_events() -> None:
    both = entry(Day(date(2023, 8, 25)), Day(date(2023, 9, 1)))
    invited = [read(data)[1][0]["UID"] for data in ical.request(both, ORGANIZER, ATTENDEE)]
    gone = [read(data) for data in ical.cancel(both, ORGANIZER, ATTENDEE)]
    assert [events[0]["UID"] for _, events in gone] == invited
    for calendar, (event,) in gone:
        assert calendar["METHOD"] == "CANCEL"
        assert event["STATUS"] == "CANCELLED"


def test_only_what_is_no_longer_there_is_cancelled() -> None:
    former = entry(*(Day(date(2023, 8, 1 + 7 * n)) for n in range(3)))
    gone = ical.cancel(former, ORGANIZER, ATTENDEE, after=1)
    assert [read(data)[1][0]["UID"] for data in gone] == [
        "0192-2@einlass.test",
        "0192-3@einlass.test",
    ]
    assert ical.blocks(former.days) == 3


@pytest.mark.parametrize("name", ['Jörg "der Große"', "a\r\nATTENDEE:mailto:x@y.z", "x;y:z,w", ""])
def test_a_name_stays_in_its_parameter(name: str) -> None:
    (data,) = ical.request(entry(Day(date(2023, 8, 25))), ORGANIZER, Party(name, "a@b.org"))
    _, (event,) = read(data)
    assert event["ATTENDEE"] == "mailto:a@b.org"
    if not name:
        assert "CN" not in event["ATTENDEE"].params


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
days = st.builds(
    Day,
    date=st.dates(date(2000, 1, 1), date(2037, 12, 31)),
    starts_at=st.none() | st.times().map(lambda t: t.replace(microsecond=0)),
    ends_at=st.none() | st.times().map(lambda t: t.replace(microsecond=0)),
)


@given(st.lists(days, min_size=1, max_size=6), texts, texts, texts)
def test_any_text_and_any_days_read_back(
    some: list[Day], summary: str, location: str, name: str
) -> None:
    made = entry(*some, summary=summary, location=location, description=summary)
    _, events = read(ical.download(made))
    assert len(events) == ical.blocks(some)
    assert len({event["UID"] for event in events}) == len(events)
    covered = sum(
        (e["DTEND"].dt - e["DTSTART"].dt).days
        if type(e["DTSTART"].dt) is date
        else e.get("RRULE", {"COUNT": [1]})["COUNT"][0]
        for e in events
    )
    assert covered == len({(d.date, d.starts_at, d.ends_at if d.starts_at else None) for d in some})
    assert {event["SUMMARY"] for event in events} == {ical.one_line(summary)}
    for data in ical.request(made, ORGANIZER, Party(name, "a@b.org")):
        _, (event,) = read(data)
        assert event["ATTENDEE"] == "mailto:a@b.org"
