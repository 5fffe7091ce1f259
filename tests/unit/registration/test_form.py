"""What a person sends: judged whole, and cleaned for every place it goes to."""

from datetime import date
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import FieldError
from services.kit.ids import uuid7
from services.registration.domain import form
from services.registration.domain.event import Day, Event
from services.registration.domain.form import SignUp
from services.registration.domain.light import FewLeft

QUESTIONS: dict[str, Any] = {
    "diet": {"type": "string", "title": "Kost", "enum": ["alles", "vegan"], "required": True},
    "note": {"type": "string", "title": "Hinweis", "maxLength": 20},
    "age": {"type": "integer", "title": "Alter", "minimum": 16},
    "photo": {"type": "boolean", "title": "Bilder", "const": True, "required": True},
}
EVENT = Event(
    id=uuid7(),
    slug="a",
    title="A",
    days=(Day(date(2026, 5, 1)),),
    timezone="Europe/Berlin",
    few_left=FewLeft(),
    max_party=3,
    questions=QUESTIONS,
)
ANSWERS = {"diet": "vegan", "photo": True}


def sign_up(**changes: Any) -> SignUp:
    return SignUp(
        **{
            "name": "Anna Öz",
            "email": "anna@example.org",
            "seats": 1,
            "answers": ANSWERS,
            "terms_accepted": True,
            "locale": "de",
            **changes,
        }
    )


def wrong(**changes: Any) -> list[tuple[str, str]]:
    found: list[FieldError] = form.check(sign_up(**changes), EVENT)
    assert all(error.detail for error in found)
    return [(error.pointer, error.code) for error in found]


def test_what_is_right_has_nothing_wrong() -> None:
    assert wrong() == []
    assert wrong(seats=3, answers={**ANSWERS, "note": "Rollstuhl", "age": 16}) == []


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"name": ""}, "#/name", "missing"),
        ({"name": " \t\u200b\u202e\0 "}, "#/name", "missing"),
        ({"name": "a" * 201}, "#/name", "too_long"),
        ({"email": "  "}, "#/email", "missing"),
        ({"email": "anna"}, "#/email", "not_an_address"),
        ({"email": "anna@example.org\nBcc: b@example.org"}, "#/email", "not_an_address"),
        ({"email": "anna@example.org, b@example.org"}, "#/email", "not_an_address"),
        ({"email": "anna\0@example.org"}, "#/email", "not_an_address"),
        ({"email": "Anna <anna@example.org>"}, "#/email", "not_an_address"),
        ({"email": "=?utf-8?q?a=0d=0aBcc:b?=@example.org"}, "#/email", "not_an_address"),
        ({"email": "a" * 250 + "@example.org"}, "#/email", "not_an_address"),
        ({"seats": 0}, "#/seats", "out_of_range"),
        ({"seats": 4}, "#/seats", "out_of_range"),
        ({"seats": -1}, "#/seats", "out_of_range"),
        ({"terms_accepted": False}, "#/terms_accepted", "missing"),
        ({"answers": {"photo": True}}, "#/answers/diet", "missing"),
        ({"answers": {**ANSWERS, "diet": "fleisch"}}, "#/answers/diet", "not_fitting"),
        ({"answers": {**ANSWERS, "diet": None}}, "#/answers/diet", "not_fitting"),
        ({"answers": {**ANSWERS, "note": "a" * 21}}, "#/answers/note", "not_fitting"),
        ({"answers": {**ANSWERS, "note": "a\0"}}, "#/answers/note", "not_fitting"),
        ({"answers": {**ANSWERS, "note": "\ud800"}}, "#/answers/note", "not_fitting"),
        ({"answers": {**ANSWERS, "note": ["a"]}}, "#/answers/note", "not_fitting"),
        ({"answers": {**ANSWERS, "age": 15}}, "#/answers/age", "not_fitting"),
        ({"answers": {**ANSWERS, "age": "16"}}, "#/answers/age", "not_fitting"),
        ({"answers": {**ANSWERS, "age": True}}, "#/answers/age", "not_fitting"),
        ({"answers": {**ANSWERS, "age": float("nan")}}, "#/answers/age", "not_fitting"),
        ({"answers": {**ANSWERS, "age": float("inf")}}, "#/answers/age", "not_fitting"),
        ({"answers": {**ANSWERS, "photo": False}}, "#/answers/photo", "not_fitting"),
        ({"answers": {**ANSWERS, "iban": "x"}}, "#/answers", "unknown"),
        ({"answers": {**ANSWERS, "\0": "x"}}, "#/answers", "unknown"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], pointer: str, code: str) -> None:
    assert wrong(**changes) == [(pointer, code)]


def test_everything_wrong_is_named_at_once() -> None:
    found = wrong(name="", email="x", seats=9, terms_accepted=False, answers={})
    assert {pointer for pointer, _ in found} == {
        "#/name",
        "#/email",
        "#/seats",
        "#/terms_accepted",
        "#/answers/diet",
        "#/answers/photo",
    }
    assert len(found) == 6


@given(st.text(max_size=300))
def test_a_name_is_one_line_of_what_one_can_read(name: str) -> None:
    cleaned = form.clean_name(name)
    assert cleaned == form.clean_name(cleaned)
    assert cleaned.isprintable()
    assert not {"\n", "\r", "\0", "\u202e"} & set(cleaned)
    cleaned.encode()


def test_a_name_is_kept_as_its_bearer_writes_it() -> None:
    for name in ("Ødegård-Müller, Dr. 王小明", "O'Neill", "María José Núñez"):
        assert form.clean_name(name) == name
    assert form.clean_name("  Anna\t\n Öz ") == "Anna Öz"
    assert form.clean_name("O\u0308z") == "Öz"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Anna@Example.ORG", "anna@example.org", True),
        ("anna@example.org ", "anna@example.org", True),
        ("anna@xn--mnster-3ya.example.org", "anna@münster.example.org", True),
        ("anna+1@example.org", "anna@example.org", False),
        ("an.na@example.org", "anna@example.org", False),
    ],
)
def test_an_address_is_compared_as_people_mean_it(one: str, other: str, same: bool) -> None:
    keys = [form.email_key(form.clean_email(address)) for address in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_two_forms_have_the_same_digest_only_where_they_say_the_same() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"name": "Anna"},
        {"email": "b@example.org"},
        {"seats": 2},
        {"answers": {}},
        {"locale": "en"},
    ]
    digests = {sign_up(**changes).digest() for changes in others}
    assert len(digests) == 6
    turned = dict(reversed(list(ANSWERS.items())))
    assert sign_up(answers=turned).digest() == sign_up().digest()


def same_as_the_library(text: str) -> None:
    try:
        expected = validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        with pytest.raises(EmailNotValidError):
            form.clean_email(text)
    else:
        assert form.clean_email(text) == expected


@given(
    st.emails()
    | st.from_regex(r"[A-Za-z0-9_.+-]{1,70}@[a-zA-Z0-9.-]{1,80}", fullmatch=True)
    | st.text(max_size=60)
    | st.builds("{}@{}.example.org".format, st.text("a.b+-_", max_size=66), st.text(max_size=20))
)
def test_the_short_way_to_an_address_ends_where_the_library_does(text: str) -> None:
    same_as_the_library(text)


@pytest.mark.parametrize(
    "domain",
    [
        ".".join(["ä" * 20] * 9) + ".example.org",
        ".".join(["a" * 60] * 4),
        "example.org.",
        "xn--mnster-3ya.example.org",
        "EXAMPLE.org",
        "localhost",
        "a..example.org",
    ],
)
@pytest.mark.parametrize("local", ["a", "a" * 64, "a" * 65])
def test_the_short_way_knows_how_long_an_address_may_be(local: str, domain: str) -> None:
    same_as_the_library(f"{local}@{domain}")
