"""The routes that a rush goes to, answered without the framework.

Each is also a route of `api.py`, which documents it, and both say the same through the same
functions.
"""

from typing import Any

import orjson
from pydantic import ValidationError

from services.kit import problem
from services.kit.errors import NotJson
from services.kit.lean import HTML, LeanAnswer, LeanRequest, LeanRoute
from services.registration.board import Board
from services.registration.kept import HEADERS, KeptPages, language_of
from services.registration.schemas import SignUpIn
from services.registration.service import Service, SignedUp

MAX_KEY = 200


def parse(body: bytes) -> SignUpIn:
    """The sign-up in a request's body. Raises Invalid, NotJson."""
    try:
        return SignUpIn.model_validate_json(body)
    except ValidationError as error:
        raise problem.of_validation(
            [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
        ) from error


def signed_up(done: SignedUp) -> bytes:
    """SignedUpOut as JSON, without the model."""
    told: dict[str, Any] = {"id": str(done.id), "status": done.status, "seats": done.seats}
    if done.position is not None:
        told["position"] = done.position
    told["manage_url"] = done.manage_url
    return orjson.dumps(told)


def routes(service: Service, board: Board, kept: KeptPages) -> list[LeanRoute]:
    """Signing up, all lights at once, and the pages that are kept."""

    async def sign_up(request: LeanRequest) -> LeanAnswer:
        key = request.header(b"idempotency-key")
        if key is not None and len(key) > MAX_KEY:
            raise problem.of_validation([_too_long_a_key()])
        if not request.says_json():
            raise NotJson
        sent = parse(request.body).form()
        done = await service.sign_up(request.part, sent, key, request.client)
        return LeanAnswer(201, signed_up(done))

    async def availability(request: LeanRequest) -> LeanAnswer:
        found = board.availability
        known = request.header(b"if-none-match")
        headers = ((b"etag", found.etag.encode()), (b"cache-control", b"public, max-age=1"))
        if known is not None and found.etag in known:
            return LeanAnswer(304, b"", headers)
        return LeanAnswer(200, found.body, headers)

    async def page(request: LeanRequest) -> LeanAnswer | None:
        if b"lang=" in request.query:  # sets a cookie
            return None
        locale = language_of(None, request.header(b"cookie"), request.header(b"accept-language"))
        found = kept.find((request.path, request.query, locale))
        if found is None:
            return None
        headers = (
            (b"content-language", locale.encode()),
            *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
            (b"etag", found.etag.encode()),
        )
        if found.is_known(request.header(b"if-none-match")):
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
