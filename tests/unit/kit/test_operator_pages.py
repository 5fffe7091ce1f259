"""Pages know an operator by the session's cookie, and lead everybody else to where they sign in."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from services.kit import problem
from services.kit.errors import EinlassError
from services.kit.operators import (
    Operator,
    RemoteIntrospection,
    Role,
    SignInFirst,
    is_admin_address,
    require_page,
    sign_in_at,
)
from services.kit.web import create_app

SESSIONS: dict[str, Role] = {"v": "viewer", "e": "editor", "a": "admin"}


async def _fine() -> None:
    return None


async def sessions(token: str) -> Operator | None:
    role = SESSIONS.get(token)
    return Operator("anna", role) if role else None


async def error_page(request: Request, error: EinlassError) -> Response:
    if isinstance(error, SignInFirst):
        return RedirectResponse(sign_in_at(request), 303)
    return problem.of_error(error)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application with a page for each role."""
    app = create_app(
        "test", version="0", public_url="http://a", needed={"x": _fine}, error_page=error_page
    )
    app.state.sessions = sessions

    def page(role: Role) -> None:
        @app.get(f"/admin/{role}/{{slug}}")
        async def show(who: Annotated[Operator, Depends(require_page(role))]) -> str:
            return who.name

    for role in ("viewer", "editor", "admin"):
        page(role)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as opened:
        yield opened


@pytest.mark.parametrize("token", ["v", "e", "a"])
@pytest.mark.parametrize("needed", ["viewer", "editor", "admin"])
async def test_a_role_may_what_it_may(client: httpx.AsyncClient, token: str, needed: str) -> None:
    answer = await client.get(
        f"/admin/{needed}/x", headers={"cookie": f"lang=de; einlass_session={token}"}
    )
    may = "vea".index(token) >= ["viewer", "editor", "admin"].index(needed)
    assert answer.status_code == (200 if may else 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "einlass_session="},
        {"cookie": "einlass_session=wrong"},
        {"cookie": "session=a"},
        # A token in the header is for the API: no page of ours ever sends one.
        {"authorization": "Bearer a"},
    ],
)
async def test_nobody_else_gets_further_than_the_sign_in(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get("/admin/viewer/käse?after=-5&show=all", headers=headers)
    assert answer.status_code == 303
    way = urlsplit(answer.headers["location"])
    assert way.path == "/admin/login"
    (back,) = parse_qs(way.query)["next"]
    assert back == "/admin/viewer/k%C3%A4se?after=-5&show=all"
    assert is_admin_address(back)


@pytest.mark.parametrize(
    "address",
    [
        "/admin",
        "/admin/",
        "/admin?x=1",
        "/admin/waitlist",
        "/admin/waitlist/k%C3%A4se?after=-1099511627776&done=priority",
        "/admin/waitlist/a/entries/01a21105-a9ae-7427-a895-4b2cf4a55d4c",
    ],
)
def test_pages_below_admin_are_led_to(address: str) -> None:
    assert is_admin_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "/events",
        "/administration",
        "//admin",
        "///admin/x",
        "https://boese.example.net/admin",
        "javascript:alert(1)//admin",
        "/admin/../events",
        "/admin/..",
        "/admin/./../events",
        "/admin/%2e%2e/events",
        "/admin/.%2E/events",
        "/admin\\..\\events",
        "/admin/%5c..%5cevents",
        "/admin/x y",
        "/admin/x\r\nSet-Cookie: a=b",
        "/admin/\t/x",
        "/admin/käse",
        ' /admin/"><script>',
    ],
)
def test_nothing_else_is(address: str) -> None:
    assert not is_admin_address(address)


async def test_a_session_is_asked_for_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(True)
        known = len(asked) == 1
        told = {"active": True, "username": "anna", "scope": "editor"}
        return httpx.Response(200, json=told if known else {"active": False})

    ours = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda **_: ours(transport=httpx.MockTransport(answer))
    )
    ask = RemoteIntrospection("http://registration", remember=False)
    assert await ask("session") == Operator("anna", "editor")
    assert await ask("session") is None
    assert len(asked) == 2
