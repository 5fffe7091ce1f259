"""The whole application of registration over HTTP, at the edges of what can be sent."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from deploy.local import Stack
from services.kit.operators import Role
from services.registration import operators
from services.registration.app import create_app
from services.registration.settings import RegistrationSettings
from tests.integration.registration.harness import House, assert_whole, until
from tests.support import events
from tests.support.events import person

Clients = dict[Role | None, httpx.AsyncClient]


@pytest_asyncio.fixture(scope="session")
async def clients(stack: Stack, registration_url: str, house: House) -> AsyncIterator[Clients]:
    """Operators of each role, and somebody of none."""
    given = stack.environment()
    settings = RegistrationSettings(
        database_url=registration_url,
        redis_url=given["EINLASS_REDIS_URL"],
        kafka_bootstrap=given["EINLASS_KAFKA_BOOTSTRAP"],
        public_url="http://anmeldung.example.org",
        secret_key=given["EINLASS_SECRET_KEY"],
        rate_limits="off",
    )
    app = create_app(settings)
    opened: Clients = {}
    async with app.router.lifespan_context(app):
        for role in (None, "viewer", "editor", "admin"):
            headers = {}
            if role is not None:
                made = await operators.create(house.db, f"{role}-{uuid4().hex}", role)
                headers["authorization"] = f"Bearer {made.token}"
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            opened[role] = httpx.AsyncClient(
                transport=transport, base_url="http://anmeldung.example.org", headers=headers
            )
        yield opened
        for client in opened.values():
            await client.aclose()


@pytest.fixture
def public(clients: Clients) -> httpx.AsyncClient:
    """Somebody."""
    return clients[None]


@pytest.fixture
def editor(clients: Clients) -> httpx.AsyncClient:
    """An operator who may change events."""
    return clients["editor"]


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def event(editor: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await editor.post("/api/v1/admin/events", json=events.event(**changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def sign_ups(slug: str) -> str:
    return f"/api/v1/events/{slug}/registrations"


@pytest.mark.parametrize("slug", ["gibt-es-nicht", "%00", "%ff", "a%20b", "A", "a" * 5000, "..%2f"])
async def test_an_address_that_leads_nowhere(
    public: httpx.AsyncClient, editor: httpx.AsyncClient, slug: str
) -> None:
    body = person(1, "example.org")
    assert told(await public.post(sign_ups(slug), json=body)) == (404, "not_found")
    assert told(await public.get(f"/api/v1/events/{slug}")) == (404, "not_found")
    assert told(await editor.get(f"/api/v1/admin/events/{slug}")) == (404, "not_found")
    patch = await editor.patch(f"/api/v1/admin/events/{slug}", json={"title": "Neu"})
    assert told(patch) == (404, "not_found")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "\0"},
        {"name": ""},
        {"name": "\u202e\u200b"},
        {"email": "anna@example.org\r\nBcc: b@example.org"},
        {"email": "\0"},
        {"seats": 2},
        {"seats": 10**30},
        {"terms_accepted": False},
        {"locale": "fr"},
        {"answers": {"x": 1}},
        {"answers": {"diet": "\0"}},
        {"answers": {"diet": None}},
        {"answers": []},
        {"unknown": 1},
    ],
)
async def test_a_bad_field_is_named_and_nobody_is_signed_up(
    public: httpx.AsyncClient, editor: httpx.AsyncClient, house: House, changes: dict[str, Any]
) -> None:
    questions = {"diet": {"type": "string", "title": "Kost"}}
    made = await event(editor, questions=questions)
    answer = await public.post(sign_ups(made["slug"]), json=person(1, "example.org", **changes))
    assert told(answer) == (422, "invalid")
    fields = [error["pointer"] for error in answer.json()["errors"]]
    assert all(field.startswith(f"#/{next(iter(changes))}") for field in fields)
    assert (await house.row(UUID(made["id"]))).confirmed == 0


async def test_a_sign_up_with_the_strangest_name_stands_and_is_told(
    public: httpx.AsyncClient, editor: httpx.AsyncClient, house: House
) -> None:
    made = await event(editor, title="Reden, „hören“ / entscheiden; \\n <b>&amp;</b>")
    name = 'Ødegård "O\'Neill" <x@y>, Dr. 王\r\nBcc: z@example.org'
    body = person(1, "münster.example.org", name=name)
    answer = await public.post(sign_ups(made["slug"]), json=body)
    assert answer.status_code == 201
    who = answer.json()
    token = who["manage_url"].rsplit("/", 1)[1]
    standing = await public.get(
        f"/api/v1/registrations/{who['id']}", headers={"authorization": f"Bearer {token}"}
    )
    assert standing.json() == {
        "id": who["id"],
        "status": "confirmed",
        "seats": 1,
        "event": made["slug"],
        "may_cancel": True,
    }
    assert standing.headers["cache-control"] == "no-store"
    event_id = UUID(made["id"])
    said = (await house.said(event_id))[-1]
    assert said.model_dump()["data"]["person"]["name"] == name.replace("\r\n", " ")
    await assert_whole(house, event_id)


@pytest.mark.parametrize("token", [None, "", "falsch", "A" * 22, "Ä" * 22, "A" * 5000])
@pytest.mark.parametrize("what", ["", "/cancellation", "/acceptance"])
async def test_a_wrong_token_and_an_unknown_id_are_told_alike(
    public: httpx.AsyncClient, editor: httpx.AsyncClient, token: str | None, what: str
) -> None:
    made = await event(editor)
    who = (await public.post(sign_ups(made["slug"]), json=person(1, "example.org"))).json()
    headers = {} if token is None else {b"authorization": f"Bearer {token}".encode()}
    answers = []
    for registration_id in (who["id"], uuid4(), "keine-id", "%00"):
        address = f"/api/v1/registrations/{registration_id}{what}"
        answers.append(await public.request("POST" if what else "GET", address, headers=headers))
    expected = (401, "unauthorized") if not token else (404, "not_found")
    for answer in answers:
        assert told(answer) in {expected, (404, "not_found")}
    assert told(answers[0]) == told(answers[1])
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("role", [None, "viewer", "editor", "admin"])
async def test_operators_may_what_their_role_may(clients: Clients, role: Role | None) -> None:
    made = await event(clients["admin"], status="draft")
    client, address = clients[role], f"/api/v1/admin/events/{made['slug']}"
    answers = [
        await client.get("/api/v1/admin/events"),
        await client.get(address),
        await client.post("/api/v1/admin/events", json=events.event(status="draft")),
        await client.patch(address, json={"place": "Stadthaus"}),
    ]
    expected = {None: [401] * 4, "viewer": [200, 200, 403, 403]}.get(role, [200, 200, 201, 200])
    assert [answer.status_code for answer in answers] == expected


async def test_a_draft_is_nobodys_business(
    public: httpx.AsyncClient, editor: httpx.AsyncClient
) -> None:
    made = await event(editor, status="draft")
    assert told(await public.get(f"/api/v1/events/{made['slug']}")) == (404, "not_found")
    body = person(1, "example.org")
    assert told(await public.post(sign_ups(made["slug"]), json=body)) == (404, "not_found")


@pytest.mark.parametrize(
    ("patch", "status", "pointer"),
    [
        (
            {"registration": {"opens_at": "2026-03-02T10:00Z", "closes_at": "2026-03-01T10:00Z"}},
            422,
            "#",
        ),
        ({"status": "called_off", "reason": "\0"}, 422, "#"),
        ({"status": "called_off", "reason": ["x"]}, 422, "#"),
        ({"days": [{"date": "gestern"}]}, 422, "#/days/0/date"),
        ({"slug": "Groß"}, 422, "#/slug"),
        ({"capacity": None}, 422, "#/capacity"),
        ({"few_left": {"seats": 1, "share": 0.5}}, 422, "#/few_left"),
        ({"a/b": 1}, 422, "#/a~1b"),
        (
            {"questions": {"x": {"type": "string", "title": "X", "$ref": "http://127.0.0.1:1/"}}},
            422,
            "#/questions",
        ),
    ],
)
async def test_a_patch_that_cannot_stand_is_named(
    editor: httpx.AsyncClient, patch: dict[str, Any], status: int, pointer: str
) -> None:
    made = await event(editor)
    answer = await editor.patch(f"/api/v1/admin/events/{made['slug']}", json=patch)
    assert told(answer) == (status, "invalid")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await editor.get(f"/api/v1/admin/events/{made['slug']}")).json() == made


@pytest.mark.parametrize("body", [b"[]", b"1", b"", b"{", b"[" * 60_000])
async def test_a_patch_that_is_none_is_told(editor: httpx.AsyncClient, body: bytes) -> None:
    made = await event(editor)
    answer = await editor.patch(
        f"/api/v1/admin/events/{made['slug']}",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert told(answer) == (400, "not_json")


async def test_capacity_too_low_says_how_many_would_have_to_go(
    public: httpx.AsyncClient, editor: httpx.AsyncClient
) -> None:
    made = await event(editor, capacity=3)
    for number in range(3):
        await public.post(sign_ups(made["slug"]), json=person(number, "example.org"))
    answer = await editor.patch(f"/api/v1/admin/events/{made['slug']}", json={"capacity": 1})
    assert told(answer) == (409, "capacity_too_low")
    assert answer.json()["must_go"] == 2


async def test_the_lights_are_cheap_to_ask_for(
    public: httpx.AsyncClient, editor: httpx.AsyncClient
) -> None:
    made = await event(editor)

    async def shown() -> bool:
        return made["slug"] in (await public.get("/api/v1/availability")).text

    await until(shown, 3)
    answer = await public.get("/api/v1/availability")
    assert answer.headers["cache-control"] == "public, max-age=1"
    known = {"if-none-match": answer.headers["etag"]}
    same = await public.get("/api/v1/availability", headers=known)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == answer.headers["etag"]
    head = await public.head("/api/v1/availability")
    assert (head.status_code, head.content, head.headers["etag"]) == (
        200,
        b"",
        answer.headers["etag"],
    )
    assert {frozenset(light) for light in answer.json()} == {frozenset({"slug", "light", "state"})}


async def test_no_public_answer_holds_a_number_of_seats(
    public: httpx.AsyncClient, editor: httpx.AsyncClient
) -> None:
    made = await event(editor, capacity=4711, few_left={"seats": 1234})

    async def shown() -> bool:
        return (await public.get(f"/api/v1/events/{made['slug']}")).status_code == 200

    await until(shown, 3)
    for path in (f"/api/v1/events/{made['slug']}", "/api/v1/events", "/api/v1/availability"):
        answer = await public.get(path)
        whole = answer.text + json.dumps(dict(answer.headers))
        assert "4711" not in whole
        assert "1234" not in whole


async def test_introspection_tells_whose_a_token_is(clients: Clients) -> None:
    token = clients["editor"].headers["authorization"].removeprefix("Bearer ")
    known = await clients[None].post("/internal/introspection", data={"token": token})
    assert known.json()["active"] is True
    assert known.json()["scope"] == "editor"
    for wrong in ("", "falsch", "A" * 22, "\0", "Ä"):
        answer = await clients[None].post("/internal/introspection", data={"token": wrong})
        assert answer.status_code == 422 if wrong == "" else answer.json() == {"active": False}
