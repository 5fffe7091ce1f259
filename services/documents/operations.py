"""One operation as readers and generators of clients want it.

Invariant: every way in which an operation may fail is a problem document with its codes: those
that the route names (`kit.openapi.fails`), and those that follow from what it takes.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from services.documents import words
from services.documents.codes import codes
from services.documents.routes import Route
from services.kit.errors import (
    BodyTooLarge,
    Busy,
    EinlassError,
    Forbidden,
    Invalid,
    NotFound,
    NotJson,
    Unauthorized,
)
from services.kit.openapi import CODES
from services.kit.problem import MEDIA_TYPE

Object = dict[str, Any]

EVENT_STREAM: Final = "text/event-stream"
RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds after which to try again (RFC 9110, 10.2.3).",
        "schema": {"type": "integer", "minimum": 1},
    }
}
CHALLENGE: Final = {
    "WWW-Authenticate": {"description": "`Bearer` (RFC 6750).", "schema": {"type": "string"}}
}
HEADERS: Final[Mapping[int, Object]] = {401: CHALLENGE, 429: RETRY_AFTER, 503: RETRY_AFTER}


class Problems:
    """The answers that tell of failures; each set of codes is one component."""

    def __init__(self) -> None:
        self._made: Object = {}

    def reference(self, names: Sequence[str]) -> Object:
        """A reference to the answer with one of these codes, all of one status."""
        key = ".".join(names)
        self._made.setdefault(key, _problem(names))
        return {"$ref": f"#/components/responses/{key}"}

    @property
    def components(self) -> Object:
        """The answers by their names."""
        return dict(sorted(self._made.items()))


def _problem(names: Sequence[str]) -> Object:
    found = [codes()[name] for name in names]
    made: Object = {"description": "\n".join(f"`{one.code}`: {one.detail}" for one in found)}
    if found[0].status in HEADERS:
        made["headers"] = HEADERS[found[0].status]
    made["content"] = {
        MEDIA_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {name: {"$ref": f"#/components/examples/{name}"} for name in names},
        }
    }
    return made


def operation(path: str, raw: Object, route: Route, problems: Problems) -> Object:
    """The operation of a route from what FastAPI says of it (`raw`)."""
    summary, description = _said(raw, route)
    made: Object = {"tags": raw.get("tags", []), "operationId": route.name, "summary": summary}
    if description:
        made["description"] = description
    parameters = [_parameter(one) for one in raw.get("parameters", [])]
    if parameters:
        made["parameters"] = parameters
    if "requestBody" in raw:
        made["requestBody"] = raw["requestBody"]
    if raw.get("security"):
        made["security"] = [_security(path, route)]
    made["responses"] = dict(_responses(raw, made, problems))
    return made


def _said(raw: Object, route: Route) -> tuple[str, str]:
    """Summary and description. A summary that only says the function's name again gives way to
    the beginning of its docstring, up to the first full stop, colon or semicolon."""
    description = " ".join(raw.get("description", "").split())
    if raw["summary"] != route.name.replace("_", " ").title() or not description:
        return raw["summary"], description
    parts = re.split(r"[.:;] ", description, maxsplit=1)
    rest = parts[1][:1].upper() + parts[1][1:] if len(parts) == 2 else ""
    return parts[0].removesuffix(".").replace("`", ""), rest


def _parameter(raw: Object) -> Object:
    """A parameter under its usual spelling. It may be left out but never be null."""
    name = raw["name"]
    if raw["in"] == "header":
        name = "-".join(part.capitalize() for part in name.split("-"))
    schema = raw["schema"]
    variants = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(variants) == 1:
        rest = {key: one for key, one in schema.items() if key != "anyOf"}
        schema = {**rest, **variants[0]}
    description = raw.get("description") or schema.get("description")
    made = {"name": name, "in": raw["in"], "required": raw.get("required", False)}
    if description or name in words.PARAMETERS:
        made["description"] = description or words.PARAMETERS[name]
    return {
        **made,
        "schema": {key: one for key, one in schema.items() if key not in ("title", "description")},
    }


def _security(path: str, route: Route) -> Object:
    if path.startswith(words.ADMIN):
        return {words.OPERATOR: [route.role] if route.role else []}
    return {words.BOUNCE if path == words.BOUNCES else words.MANAGE: []}


def _responses(raw: Object, made: Object, problems: Problems) -> Iterator[tuple[str, Object]]:
    for status, response in raw["responses"].items():
        if status[0] in "23":
            yield status, _success(status, response)
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys((*_named(raw), *_common(made))):
        by_status[codes()[code].status].append(code)
    for number in sorted(by_status):
        yield str(number), problems.reference(by_status[number])


def _success(status: str, response: Object) -> Object:
    said = response["description"]
    if said == "Successful Response":
        said = f"{HTTPStatus(int(status)).phrase}."
    made: Object = {**response, "description": said}
    # FastAPI describes a stream by a keyword of OpenAPI 3.2; in 3.1 it is a text.
    if EVENT_STREAM in response.get("content", {}):
        stream = {"schema": {"type": "string"}, "example": words.STREAM}
        made["content"] = {EVENT_STREAM: stream}
    return made


def _named(raw: Object) -> Iterator[str]:
    """The codes that the route itself names."""
    for response in raw["responses"].values():
        yield from response.get(CODES, ())


def _common(made: Object) -> Iterator[str]:
    """The codes that follow from what an operation takes."""
    kinds: list[type[EinlassError]] = []
    parameters = made.get("parameters", [])
    for requirement in made.get("security", ()):
        kinds.append(Unauthorized)
        if words.OPERATOR in requirement:
            kinds.append(Forbidden)
    if any(one["in"] == "path" for one in parameters):
        kinds.append(NotFound)
    if "requestBody" in made:
        kinds += [NotJson, BodyTooLarge, Invalid]
    if any(one["in"] != "path" and one["schema"] != {"type": "string"} for one in parameters):
        kinds.append(Invalid)
    kinds += [Busy, EinlassError]
    yield from (kind.code for kind in kinds)
