"""What a route's own errors are, said where the route is.

Invariant: a code stands in the OpenAPI document because its class is named at the route that
raises it, so it cannot be spelt in two ways. What every route has in common (a body that is not
JSON, a missing token, a rush) is added when the document is made (`services.documents`).
"""

from inspect import cleandoc
from typing import Any, Final

from services.kit.errors import EinlassError

CODES: Final = "x-codes"
"""The member of a response that lists the codes of its problem documents."""


def sentence(kind: type[EinlassError]) -> str:
    """What a person is told of an error of this class, in English."""
    return cleandoc(kind.__doc__ or "")


def fails(*kinds: type[EinlassError]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route that raises `kinds` beside what every route may raise: per status
    a description and, under `x-codes`, the codes of its problem documents."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, {"description": "", CODES: []})
        response["description"] = f"{response['description']} {sentence(kind)}".strip()
        response[CODES].append(kind.code)
    return responses
