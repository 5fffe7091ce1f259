"""The web application that every service starts from.

Invariant: errors of the JSON API are problem documents; whoever answers pages gives
`error_page`, and gets every error of a path outside `/api/`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.kit import health, problem
from services.kit.db import is_infrastructure
from services.kit.errors import Busy, EinlassError
from services.kit.guard import Guard
from services.kit.lean import Lean, LeanRoute

log = structlog.get_logger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
ErrorPage = Callable[[Request, EinlassError], Awaitable[Response]]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": problem.Problem, "description": "A problem document (RFC 9457)."},
    "5XX": {"model": problem.Problem, "description": "A problem document (RFC 9457)."},
}


class _App(FastAPI):
    """An application whose lean routes are looked at before all of its middleware."""

    def __init__(self, *, lean: Lean, **options: Any) -> None:
        super().__init__(**options)
        self._lean = lean

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._lean.took(scope, receive, send):
            await super().__call__(scope, receive, send)


def create_app(
    title: str,
    *,
    version: str,
    public_url: str,
    needed: Mapping[str, health.Check],
    helpful: Mapping[str, health.Check] | None = None,
    lifespan: Lifespan | None = None,
    error_page: ErrorPage | None = None,
    lean: Sequence[LeanRoute] = (),
    larger: Mapping[str, int] | None = None,
) -> FastAPI:
    """An application with health, metrics, problem details and the guard. `lean` are routes that
    are also answered without the framework (kit.lean); `larger`: paths that take larger bodies
    (kit.guard).

    `app.state.stopping` is an event that is set when the process begins to end, so that open
    streams close.
    """

    @asynccontextmanager
    async def whole(app: FastAPI) -> AsyncIterator[None]:
        if lifespan is None:
            yield
        else:
            async with lifespan(app):
                yield

    app = _App(
        lean=Lean(lean, secure=public_url.startswith("https://")),
        title=title,
        version=version,
        lifespan=whole,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=PROBLEMS,
        redirect_slashes=False,
    )
    app.state.stopping = asyncio.Event()
    tell = _teller(error_page)
    secure = public_url.startswith("https://")
    app.add_middleware(Guard, secure=secure, tell=tell, larger=larger)
    app.router.routes.extend(
        health.routes(needed, helpful or {}, stopping=app.state.stopping.is_set)
    )
    for kind in (
        EinlassError,
        RequestValidationError,
        HTTPException,
        DBAPIError,
        PoolTimeout,
        OSError,
    ):
        app.add_exception_handler(kind, tell)
    return app


def _teller(page: ErrorPage | None) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler of every failure: a problem document for the JSON API, `page` for the rest."""

    async def tell(request: Request, error: Exception) -> Response:
        failure = _failure(request, error)
        if page is None or request.url.path.startswith("/api/"):
            answer = problem.of_error(failure)
        else:
            answer = await page(request, failure)
        if isinstance(error, HTTPException):
            answer.headers.update(error.headers or {})
        return answer

    return tell


def _failure(request: Request, error: Exception) -> EinlassError:
    """The expected failure that `error` means. Raises `error` where nobody expected it."""
    if isinstance(error, EinlassError):
        return error
    if isinstance(error, RequestValidationError):
        return problem.of_validation(error.errors())
    if isinstance(error, HTTPException):
        return problem.of_http(request, error)
    if is_infrastructure(error):
        log.warning("http.servers", error=type(error).__name__)
        return Busy()
    raise error


def client_of(request: Request) -> str:
    """The client's address, as the trusted gateway told it."""
    return request.client.host if request.client else "unknown"
