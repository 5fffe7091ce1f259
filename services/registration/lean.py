"""The routes that a rush goes to, answered without the framework.

Each is also a route of `api.py`, which documents it, and both say the same through the same
functions.
"""

from typing import Annotated, Any, Final

import msgspec
import orjson
from pydantic import ValidationError

from services.contracts.envelope import Locale
from services.kit import etag, problem
from services.kit.errors import NotJson
from services.kit.lean import HTML, LeanAnswer, LeanRequest, LeanRoute
from services.kit.pages import language
from services.kit.text import kept
from services.registration.board import Board
from services.registration.domain.form import SignUp
from services.registration.kept import HEADERS, KeptPages
from services.registration.schemas_people import SignUpIn
from services.registration.service import Service, SignedUp

MAX_KEY = 200


_Text = Annotated[str, msgspec.Meta(max_length=1000)]


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A sign-up as nearly all are: what this takes, SignUpIn takes too, and means the same by it
    (tests/unit/registration/test_lean.py); what this refuses, SignUpIn judges."""

    name: _Text
    email: _Text
    seats: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    answers: dict[str, None] = {}
    terms_accepted: bool = False
    locale: Locale = "de"
    newsletter: bool = False


_decode: Final = msgspec.json.Decoder(_Plain).decode


def parse(body: bytes) -> SignUp:
    """The sign-up in a request's body, not yet checked. Raises Invalid, NotJson."""
    try:
        plain = _decode(body)
        if not plain.answers:
            return SignUp(
                kept(plain.name),
                kept(plain.email),
                plain.seats,
                {},
                plain.terms_accepted,
                plain.locale,
                (),
                plain.newsletter,
            )
    except ValueError:  # msgspec's errors are such too
        pass
    try:
        return SignUpIn.model_validate_json(body).form()
    except ValidationError as error:
        raise problem.of_validation(
            [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
        ) from error


def signed_up(done: SignedUp) -> bytes:
    """SignedUpOut as JSON, without the model."""
    told: dict[str, Any] = {
        "id": str(done.id),
        "event": done.event,
        "status": done.status,
        "seats": done.seats,
    }
    if done.position is not None:
        told["position"] = done.position
    told["manage_url"] = done.manage_url
    return orjson.dumps(told)


def routes(service: Service, board: Board, pages: KeptPages) -> list[LeanRoute]:
    """Signing up, all lights at once, and the pages that are kept."""

    async def sign_up(request: LeanRequest) -> LeanAnswer:
        key = request.header(b"idempotency-key")
        if key is not None and len(key) > MAX_KEY:
            raise problem.of_validation([_too_long_a_key()])
        if not request.says_json():
            raise NotJson
        sent = parse(request.body)
        done = await service.sign_up(request.part, sent, key, request.client)
        return LeanAnswer(201, signed_up(done))

    async def availability(request: LeanRequest) -> LeanAnswer:
        found = board.availability
        known = request.header(b"if-none-match")
        headers = ((b"etag", found.etag.encode()), (b"cache-control", b"public, max-age=1"))
        if etag.is_known(found.etag, known):
            return LeanAnswer(304, b"", headers)
        return LeanAnswer(200, found.body, headers)

    async def page(request: LeanRequest) -> LeanAnswer | None:
        if b"lang=" in request.query:  # sets a cookie
            return None
        locale = language(None, request.header(b"cookie"), request.header(b"accept-language"))
        found = pages.find((request.path, request.query, locale))
        if found is None:
            return None
        headers = (
            (b"content-language", locale.encode()),
            *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
            (b"etag", found.etag.encode()),
        )
        if etag.is_known(found.etag, request.header(b"if-none-match")):
            return LeanAnswer(304, b"", headers, HTML)
        return LeanAnswer(200, found.body, headers, HTML)

    return [
        LeanRoute("POST", "/api/v1/events/{slug}/registrations", sign_up),
        LeanRoute("GET", "/api/v1/availability", availability),
        LeanRoute("GET", "/events", page),
        LeanRoute("GET", "/events/{slug}", page),
        LeanRoute("GET", "/", page),
    ]


def _too_long_a_key() -> dict[str, object]:
    return {
        "type": "string_too_long",
        "loc": ("header", "idempotency-key"),
        "msg": f"String should have at most {MAX_KEY} characters",
    }
