"""Health of a process: `/healthz` it runs, `/readyz` it can do its work, `/metrics`.

Invariant: only a server without which the process can do nothing makes it unavailable; one
that it can do without makes it degraded, and it stays in service.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[None]]
State = Literal["ready", "degraded", "unavailable"]


async def _passes(check: Check) -> bool:
    try:
        await asyncio.wait_for(check(), 2)
    except Exception:
        return False
    return True


async def examine(
    needed: Mapping[str, Check], helpful: Mapping[str, Check]
) -> tuple[State, dict[str, bool]]:
    """Runs all checks at once, 2 s each at most."""
    checks = {**needed, **helpful}
    passed = dict(zip(checks, await asyncio.gather(*map(_passes, checks.values())), strict=True))
    if not all(passed[name] for name in needed):
        return "unavailable", passed
    return ("ready" if all(passed.values()) else "degraded"), passed


def routes(
    needed: Mapping[str, Check],
    helpful: Mapping[str, Check],
    stopping: Callable[[], bool] = lambda: False,
) -> list[Route]:
    """The three routes; the gateway does not serve them to the public."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        state, passed = await examine(needed, helpful)
        if stopping():
            state = "unavailable"
        return JSONResponse(
            {"status": state, "checks": {k: "ok" if v else "failed" for k, v in passed.items()}},
            status_code=503 if state == "unavailable" else 200,
        )

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]
