"""The documents and their page, as the registration service serves them."""

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services import published
from services.documents.apps import applications
from services.kit import web
from services.registration import apidocs, pages
from services.registration.reference import members, reference

OPENAPI: dict[str, Any] = json.loads(published.read(published.OPENAPI))
ASYNCAPI: dict[str, Any] = json.loads(published.read(published.ASYNCAPI))


@pytest_asyncio.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """At an application that has the documents and the pages, and no server behind it."""
    app = web.create_app(
        "documents",
        version="0",
        public_url="http://localhost",
        needed={},
        error_page=pages.error_page,
    )
    app.state.settings = applications()["registration"].state.settings
    app.include_router(apidocs.router)
    app.include_router(pages.router)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost/api/v1"
        ) as made,
    ):
        yield made


@pytest.mark.parametrize(
    "name", ["openapi.json", "asyncapi.json", "schemas/registration.confirmed.json"]
)
async def test_documents_are_served_as_published(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.content == published.read(name)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    again = await client.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing", "..%2Fopenapi", "%2e%2e%2fbaseline", "__init__"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/schemas/{name}.json")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.headings: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        if tag in ("script", "style") or "style" in found or any(n.startswith("on") for n in found):
            self.inline.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.mark.parametrize("language", ["de", "en"])
async def test_the_page_shows_everything_there_is(client: httpx.AsyncClient, language: str) -> None:
    answer = await client.get("/docs", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert answer.headers["content-language"] == language
    html = answer.text.replace("<wbr>", "")
    for path, item in OPENAPI["paths"].items():
        assert f"<code>{path}</code>" in html
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in html
    for one in OPENAPI["x-problem-codes"]:
        assert f'id="error-{one["code"]}"' in html
    for name in (*ASYNCAPI["channels"], *ASYNCAPI["components"]["messages"]):
        assert f'id="{name}"' in html
    for name in published.schemas():
        assert f'href="/api/v1/schemas/{name}.json"' in html


async def test_the_page_is_well_made(client: httpx.AsyncClient) -> None:
    page = Page((await client.get("/docs")).text)
    assert page.inline == []
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link.startswith(("#", "/", "?")), link
        if link.startswith("#"):
            assert link.removeprefix("#") in page.ids
    assert page.headings.count(1) == 1
    for one, following in zip(page.headings, page.headings[1:], strict=False):
        assert following <= one + 1


def test_members_are_told_with_their_paths_and_limits() -> None:
    schema = {
        "type": "object",
        "properties": {
            "days": {
                "type": "array",
                "items": {"$ref": "#/$defs/Day"},
                "minItems": 1,
            },
            "light": {"anyOf": [{"type": "string", "enum": ["green"]}, {"type": "null"}]},
            "seats": {"type": "integer", "minimum": 1, "default": 1},
        },
        "required": ["days"],
    }
    day = {"type": "object", "properties": {"on": {"type": "string", "format": "uuid"}}}
    found = {one.name: one for one in members(schema, {"$defs": {"Day": day}})}
    assert list(found) == ["days", "days[].on", "light", "seats"]
    assert (found["days"].type, found["days"].limits) == ("list of object", "1 or more")
    assert found["days"].required
    assert found["days[].on"].type == "UUID"
    assert (found["light"].type, found["light"].values) == ("one of", ("green",))
    assert found["light"].or_null
    assert not found["seats"].or_null
    assert (found["seats"].limits, found["seats"].default) == ("from 1", "1")


def test_what_all_operations_or_messages_have_is_told_once() -> None:
    made = reference(OPENAPI, ASYNCAPI)
    assert [one.code for one in made.everywhere] == ["internal", "busy"]
    assert [one.name for one in made.envelope] == [
        "id",
        "event_id",
        "seq",
        "occurred_at",
        "version",
    ]
    for topic in made.topics:
        assert topic.senders
        for message in topic.messages:
            assert [one.name for one in message.body.members][:2] == ["type", "data"]
