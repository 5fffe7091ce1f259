"""Expected failures. Each has a type, an HTTP status and a stable code; its docstring is what
the person is told.

    EinlassError
    ├── NotFound            404 not_found
    ├── Invalid             422 invalid              (pointers to the bad fields)
    ├── BodyTooLarge        413 body_too_large
    ├── NotJson             400 not_json
    ├── CrossSite           403 cross_site
    ├── Unauthorized        401 unauthorized
    ├── Forbidden           403 forbidden
    ├── TooManyRequests     429 too_many_requests    (Retry-After)
    ├── Busy                503 busy                 (Retry-After)
    └── … those of each service, in its domain/errors.py

Unexpected failures are of no type of ours and become 500 `internal`.
"""

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import ClassVar


class EinlassError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    in_api: ClassVar[bool] = True
    """Whether an answer of the API may tell it; else only pages and background roles meet it."""
    retry_after: int | None = None

    def __init__(self, **extra: object) -> None:
        """`extra` are further members of the problem document (RFC 9457, 3.2)."""
        self.extra = extra
        super().__init__(self.detail)

    @property
    def detail(self) -> str:
        """The sentence for the person, in English; pages translate it."""
        return _sentence(type(self).__doc__)


@cache
def _sentence(doc: str | None) -> str:
    return inspect.cleandoc(doc or "")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field. `pointer` is a JSON Pointer into the body (RFC 6901, as a URI fragment),
    `code` is stable, `detail` is a sentence."""

    pointer: str
    code: str
    detail: str


class NotFound(EinlassError):
    """There is nothing at this address."""

    status, code = 404, "not_found"


class Invalid(EinlassError):
    """Some fields need another look."""

    status, code = 422, "invalid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(errors=[asdict(e) for e in self.errors])


class BodyTooLarge(EinlassError):
    """The request is too large."""

    status, code = 413, "body_too_large"


class NotJson(EinlassError):
    """The body of the request is not JSON."""

    status, code = 400, "not_json"


class CrossSite(EinlassError):
    """This form was sent from another site. Please open the page anew and try again."""

    status, code = 403, "cross_site"


class Unauthorized(EinlassError):
    """This needs a valid token."""

    status, code = 401, "unauthorized"


class Forbidden(EinlassError):
    """This needs another role."""

    status, code = 403, "forbidden"


class TooManyRequests(EinlassError):
    """Too many requests from here. Please wait a moment and try again."""

    status, code = 429, "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds."""
        super().__init__()
        self.retry_after = retry_after


class Busy(EinlassError):
    """There is a great rush. Please try again in a moment; nothing was lost."""

    status, code = 503, "busy"
    retry_after = 1
