"""Operators sign in and out, over the whole application with its database and Redis."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import redis.asyncio as aioredis
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.local import Stack
from services.kit.operators import Role
from services.registration import operators, sign_in
from services.registration.app import create_app
from services.registration.operators import Credentials
from services.registration.sessions import SESSION_SECONDS
from services.registration.settings import RegistrationSettings
from tests.integration.registration.harness import NO_REDIS, House, until

pytestmark = pytest.mark.stack

PUBLIC = "http://anmeldung.example.org"
Open = Callable[..., Any]


@dataclass
class Door:
    """An application at whose door one stands."""

    client: httpx.AsyncClient
    house: House
    redis: aioredis.Redis

    async def operator(self, role: Role = "editor") -> Credentials:
        return await operators.create(self.house.db, f"{role}-{uuid4().hex}", role)

    async def sign_in(
        self, name: str, password: str, *, next: str = "", address: str = "203.0.113.7"
    ) -> httpx.Response:
        """What the form answers to a browser without cookies."""
        self.client.cookies.clear()
        return await self.client.post(
            "/admin/login",
            data={"name": name, "password": password, "next": next},
            headers={"origin": PUBLIC, "x-test-client": address},
        )

    async def session(self, who: Credentials) -> str:
        """The token of a new session."""
        answer = await self.sign_in(who.name, who.password)
        assert answer.status_code == 303, answer.text
        return cookie_of(answer).value

    async def whose(self, token: str) -> dict[str, Any]:
        answer = await self.client.post("/internal/introspection", data={"token": token})
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


def cookie_of(answer: httpx.Response) -> "Morsel[str]":
    """The session's cookie in an answer."""
    (header,) = answer.headers.get_list("set-cookie")
    return SimpleCookie(header)["einlass_session"]


class Addressed:
    """The application behind a gateway that tells the client's address."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told = dict(scope["headers"]).get(b"x-test-client", b"203.0.113.7").decode()
        await self._app({**scope, "client": (told, 1)}, receive, send)


@pytest_asyncio.fixture
async def opened(stack: Stack, registration_url: str, house: House) -> AsyncIterator[Open]:
    """Opens doors with settings of their own."""
    given = stack.environment()

    @asynccontextmanager
    async def door(**changes: Any) -> AsyncIterator[Door]:
        settings = {
            "database_url": registration_url,
            "redis_url": given["EINLASS_REDIS_URL"],
            "kafka_bootstrap": given["EINLASS_KAFKA_BOOTSTRAP"],
            "public_url": PUBLIC,
            "secret_key": given["EINLASS_SECRET_KEY"],
            "rate_limits": "off",
            **changes,
        }
        app = create_app(RegistrationSettings.model_validate(settings))
        redis = aioredis.from_url(given["EINLASS_REDIS_URL"], decode_responses=True)
        transport = httpx.ASGITransport(Addressed(app))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client,
        ):
            yield Door(client, house, redis)
        await redis.aclose()

    yield door


@pytest_asyncio.fixture
async def door(opened: Open) -> AsyncIterator[Door]:
    async with opened() as one:
        yield one


async def test_name_and_password_begin_a_session(door: Door) -> None:
    who = await door.operator("viewer")
    answer = await door.sign_in(who.name, who.password)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
    cookie = cookie_of(answer)
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/admin", True, "lax")
    assert not cookie["secure"]
    # Gone with the browser; how long it lives without being used is Redis's to know.
    assert not cookie["max-age"]
    assert not cookie["expires"]
    told = await door.whose(cookie.value)
    assert told == {"active": True, "username": who.name, "scope": "viewer"}


async def test_over_https_the_cookie_goes_over_https_alone(opened: Open) -> None:
    async with opened(public_url="https://anmeldung.example.org") as door:
        who = await door.operator()
        answer = await door.client.post(
            "/admin/login",
            data={"name": who.name, "password": who.password},
            headers={"sec-fetch-site": "same-origin"},
        )
        assert cookie_of(answer)["secure"]


async def test_a_wrong_password_and_an_unknown_name_are_told_the_same(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    check = operators.is_password

    def noted(password: str, hashed: str) -> bool:
        looked_at.append(hashed.split("$")[1])
        return check(password, hashed)

    monkeypatch.setattr("services.registration.sign_in.is_password", noted)
    who = await door.operator()
    answers = [
        await door.sign_in(who.name, "falsch"),
        await door.sign_in(f"x{who.name[1:]}", who.password),
        await door.sign_in(f"{who.name}\0", who.password),
        await door.sign_in("", ""),
    ]
    pages = set()
    for answer in answers:
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        pages.add(re.sub(r'(name="name") value="[^"]*"', r"\1", answer.text))
    assert len(pages) == 1
    # Each has cost the same work.
    assert looked_at == ["131072"] * 4


async def test_what_was_typed_stays_but_the_password(door: Door) -> None:
    answer = await door.sign_in('a"<b>', "gehe1m", next="/admin/waitlist/kurs")
    assert "gehe1m" not in answer.text
    assert 'value="a&#34;&lt;b&gt;"' in answer.text
    assert 'name="next" value="/admin/waitlist/kurs"' in answer.text


@pytest.mark.parametrize(
    ("wish", "led"),
    [
        ("/admin/waitlist/kurs?after=-3", "/admin/waitlist/kurs?after=-3"),
        ("https://boese.example.net/admin", "/admin"),
        ("//boese.example.net/admin", "/admin"),
        ("/admin/../events", "/admin"),
        ("/events", "/admin"),
        ("", "/admin"),
    ],
)
async def test_one_is_led_on_below_admin_alone(door: Door, wish: str, led: str) -> None:
    who = await door.operator()
    answer = await door.sign_in(who.name, who.password, next=wish)
    assert answer.headers["location"] == led
    form = await door.client.get("/admin/login", params={"next": wish, "out": "everywhere"})
    assert f'name="next" value="{led if led == wish else ""}"' in form.text


async def test_whoever_has_signed_in_is_led_on_without_the_form(door: Door) -> None:
    token = await door.session(await door.operator())
    headers = {"cookie": f"einlass_session={token}"}
    answer = await door.client.get("/admin/login?next=/admin/waitlist/a", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/waitlist/a")
    answer = await door.client.get("/admin/login", headers={"cookie": "einlass_session=wrong"})
    assert answer.status_code == 200


async def test_the_token_is_kept_as_a_hash_alone(door: Door) -> None:
    before = set(await door.redis.keys("einlass:session:*"))
    token = await door.session(await door.operator())
    (key,) = set(await door.redis.keys("einlass:session:*")) - before
    assert token not in key
    assert token not in str(await door.redis.get(key))
    assert await door.redis.ttl(key) in range(SESSION_SECONDS - 60, SESSION_SECONDS + 1)


async def test_a_session_lives_on_while_it_is_used_and_then_ends(door: Door) -> None:
    before = set(await door.redis.keys("einlass:session:*"))
    token = await door.session(await door.operator())
    (key,) = set(await door.redis.keys("einlass:session:*")) - before
    await door.redis.expire(key, 100)
    assert (await door.whose(token))["active"]
    assert await door.redis.ttl(key) > 100
    await door.redis.pexpire(key, 1)

    async def ended() -> bool:
        return await door.redis.exists(key) == 0

    await until(ended)
    assert await door.whose(token) == {"active": False}


async def test_role_and_removal_count_at_once(door: Door) -> None:
    who = await door.operator("admin")
    token = await door.session(who)
    async with door.house.db.transaction() as conn:
        await conn.exec_driver_sql(
            "UPDATE operator SET role = 'viewer' WHERE name = $1", (who.name,)
        )
    assert (await door.whose(token))["scope"] == "viewer"
    await operators.remove(door.house.db, who.name)
    assert await door.whose(token) == {"active": False}


async def test_a_new_password_ends_the_sessions_of_the_old(door: Door) -> None:
    who = await door.operator("editor")
    token = await door.session(who)
    await operators.remove(door.house.db, who.name)
    again = await operators.create(door.house.db, who.name, "admin")
    assert await door.whose(token) == {"active": False}
    assert (await door.sign_in(who.name, who.password)).status_code == 422
    assert (await door.whose(await door.session(again)))["scope"] == "admin"


async def test_signing_out_ends_the_session(door: Door) -> None:
    token = await door.session(await door.operator())
    headers = {"cookie": f"einlass_session={token}", "origin": PUBLIC}
    looked = await door.client.get("/admin/logout", headers=headers)
    assert looked.headers["location"] == "/admin/login"
    assert (await door.whose(token))["active"]
    answer = await door.client.post("/admin/logout", headers=headers)
    assert answer.headers["location"] == "/admin/login?out=everywhere"
    assert (cookie_of(answer).value, cookie_of(answer)["max-age"]) == ("", "0")
    assert cookie_of(answer)["path"] == "/admin"
    assert await door.whose(token) == {"active": False}
    door.client.cookies.clear()
    shown = await door.client.get(answer.headers["location"], headers={"accept-language": "de"})
    assert "Sie sind abgemeldet." in shown.text


async def test_a_new_session_ends_the_one_before_in_this_browser(door: Door) -> None:
    who = await door.operator()
    old, elsewhere = await door.session(who), await door.session(who)
    door.client.cookies.clear()
    answer = await door.client.post(
        "/admin/login",
        data={"name": who.name, "password": who.password},
        headers={"origin": PUBLIC, "cookie": f"einlass_session={old}"},
    )
    assert answer.status_code == 303
    assert not (await door.whose(old))["active"]
    assert (await door.whose(elsewhere))["active"]


@pytest.mark.parametrize("path", ["/admin/login", "/admin/logout"])
@pytest.mark.parametrize("headers", [{}, {"origin": "https://boese.example.net"}])
async def test_no_other_site_signs_anybody_in_or_out(
    door: Door, path: str, headers: dict[str, str]
) -> None:
    who = await door.operator()
    token = await door.session(who)
    door.client.cookies.clear()
    answer = await door.client.post(
        path,
        data={"name": who.name, "password": who.password},
        headers={**headers, "cookie": f"einlass_session={token}"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert (await door.whose(token))["active"]


async def test_tries_are_limited_by_network_and_name(opened: Open) -> None:
    async with opened(rate_limits="on", redis_url=NO_REDIS) as door:
        # Without Redis each process counts alone, and answers before it looks at a password.
        outcomes = [(await door.sign_in("anna", "x")).status_code for _ in range(12)]
        assert outcomes == [503] * sign_in.PER_NAME.burst + [429, 429]
        refused = await door.sign_in("anna", "x")
        assert 1 <= int(refused.headers["retry-after"]) <= sign_in.PER_NAME.every
        # Neither other names there nor the name from elsewhere are kept out by that.
        assert (await door.sign_in("berta", "x")).status_code == 503
        assert (await door.sign_in("anna", "x", address="198.51.100.9")).status_code == 503
        several = [(await door.sign_in(f"c{n}", "x")).status_code for n in range(30)]
        assert 429 in several


async def test_without_redis_nobody_signs_in_and_that_is_said(opened: Open) -> None:
    async with opened(redis_url=NO_REDIS) as door:
        who = await door.operator()
        for password in (who.password, "falsch"):
            answer = await door.sign_in(who.name, password)
            assert answer.status_code == 503
            assert "Nobody can sign in just now." in answer.text
            assert "Redis" in answer.text
            assert "set-cookie" not in answer.headers
        # API tokens are known as ever, and what is no token at all is no failure.
        assert (await door.whose(who.token))["active"]
        assert await door.whose("nonsense") == {"active": False}
        token = "A" * 43
        away = await door.client.post("/internal/introspection", data={"token": token})
        assert away.status_code == 503
        headers = {"cookie": f"einlass_session={token}", "origin": PUBLIC}
        assert (await door.client.get("/admin/login", headers=headers)).status_code == 503
        left = await door.client.post("/admin/logout", headers=headers)
        assert cookie_of(left).value == ""
        assert parse_qs(urlsplit(left.headers["location"]).query) == {"out": ["here"]}
        shown = await door.client.get(left.headers["location"])
        assert "You have signed out of this browser." in shown.text


async def test_redis_that_goes_away_meanwhile_is_told_of_too(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> str:
        raise RedisConnectionError

    who = await door.operator()
    monkeypatch.setattr("services.registration.sessions.Sessions.begin", gone)
    answer = await door.sign_in(who.name, who.password)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)


async def test_admin_leads_to_the_first_page(door: Door) -> None:
    answer = await door.client.get("/admin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/waitlist")
