"""The application that every service starts from: limits, headers, errors, logs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
import structlog
from fastapi import Depends, FastAPI, Header, Request
from prometheus_client import REGISTRY
from pydantic import AfterValidator, BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from services.kit.csrf import check_origin
from services.kit.errors import Busy, EinlassError, TooManyRequests
from services.kit.guard import DATA_HEADERS, HEADERS, MAX_BODY
from services.kit.text import kept
from services.kit.web import create_app


class Body(BaseModel):
    """What the test application is sent."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, AfterValidator(kept)]
    number: int = 0
    free: dict[str, Any] = {}


class _Lost(Exception):
    sqlstate = "57P01"


class _Broken(Exception):
    sqlstate = "23505"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A log for people would draw every unexpected failure with all its variables."""
    with structlog.testing.capture_logs():
        yield


async def _fine() -> None:
    return None


async def _page(request: Request, error: EinlassError) -> Response:
    return PlainTextResponse(f"Seite: {error.code}", error.status)


def made(public_url: str = "http://127.0.0.1") -> FastAPI:
    app = create_app(
        "test",
        version="0",
        public_url=public_url,
        needed={"x": _fine},
        error_page=_page,
        larger={"/file/[^/]+": 2 * MAX_BODY},
    )

    @app.post("/api/things/{name}")
    async def take(name: str, body: Body, key: Annotated[str | None, Header()] = None) -> Body:
        return body

    @app.post("/file/{name:path}")
    @app.post("/form", dependencies=[Depends(check_origin)])
    async def form(request: Request) -> str:
        return (await request.body()).decode()

    @app.get("/api/raise/{what}")
    async def fail(what: str) -> None:
        raise {
            "expected": TooManyRequests(7),
            "unexpected": RuntimeError("geheim@example.org"),
            "lost": DBAPIError("SELECT geheim", {}, _Lost()),
            "broken": DBAPIError("SELECT geheim", {}, _Broken()),
            "pool": PoolTimeout("QueuePool limit"),
            "refused": ConnectionRefusedError("geheim"),
        }[what]

    @app.get("/api/endless")
    async def endless() -> StreamingResponse:
        async def flow() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)

        return StreamingResponse(flow())

    @app.get("/api/late")
    async def late() -> StreamingResponse:
        async def flow() -> AsyncIterator[bytes]:
            yield b"x"
            raise Busy

        return StreamingResponse(flow())

    @app.get("/own-policy")
    async def own() -> Response:
        return Response("ok", headers={"content-security-policy": "default-src 'self'"})

    return app


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the application, without a socket."""
    transport = httpx.ASGITransport(app=made(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://anmeldung") as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/things/a", 200),
        ("GET", "/api/nowhere", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/api/things/a", 405),
        ("GET", "/api/raise/expected", 429),
        ("GET", "/api/raise/unexpected", 500),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
    ],
)
async def test_no_answer_leaves_without_the_headers(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, json={"text": "a"} if method == "POST" else None)
    assert answer.status_code == status
    data = answer.headers["content-type"].endswith("json")
    for name, value in (DATA_HEADERS if data else HEADERS).items():
        assert answer.headers[name] == value
    assert "strict-transport-security" not in answer.headers


async def test_a_page_may_set_a_policy_of_its_own(client: httpx.AsyncClient) -> None:
    answer = await client.get("/own-policy")
    assert answer.headers["content-security-policy"] == "default-src 'self'"


async def test_https_is_kept_to(client: httpx.AsyncClient) -> None:
    transport = httpx.ASGITransport(app=made("https://anmeldung.example.org"))
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as secure:
        assert "strict-transport-security" in (await secure.get("/healthz")).headers


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_is_64_kib_at_most(client: httpx.AsyncClient, declared: bool) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 8192):
            yield b"a" * min(8192, size - start)

    async def send(path: str, size: int) -> httpx.Response:
        content: Any = b"a" * size if declared else chunks(size)
        headers = {"sec-fetch-site": "same-origin", "content-type": "application/json"}
        return await client.post(path, content=content, headers=headers)

    assert (await send("/form", MAX_BODY)).status_code == 200
    page = await send("/form", MAX_BODY + 1)
    assert (page.status_code, page.text) == (413, "Seite: body_too_large")
    told = await send("/api/things/a", MAX_BODY + 1)
    assert (told.status_code, told.json()["code"]) == (413, "body_too_large")
    assert (await send("/file/a", 2 * MAX_BODY)).status_code == 200
    assert (await send("/file/a", 2 * MAX_BODY + 1)).status_code == 413
    assert (await send("/file/a/b", MAX_BODY + 1)).status_code == 413


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'{"text": "\xff"}', 400, "not_json"),
        (b"[" * 60_000, 400, "not_json"),
        (b'{"number": ' + b"9" * 5000 + b"}", 400, "not_json"),
        (b"[]", 400, "not_json"),
        (b"null", 400, "not_json"),
        (b'"text"', 400, "not_json"),
        (b"{}", 422, "invalid"),
        (b'{"text": 1}', 422, "invalid"),
        (b'{"text": "\\ud800"}', 422, "invalid"),
        (b'{"text": "a", "x\\ud800": 1}', 400, "not_json"),
        (b'{"text": "a", "number": NaN}', 422, "invalid"),
        (b'{"text": "a", "number": Infinity}', 422, "invalid"),
        (b'{"text": "a", "number": 1e400}', 422, "invalid"),
    ],
)
async def test_a_body_that_is_none_is_told_apart(
    client: httpx.AsyncClient, sent: bytes, status: int, code: str
) -> None:
    answer = await client.post(
        "/api/things/a", content=sent, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_of_another_kind_is_not_json(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/things/a", content=b"text=a", headers={"content-type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "not_json")


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    head, get = await client.head("/own-policy"), await client.get("/own-policy")
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


async def test_head_of_a_stream_ends() -> None:
    sent: list[Any] = []
    ended = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            ended.set()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": "HEAD",
        "path": "/api/endless",
        "raw_path": b"/api/endless",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "server": ("anmeldung", 80),
        "client": ("127.0.0.1", 1),
    }
    async with asyncio.timeout(3):
        await made()(scope, receive, send)
    assert ended.is_set()
    assert sent[0]["status"] == 200
    assert all(not message.get("body") for message in sent)


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("expected", 429, "too_many_requests"),
        ("unexpected", 500, "internal"),
        ("lost", 503, "busy"),
        ("broken", 500, "internal"),
        ("pool", 503, "busy"),
        ("refused", 503, "busy"),
    ],
)
async def test_a_failure_is_told_by_its_kind_and_no_more(
    client: httpx.AsyncClient, what: str, status: int, code: str
) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = await client.get(f"/api/raise/{what}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert "geheim" not in answer.text
    if status == 500:
        assert any(entry["event"] == "http.failed" for entry in logged)
    assert all(entry.get("route", "/api/raise/{what}") == "/api/raise/{what}" for entry in logged)


async def test_an_answer_that_breaks_off_is_not_answered_twice(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/late")
    assert (answer.status_code, answer.content) == (200, b"x")


async def test_what_is_counted_is_the_route_and_a_known_method(client: httpx.AsyncClient) -> None:
    await client.post("/api/things/geheim-1", json={"text": "a"})
    await client.request("GEHEIM", "/api/things/geheim-2")
    await client.get("/api/geheim-3")
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            assert "geheim" not in "".join(sample.labels.values()).lower()


async def test_a_form_of_another_site_gets_a_page_of_ours(client: httpx.AsyncClient) -> None:
    answer = await client.post("/form", headers={"sec-fetch-site": "cross-site"})
    assert (answer.status_code, answer.text) == (403, "Seite: cross_site")
