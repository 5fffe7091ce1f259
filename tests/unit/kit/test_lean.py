"""The short way answers as the framework does."""

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from services.kit import web
from services.kit.errors import EinlassError, TooManyRequests
from services.kit.lean import LeanAnswer, LeanRequest, LeanRoute

PATH = "/api/v1/things/{name}/parts"


class Taken(EinlassError):
    """This part is taken."""

    status, code = 409, "taken"


async def decide(name: str, body: bytes, key: str | None) -> bytes:
    """What both ways do."""
    if name == "taken":
        raise Taken(by="nobody")
    if name == "rush":
        raise TooManyRequests(retry_after=7)
    if name == "away":
        raise ConnectionRefusedError
    if name == "broken":
        raise ValueError("somebody@example.org")
    return b'{"name":"%s","size":%d,"key":"%s"}' % (name.encode(), len(body), (key or "").encode())


async def lean(request: LeanRequest) -> LeanAnswer:
    body = await decide(request.part, request.body, request.header(b"idempotency-key"))
    return LeanAnswer(201, body)


def application(*, short: bool) -> FastAPI:
    app = web.create_app(
        "probe",
        version="1",
        public_url="https://einlass.test",
        needed={},
        lean=[LeanRoute("POST", PATH, lean)] if short else (),
    )

    @app.post(PATH, status_code=201)
    async def framework(request: Request, name: str) -> Response:
        key = request.headers.get("idempotency-key")
        body = await decide(name, await request.body(), key)
        return Response(body, 201, media_type="application/json")

    return app


async def ask(app: FastAPI, path: str, body: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://einlass.test") as client:
        return await client.post(path, content=body, headers={"Idempotency-Key": "k1"})


@pytest.mark.parametrize("name", ["wheel", "taken", "rush", "away", "broken"])
@pytest.mark.parametrize("size", [0, 10, 70_000])
async def test_both_ways_answer_alike(name: str, size: int) -> None:
    path, body = f"/api/v1/things/{name}/parts", b"x" * size
    short = await ask(application(short=True), path, body)
    long = await ask(application(short=False), path, body)
    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert dict(short.headers) == dict(long.headers)


async def test_other_paths_and_methods_go_the_long_way() -> None:
    app = application(short=True)
    assert (await ask(app, "/api/v1/things/a/b/parts", b"")).status_code == 404
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://einlass.test") as client:
        assert (await client.get("/api/v1/things/wheel/parts")).status_code == 405
