"""Problem details (RFC 9457): every error of the JSON API has one form.

Invariant: `code` is stable and documented; `detail` is a sentence; nothing of the request but
pointers to its fields comes back.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.kit.errors import BodyTooLarge, EinlassError, FieldError, Invalid, NotFound, NotJson

MEDIA_TYPE = "application/problem+json"
TOO_LARGE = "einlass.too_large"
_UNREADABLE = "There was an error parsing the body"  # fastapi.routing
_encoded: dict[type[EinlassError], bytes] = {}


class ProblemField(BaseModel):
    """One bad field: `pointer` as RFC 6901 in a URI fragment, such as `#/email`."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[ProblemField] | None = None


def document(error: EinlassError) -> dict[str, Any]:
    """The members that tell of `error`."""
    return {
        "type": f"urn:einlass:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.extra,
    }


def encoded(error: EinlassError) -> bytes:
    """The document as JSON. One without members of its own says the same each time."""
    if error.extra:
        return orjson.dumps(document(error))
    found = _encoded.get(type(error))
    if found is None:
        found = _encoded[type(error)] = orjson.dumps(document(error))
    return found


def headers_of(error: EinlassError) -> dict[str, str]:
    """The header fields that go with it."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def of_error(error: EinlassError) -> Response:
    """The answer that tells of `error`."""
    return JSONResponse(document(error), error.status, headers_of(error), media_type=MEDIA_TYPE)


def of_validation(errors: Sequence[Any]) -> EinlassError:
    """The failure that pydantic's errors mean. Raises nothing."""
    if any(_says_not_json(e) for e in errors):
        return NotJson()
    if any(e["loc"][0] == "path" for e in errors):
        return NotFound()
    return Invalid(
        [
            FieldError(
                pointer="#" + "".join(f"/{_token(part)}" for part in e["loc"][1:]),
                code=e["type"],
                detail=e["msg"],
            )
            for e in errors
        ]
    )


def _says_not_json(error: Any) -> bool:
    """Whether there was no JSON object at all. A rule about several fields of an object that is
    there (`value_error`) stands at the body too."""
    of_the_body: bool = tuple(error["loc"]) == ("body",) and error["type"] != "value_error"
    return of_the_body or error["type"] == "json_invalid"


def _token(part: object) -> str:
    """A reference token in a URI fragment (RFC 6901, 6). What is no Unicode becomes `?`."""
    escaped = str(part).replace("~", "~0").replace("/", "~1")
    return quote(escaped, safe="~!$&'()*+,;=:@?", errors="replace")


def known(status: int) -> EinlassError:
    """The failure that an HTTP status of the framework means."""
    if status == 404:
        return NotFound()
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    kind: type[EinlassError] = type("HttpError", (EinlassError,), {"status": status, "code": code})
    kind.__doc__ = f"{HTTPStatus(status).phrase}."
    return kind()


def of_http(request: Request, error: HTTPException) -> EinlassError:
    """The failure that the framework's error means. It calls a body that the guard cut off a
    bad request; the guard left a note. Of bodies that are not JSON it tells some apart only by
    its words: those that are no UTF-8, too deep, or hold a number of thousands of digits."""
    if request.scope.get(TOO_LARGE):
        return BodyTooLarge()
    return NotJson() if error.detail == _UNREADABLE else known(error.status_code)
