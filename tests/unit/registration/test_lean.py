"""The short way to an answer is the same answer (services/kit/lean.py)."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.kit.errors import Busy, Invalid, NotFound, NotJson, TooManyRequests
from services.kit.guard import DATA_HEADERS
from services.kit.ids import uuid7
from services.kit.web import create_app
from services.registration import api, lean
from services.registration.board import Availability, Board
from services.registration.domain.errors import AlreadyRegistered, EventFull
from services.registration.domain.form import SignUp
from services.registration.kept import KeptPages
from services.registration.schemas_people import SignUpIn
from services.registration.service import Service, SignedUp

PATH = "/api/v1/events/{}/registrations"
SENT: Mapping[str, Any] = {
    "name": "Anna Öz",
    "email": "anna@example.org",
    "terms_accepted": True,
    "answers": {"diet": "vegan", "n": [1, 2.5, None, {"x": True}]},
}
JSON = {"content-type": "application/json"}
DONE = SignedUp(uuid7(), "stadt", "waitlisted", 2, 7, "https://example.org/registrations/x/y")
FAILURES: dict[str, Exception] = {
    "gone": NotFound(),
    "full": EventFull(),
    "twice": AlreadyRegistered(),
    "often": TooManyRequests(9),
    "busy": Busy(),
    "broken": RuntimeError("geheim"),
    "away": ConnectionRefusedError("geheim"),
    "bad": Invalid([]),
}


class Recorder:
    """The service: fails by the slug's name, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def sign_up(self, slug: str, sent: SignUp, key: str | None, client: str) -> SignedUp:
        self.asked.append((slug, sent, key, client))
        if slug in FAILURES:
            raise FAILURES[slug]
        return DONE


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A log for people would draw every unexpected failure with all its variables."""
    with structlog.testing.capture_logs():
        yield


async def _fine() -> None:
    return None


def made(recorder: Recorder, *, short: bool) -> FastAPI:
    board = cast(Board, SimpleNamespace(availability=Availability(b'[{"slug":"a"}]', '"tag"')))
    service = cast(Service, recorder)
    app = create_app(
        "test",
        version="0",
        public_url="https://example.org",
        needed={"x": _fine},
        lean=lean.routes(service, board, KeptPages(board)) if short else (),
    )
    app.state.service, app.state.board = service, board
    app.include_router(api.router)
    return app


async def both(method: str, path: str, **request: Any) -> tuple[httpx.Response, httpx.Response]:
    """The answers by the short way and by the framework; both asked the service the same."""
    answers, asked = [], []
    for short in (True, False):
        recorder = Recorder()
        transport = httpx.ASGITransport(made(recorder, short=short), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            answers.append(await client.request(method, path, **request))
        asked.append(recorder.asked)
    assert asked[0] == asked[1]
    return answers[0], answers[1]


def assert_same(short: httpx.Response, whole: httpx.Response) -> None:
    assert short.status_code == whole.status_code
    read = [json.loads(a.content) if a.content else None for a in (short, whole)]
    for document in read:
        for error in (document or {}).get("errors", []) if isinstance(document, dict) else []:
            error.pop("detail")  # two parsers of JSON put it in different words
    assert read[0] == read[1]
    ignored = {"content-length"}
    assert {k: v for k, v in short.headers.items() if k not in ignored} == {
        k: v for k, v in whole.headers.items() if k not in ignored
    }
    assert DATA_HEADERS.keys() <= short.headers.keys()


@pytest.mark.parametrize("slug", ["seminar", *FAILURES, "%C3%A4", "%00", "a%20b", "."])
async def test_a_sign_up_is_answered_the_same(slug: str) -> None:
    assert_same(*await both("POST", PATH.format(slug), json=SENT))


@pytest.mark.parametrize("key", ["k", "", "a" * 200, "a" * 201, "ä"])
async def test_a_key_is_read_the_same(key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert_same(*await both("POST", PATH.format("a"), json=SENT, headers=headers))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"a"',
        b"\xff",
        b'{"name": "\xff"}',
        b"[" * 50_000,
        b'{"seats": ' + b"9" * 5000 + b"}",
        b"{}",
        b'{"name": 1, "email": null}',
        json.dumps({**SENT, "extra": 1}).encode(),
        json.dumps({**SENT, "seats": 0}).encode(),
        json.dumps({**SENT, "seats": 1001}).encode(),
        json.dumps({**SENT, "seats": 2.0}).encode(),
        json.dumps({**SENT, "seats": 2.5}).encode(),
        json.dumps({**SENT, "seats": "2"}).encode(),
        json.dumps({**SENT, "locale": "fr"}).encode(),
        json.dumps({**SENT, "locale": "en", "terms_accepted": "yes"}).encode(),
        json.dumps({**SENT, "name": "a" * 1001}).encode(),
        json.dumps({**SENT, "name": "\0"}).encode(),
        json.dumps({**SENT, "answers": []}).encode(),
        json.dumps({**SENT, "answers": {"a": 2**70}}).encode(),
        b'{"name":"A","email":"a@example.org","name":"B"}',
    ],
)
async def test_a_body_is_read_the_same(body: bytes) -> None:
    assert_same(*await both("POST", PATH.format("a"), content=body, headers=JSON))


@pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'{"a\\ud800": 1}'])
async def test_half_a_character_is_refused_by_both(body: bytes) -> None:
    for answer in await both("POST", PATH.format("a"), content=body, headers=JSON):
        assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
        "application/problem+json",
        "APPLICATION/JSON",
        "text/json",
        "application/jsonx",
        "json",
    ],
)
async def test_only_what_says_that_it_is_json_is_read(kind: str | None) -> None:
    """A form of another site can send anything but this kind without being asked."""
    headers = {} if kind is None else {"content-type": kind}
    body = json.dumps(SENT).encode()
    assert_same(*await both("POST", PATH.format("a"), content=body, headers=headers))


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [65_536, 65_537])
async def test_a_body_is_as_large_as_it_may_be(size: int, declared: bool) -> None:
    body = json.dumps(SENT).encode().ljust(size)

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, size, 10_000):
            yield body[start : start + 10_000]

    for short in (True, False):
        transport = httpx.ASGITransport(made(Recorder(), short=short))
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            content: Any = body if declared else parts()
            answer = await client.post(PATH.format("a"), content=content, headers=JSON)
        assert answer.status_code == (201 if size == 65_536 else 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "POST"])
@pytest.mark.parametrize("tag", [None, '"tag"', 'W/"tag"', '"other"', '"other", "tag"'])
async def test_the_lights_are_answered_the_same(method: str, tag: str | None) -> None:
    headers = {} if tag is None else {"if-none-match": tag}
    assert_same(*await both(method, "/api/v1/availability", headers=headers))


@pytest.mark.parametrize(
    "path",
    ["/api/v1/availability/", "/api/v1/events/a/registrations/", "/api/v1/events//registrations"],
)
async def test_what_is_near_is_not_it(path: str) -> None:
    assert_same(*await both("POST", path, json=SENT))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_BODY = st.fixed_dictionaries(
    {"name": st.text() | _JSON, "email": st.text() | _JSON},
    optional={
        "seats": st.integers(-1, 1002) | _JSON,
        "answers": st.just({}) | _JSON,
        "terms_accepted": st.booleans() | _JSON,
        "newsletter": st.booleans() | _JSON,
        "locale": st.sampled_from(["de", "en", "fr"]) | _JSON,
        "more": _JSON,
    },
)


@given(_BODY)
@settings(max_examples=500)
def test_the_short_reader_takes_nothing_that_the_model_does_not(body: dict[str, Any]) -> None:
    said = json.dumps(body).encode()
    try:
        whole = SignUpIn.model_validate_json(said).form()
    except ValidationError:
        with pytest.raises((Invalid, NotJson)):
            lean.parse(said)
    else:
        assert lean.parse(said) == whole
