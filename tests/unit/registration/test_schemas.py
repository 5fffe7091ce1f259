"""Documents of the API: what operators may write, and what the public gets."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from services.kit.ids import uuid7
from services.registration.domain.seats import Seats
from services.registration.schemas import EventIn, EventPatch, for_operators, public
from services.registration.schemas_people import SignUpIn

BERLIN = ZoneInfo("Europe/Berlin")


def document(**changes: Any) -> dict[str, Any]:
    return {
        "slug": "seminar",
        "title": "Seminar",
        "days": [{"date": "2026-05-01"}],
        "capacity": 10,
        **changes,
    }


def refused(**changes: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as error:
        EventIn.model_validate(document(**changes))
    return [e["loc"] for e in error.value.errors()]


@pytest.mark.parametrize(
    "slug", ["", "Seminar", "a b", "a--b", "-a", "a-", "ä", "a/b", "a\n", "a" * 121, "a\0", ".."]
)
def test_a_slug_is_what_an_address_can_hold(slug: str) -> None:
    assert refused(slug=slug) == [("slug",)]


@pytest.mark.parametrize("title", ["", "a" * 301, "zwei\nZeilen", "a\r", "\0", "\x7f", "\ud800"])
@pytest.mark.parametrize("field", ["title", "place", "contact"])
def test_what_stands_in_a_header_is_one_line(field: str, title: str) -> None:
    assert refused(**{field: title}) == [(field,)]


@pytest.mark.parametrize("field", ["summary", "description"])
def test_longer_texts_hold_what_can_be_kept(field: str) -> None:
    EventIn.model_validate(document(**{field: "Zwei\nZeilen 🥕"}))
    for text in ("\0", "a\0b", "\ud800"):
        assert refused(**{field: text}) == [(field,)]


@pytest.mark.parametrize(
    "day",
    [
        {"date": "2026-05-01", "ends_at": "12:00"},
        {"date": "2026-05-01", "starts_at": "12:00", "ends_at": "12:00"},
        {"date": "2026-05-01", "starts_at": "12:00Z"},
        {"date": "2026-02-30"},
        {"date": "9999-12-31"},
        {"date": "1969-12-31"},
        {"date": "3000-01-01"},
        {},
        {"date": "2026-05-01", "extra": 1},
    ],
)
def test_a_day_is_one_of_the_calendar(day: dict[str, Any]) -> None:
    assert refused(days=[day])[0][:2] == ("days", 0)


def test_days_are_sorted() -> None:
    found = EventIn.model_validate(document(days=[{"date": "2026-05-02"}, {"date": "2026-05-01"}]))
    assert [d.date for d in found.days] == [date(2026, 5, 1), date(2026, 5, 2)]


@pytest.mark.parametrize(
    "few", [{}, {"seats": 1, "share": 0.1}, {"seats": 0}, {"share": 0}, {"share": 1}, {"x": 1}]
)
def test_few_left_is_a_number_or_a_share(few: dict[str, Any]) -> None:
    assert refused(few_left=few)[0][0] == "few_left"


@pytest.mark.parametrize(
    "window",
    [
        {"opens_at": "2026-03-01T10:00"},
        {"opens_at": "9999-12-31T23:59:59-12:00"},
        {"opens_at": "1969-01-01T00:00Z"},
        {"closes_at": "3000-01-01T00:00Z"},
        {"cancel_until": "nie"},
    ],
)
def test_a_moment_is_aware_and_within_reach(window: dict[str, Any]) -> None:
    assert refused(registration=window)[0][0] == "registration"


@pytest.mark.parametrize(
    "changes",
    [
        {
            "registration": {
                "opens_at": "2026-03-01T10:00+01:00",
                "closes_at": "2026-03-01T09:00Z",
            }
        },
        {"max_party": 11},
    ],
)
def test_rules_over_several_fields_are_held(changes: dict[str, Any]) -> None:
    assert refused(**changes) == [()]


@pytest.mark.parametrize(
    "question",
    [
        {"title": "A"},
        {"type": "number", "title": "A"},
        {"type": ["string"], "title": "A"},
        {"type": "string"},
        {"type": "string", "title": ""},
        {"type": "string", "title": "A", "minLength": "x"},
        {"type": "string", "title": "A", "pattern": "("},
        {"type": "string", "title": "A", "$ref": "https://example.net/schema"},
        {"type": "string", "title": "A", "$ref": "#/nowhere"},
        {"type": "string", "title": "A", "allOf": [{"$dynamicRef": "#x"}]},
        {"type": "string", "title": "A", "not": {"$ref": "#/nowhere"}},
        {"type": "string", "title": "A\0"},
        {"type": "string", "title": "A", "enum": ["\ud800"]},
    ],
)
def test_a_question_is_a_plain_schema(question: dict[str, Any]) -> None:
    """It holds no reference: what it points to would be asked for while people sign up."""
    assert refused(questions={"a": question}) == [("questions",)]


@pytest.mark.parametrize("name", ["", "A", "a-b", "a/b", "1a", "a" * 42, "ä", "a\n"])
def test_a_question_has_a_plain_name(name: str) -> None:
    assert refused(questions={name: {"type": "string", "title": "A"}}) == [("questions",)]


def test_an_unknown_time_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "", "../../etc/passwd", "europe/berlin"):
        assert refused(timezone=zone) == [("timezone",)]
    assert EventIn.model_validate(document()).event(uuid7(), BERLIN).timezone == "Europe/Berlin"


@pytest.mark.parametrize("reason", [1, ["x"], "a" * 1001, "\0", "\ud800"])
def test_a_reason_is_a_text(reason: Any) -> None:
    with pytest.raises(ValidationError):
        EventPatch.model_validate({"status": "called_off", "reason": reason})


@pytest.mark.parametrize("field", ["name", "email"])
def test_halves_of_characters_are_refused(field: str) -> None:
    sent = {"name": "Anna", "email": "anna@example.org", "terms_accepted": True}
    with pytest.raises(ValidationError) as error:
        SignUpIn.model_validate({**sent, field: "a\ud800"})
    assert [e["loc"] for e in error.value.errors()] == [(field,)]


def test_an_event_survives_its_own_document() -> None:
    opens = datetime(2026, 3, 1, 10, tzinfo=UTC)
    sent = EventIn.model_validate(
        document(
            registration={"opens_at": opens, "closes_at": opens + timedelta(days=1)},
            days=[{"date": "2026-05-01", "starts_at": "18:00", "ends_at": "20:30"}],
            few_left={"seats": 3},
            waitlist={"enabled": False},
            questions={"diet": {"type": "string", "title": "Kost", "required": True}},
            max_party=2,
            status="published",
            timezone="Europe/Vienna",
        )
    )
    event = sent.event(uuid7(), BERLIN, 4)
    shown = for_operators(event, Seats(10, confirmed=2), "green")
    again = EventIn.model_validate(
        shown.model_dump(mode="json", exclude={"id", "version", "light", "counts"})
        | {"few_left": {"seats": 3}}
    )
    assert again.event(event.id, BERLIN, 4) == event
    assert shown.counts.confirmed == 2


def test_the_public_gets_no_number_of_seats() -> None:
    event = EventIn.model_validate(document(capacity=97, few_left={"seats": 41})).event(
        uuid7(), BERLIN
    )
    told = public(event, "green", "open", "https://example.org/events/seminar").model_dump_json()
    assert "97" not in told
    assert "41" not in told
    assert not {"capacity", "few_left", "counts"} & set(
        public(event, "green", "open", "u").model_dump()
    )
