"""Roles of operators, and what the other services remember of them."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends

from services.kit import operators
from services.kit.errors import Busy
from services.kit.operators import Operator, RemoteIntrospection, Role, require
from services.kit.web import create_app

TOKENS: dict[str, Role] = {"v": "viewer", "e": "editor", "a": "admin"}


async def _fine() -> None:
    return None


async def introspection(token: str) -> Operator | None:
    role = TOKENS.get(token)
    return Operator("anna", role) if role else None


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application with a route for each role."""
    app = create_app("test", version="0", public_url="http://a", needed={"x": _fine})
    app.state.introspection = introspection

    def route(role: Role) -> None:
        @app.get(f"/api/{role}")
        async def show(who: Annotated[Operator, Depends(require(role))]) -> str:
            return who.name

    for role in ("viewer", "editor", "admin"):
        route(role)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as opened:
        yield opened


@pytest.mark.parametrize("token", ["v", "e", "a"])
@pytest.mark.parametrize("needed", ["viewer", "editor", "admin"])
async def test_a_role_may_what_it_may(client: httpx.AsyncClient, token: str, needed: str) -> None:
    answer = await client.get(f"/api/{needed}", headers={"authorization": f"Bearer {token}"})
    may = "vea".index(token) >= ["viewer", "editor", "admin"].index(needed)
    assert answer.status_code == (200 if may else 403)
    if not may:
        assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dmE6", "v", "bearer  v"]
)
async def test_nobody_else_may_anything(
    client: httpx.AsyncClient, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await client.get("/api/viewer", headers=headers)
    if answer.status_code == 200:  # spaces between are not the token's
        assert authorization == "bearer  v"
        return
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


class Registration:
    """The introspection of registration, without a socket."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[str], httpx.Response] = self.known

    def known(self, token: str) -> httpx.Response:
        if token in TOKENS:
            return httpx.Response(
                200, json={"active": True, "username": "anna", "scope": TOKENS[token]}
            )
        return httpx.Response(200, json={"active": False})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert request.url == "http://registration/internal/introspection"
        return self.answer(httpx.QueryParams(request.content.decode())["token"])


@pytest.fixture
def registration(monkeypatch: pytest.MonkeyPatch) -> Registration:
    """Whoever asks over HTTP asks this one."""
    made = Registration()
    ours = httpx.AsyncClient

    def opened(**options: object) -> httpx.AsyncClient:
        return ours(transport=httpx.MockTransport(made))

    monkeypatch.setattr(httpx, "AsyncClient", opened)
    return made


async def test_the_answer_is_remembered_for_some_seconds(
    registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = RemoteIntrospection("http://registration")
    for _ in range(5):
        assert await ask("e") == Operator("anna", "editor")
        assert await ask("nobody") is None
    assert registration.asked == 2
    registration.answer = lambda token: httpx.Response(200, json={"active": False})
    assert await ask("e") == Operator("anna", "editor")
    monkeypatch.setattr(operators, "REMEMBER_SECONDS", 0)
    ask = RemoteIntrospection("http://registration")
    assert await ask("e") is None
    registration.answer = registration.known
    assert await ask("e") == Operator("anna", "editor")


async def test_a_token_is_not_kept_in_the_clear(registration: Registration) -> None:
    ask = RemoteIntrospection("http://registration")
    await ask("a")
    assert all(key != b"a" and len(key) == 32 for key in ask._known)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(503), httpx.ConnectError("away"), httpx.ReadTimeout("")],
)
async def test_registration_being_away_is_a_rush_and_not_remembered(
    registration: Registration, answer: httpx.Response | Exception
) -> None:
    ask = RemoteIntrospection("http://registration")

    def away(_: str) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    known, registration.answer = registration.answer, away
    with pytest.raises(Busy):
        await ask("a")
    registration.answer = known
    assert await ask("a") == Operator("anna", "admin")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "<html>",
        json.dumps({"active": True}),
        json.dumps({"active": True, "username": "anna", "scope": "emperor"}),
    ],
)
async def test_an_answer_that_is_none_is_a_rush_too(registration: Registration, body: str) -> None:
    registration.answer = lambda _: httpx.Response(200, text=body)
    with pytest.raises(Busy):
        await RemoteIntrospection("http://registration")("a")
