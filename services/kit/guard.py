"""What every answer of every service passes: size limit, security headers, log and metrics.

Invariant: a body over 64 KiB, or over what its path is given, is refused before it is read; no
answer leaves without the security headers; a path is logged and counted as its route's template,
never with its token. HEAD is answered as GET is, without the body, also where that would never end.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import problem
from services.kit.errors import BodyTooLarge, EinlassError
from services.kit.measures import ANSWERS

log = structlog.get_logger(__name__)

MAX_BODY: Final = 64 * 1024
HEADLESS: Final = "einlass.headless"
"""In the scope of a request that asks by HEAD, which else looks like GET to the application."""

# No inline script and no inline style, nothing from elsewhere. JSON-LD is data, not script, and
# is not touched by script-src (HTML, "prepare the script element").
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # The Origin header of our own forms is needed against cross-site requests, and a stricter
    # policy would blank it; to other sites nothing is told.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


# A document that nobody is shown as a page needs no more (OWASP, REST Security Cheat Sheet).
DATA_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
_SECURE: Final = {"strict-transport-security": "max-age=31536000"}


def of_kind(media_type: str, *, secure: bool) -> dict[str, str]:
    """What every answer of this kind carries; `secure` where the public address is https."""
    kind = media_type.partition(";")[0]
    found = DATA_HEADERS if kind.endswith("json") else HEADERS
    return {**found, **_SECURE} if secure else found


# Whatever else somebody sends as a method would make a new time series of the metrics.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


Tell = Callable[[Request, Exception], Awaitable[Response]]


class Guard:
    """ASGI middleware. `secure` adds HSTS where the public address is https; `tell` answers a
    failure that nothing inside has answered. `larger`: for paths (regular expressions of the
    whole path) that take files, how many bytes a body may have."""

    def __init__(
        self, app: ASGIApp, *, secure: bool, tell: Tell, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._larger = [(re.compile(path), most) for path, most in (larger or {}).items()]
        self._tell = tell
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, started, headed = time.perf_counter(), 500, False, False
        headless = scope["method"] == "HEAD"
        method = scope["method"] if scope["method"] in METHODS else "other"
        if headless:
            scope = {**scope, "method": "GET", HEADLESS: True}

        async def guarded(message: Message) -> None:
            nonlocal status, started, headed
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = MutableHeaders(scope=message)
                told = of_kind(headers.get("content-type", ""), secure=self._secure)
                for name, value in told.items():
                    headers.setdefault(name, value)
                ANSWERS.of(method, _route(scope)).observe(time.perf_counter() - began)
            elif headless:
                headed = True
                await send({"type": "http.response.body"})
                if message.get("more_body"):
                    raise _Headed
                return
            await send(message)

        try:
            most = self._most(scope["path"])
            _refuse_declared(scope, most)
            await self._app(scope, _limited(scope, receive, most), guarded)
        except Exception as error:
            if headed:
                return
            if not isinstance(error, EinlassError):
                log.error("http.failed", route=_route(scope), exc_info=True)
            if started:
                raise
            expected = error if isinstance(error, EinlassError) else EinlassError()
            answer = await self._tell(Request(scope), expected)
            await answer(scope, receive, guarded)
        finally:
            ANSWERS.of(method, _route(scope)).count(status)
            if status >= 500:
                log.warning("http.status", method=method, route=_route(scope), status=status)

    def _most(self, path: str) -> int:
        return next((most for of, most in self._larger if of.fullmatch(path)), MAX_BODY)


class _Headed(Exception):
    """All that HEAD asks for has been sent; what follows is not needed."""


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "other")


def _refuse_declared(scope: Scope, most: int) -> None:
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise BodyTooLarge


def _limited(scope: Scope, receive: Receive, most: int) -> Receive:
    """`receive` that refuses more than `most` bytes, also where no length was declared."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            scope[problem.TOO_LARGE] = True
            raise BodyTooLarge
        return message

    return limited
