"""The short way to an answer, for the few routes that a rush goes to.

Invariant: the answers are those of the same route in the framework: the same size limit, the same
security headers, the same problem documents, the same metrics. Only what the framework does for
any route is left out (docs/decisions/0010).
"""

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send

from services.kit import guard, problem
from services.kit.db import is_infrastructure
from services.kit.errors import BodyTooLarge, Busy, EinlassError
from services.kit.measures import ANSWERS, Route

log = structlog.get_logger(__name__)

JSON: Final = (b"content-type", b"application/json")
HTML: Final = (b"content-type", b"text/html; charset=utf-8")
PROBLEM: Final = (b"content-type", problem.MEDIA_TYPE.encode())

Headers = list[tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client has gone before its request was whole."""


@dataclass(slots=True)
class LeanRequest:
    """`part` is the one variable part of the path; `client` the address as the gateway told it;
    `query` what follows the question mark."""

    path: str
    part: str
    query: bytes
    headers: Headers
    client: str
    body: bytes

    def header(self, name: bytes) -> str | None:
        """The value of a header, given in small letters."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def says_json(self) -> bool:
        """Whether the body is said to be JSON, as the framework judges it. A form of another
        site can send any other kind without a question asked first (Fetch, CORS-safelisted)."""
        kind = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        plain = kind == "application/json"
        return plain or (kind.startswith("application/") and kind.endswith("+json"))


@dataclass(slots=True)
class LeanAnswer:
    """`headers` beside the usual ones of its kind."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    kind: tuple[bytes, bytes] = JSON


@dataclass(frozen=True, slots=True)
class LeanRoute:
    """`path` is the framework's template, with one part in braces or none. A GET that `answer`
    has none for goes to the framework."""

    method: str
    path: str
    answer: Callable[[LeanRequest], Awaitable[LeanAnswer | None]]

    def pattern(self) -> re.Pattern[str]:
        """What the path must match."""
        return re.compile(re.sub(r"\{\w+\}", "([^/]+)", self.path) + r"\Z")


class Lean:
    """The lean routes of one application."""

    def __init__(self, routes: Sequence[LeanRoute], *, secure: bool) -> None:
        self._routes = [
            (
                route.method,
                route.path.split("{")[0],
                route.pattern(),
                route,
                ANSWERS.of(route.method, route.path),
            )
            for route in routes
        ]
        self._of_data = _encoded("application/json", secure=secure)
        # Those of a 304 too: a cache gives them to what it keeps, and data takes no harm.
        self._of_pages = _encoded("text/html", secure=secure)

    async def took(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answers the request if it is for one of the routes; whether it was."""
        if scope["type"] != "http":
            return False
        path, method = scope["path"], scope["method"]
        for wanted, prefix, pattern, route, measures in self._routes:
            if method == wanted and path.startswith(prefix):
                found = pattern.match(path)
                if found is not None:
                    part = found.group(1) if pattern.groups else ""
                    return await self._answer(scope, receive, send, part, route, measures)
        return False

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        part: str,
        route: LeanRoute,
        measures: Route,
    ) -> bool:
        began = time.perf_counter()
        try:
            body = await _body(scope, receive)
            client = scope.get("client")
            request = LeanRequest(
                path=scope["path"],
                part=part,
                query=scope["query_string"],
                headers=scope["headers"],
                client=client[0] if client else "unknown",
                body=body,
            )
            answer = await route.answer(request)
        except Disconnected:
            return True
        except Exception as error:
            answer = _told(error, route)
        if answer is None:
            return False
        measures.observe(time.perf_counter() - began)
        measures.count(answer.status)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    *_about(answer),
                    *(self._of_pages if _of_page(answer) else self._of_data),
                    *answer.headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})
        return True


def _encoded(media_type: str, *, secure: bool) -> Headers:
    told = guard.of_kind(media_type, secure=secure)
    return [(name.encode(), value.encode()) for name, value in told.items()]


def _of_page(answer: LeanAnswer) -> bool:
    return answer.status == 304 or answer.kind is HTML


def _about(answer: LeanAnswer) -> Headers:
    """What is said of the body, where there may be one (RFC 9110, 15.4.5)."""
    length = (b"content-length", b"%d" % len(answer.body))
    return [] if answer.status == 304 else [answer.kind, length]


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises BodyTooLarge, Disconnected."""
    if scope["method"] == "GET":
        return b""
    parts: list[bytes] = []
    taken = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        taken += len(part)
        if taken > guard.MAX_BODY:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return part if not parts else b"".join((*parts, part))
        parts.append(part)


def _told(error: Exception, route: LeanRoute) -> LeanAnswer:
    """The problem document that tells of `error`."""
    if isinstance(error, EinlassError):
        failure = error
    elif is_infrastructure(error):
        log.warning("http.servers", error=type(error).__name__)
        failure = Busy()
    else:
        log.error("http.failed", route=route.path, exc_info=error)
        failure = EinlassError()
    headers = tuple(
        (name.lower().encode(), value.encode())
        for name, value in problem.headers_of(failure).items()
    )
    return LeanAnswer(failure.status, problem.encoded(failure), headers, PROBLEM)
