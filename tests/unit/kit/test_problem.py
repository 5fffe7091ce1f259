"""Problem documents and what they are made from."""

import json

import pytest

from services.kit import problem
from services.kit.errors import (
    Busy,
    EinlassError,
    FieldError,
    Invalid,
    NotFound,
    NotJson,
    TooManyRequests,
    Unauthorized,
)


def read(error: EinlassError) -> tuple[dict[str, object], dict[str, str]]:
    answer = problem.of_error(error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == error.status
    return json.loads(bytes(answer.body)), dict(answer.headers)


def test_an_error_says_what_it_is() -> None:
    body, headers = read(NotFound())
    assert body == {
        "type": "urn:einlass:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "There is nothing at this address.",
    }
    assert "retry-after" not in headers


@pytest.mark.parametrize(("error", "seconds"), [(Busy(), "1"), (TooManyRequests(17), "17")])
def test_one_that_passes_says_when_to_come_again(error: EinlassError, seconds: str) -> None:
    assert read(error)[1]["retry-after"] == seconds


def test_one_without_a_token_says_how_to_bring_it() -> None:
    assert read(Unauthorized())[1]["www-authenticate"] == "Bearer"


def test_bad_fields_are_all_named() -> None:
    body, _ = read(Invalid([FieldError("#/email", "missing", "Please."), FieldError("#", "x", "")]))
    assert body["errors"] == [
        {"pointer": "#/email", "code": "missing", "detail": "Please."},
        {"pointer": "#", "code": "x", "detail": ""},
    ]


def wrong(*loc: str | int, type: str = "missing") -> dict[str, object]:
    return {"type": type, "loc": loc, "msg": "Field required", "input": "geheim"}


@pytest.mark.parametrize(
    ("loc", "pointer"),
    [
        (("body", "email"), "#/email"),
        (("body", "days", 0, "date"), "#/days/0/date"),
        (("body", "a/b~c"), "#/a~1b~0c"),
        (("body", "Straße %"), "#/Stra%C3%9Fe%20%25"),
        (("body", "halb \ud800"), "#/halb%20?"),
        (("header", "idempotency-key"), "#/idempotency-key"),
    ],
)
def test_a_pointer_is_one_of_rfc_6901(loc: tuple[str | int, ...], pointer: str) -> None:
    failure = problem.of_validation([wrong(*loc)])
    assert isinstance(failure, Invalid)
    assert [e.pointer for e in failure.errors] == [pointer]
    assert "geheim" not in json.dumps(read(failure)[0])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrong("body", 3, type="json_invalid"), NotJson),
        (wrong("body", type="missing"), NotJson),
        (wrong("body", type="model_attributes_type"), NotJson),
        (wrong("body", type="value_error"), Invalid),  # a rule about several fields
        (wrong("path", "registration_id", type="uuid_parsing"), NotFound),
    ],
)
def test_what_validation_means(error: dict[str, object], kind: type[EinlassError]) -> None:
    assert isinstance(problem.of_validation([error]), kind)


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (400, "bad_request")]
)
def test_the_frameworks_errors_have_a_code(status: int, code: str) -> None:
    assert (problem.known(status).status, problem.known(status).code) == (status, code)
