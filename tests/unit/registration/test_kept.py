"""Pages that are given again: the same bytes, as long as they are true."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.registration import kept, pages, site
from services.registration.domain.seats import Seats
from tests.support.pages import Preview, event, preview, started

PATHS = ("/", "/events", "/events?q=stadt", "/events/kompost")


@pytest.fixture
def shown() -> Preview:
    return preview()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were rendered."""
    found: list[str] = []
    real = site.page

    def noted(request: Any, template: str, **context: Any) -> Any:
        found.append(template)
        return real(request, template, **context)

    monkeypatch.setattr(pages, "page", noted)
    return found


@pytest_asyncio.fixture
async def client(shown: Preview) -> AsyncIterator[httpx.AsyncClient]:
    async with started(shown) as app:
        transport = httpx.ASGITransport(app)
        german = {"accept-language": "de"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=german
        ) as found:
            yield found


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_written_once(
    client: httpx.AsyncClient, written: list[str], path: str
) -> None:
    first, second = [await client.get(path) for _ in range(2)]
    assert len(written) == 1
    assert first.content == second.content
    assert first.headers == second.headers
    assert first.headers["cache-control"] == "public, max-age=0, s-maxage=1, must-revalidate"
    assert first.headers["vary"] == "Accept-Language, Cookie"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("again", [False, True])
async def test_who_has_it_is_told_so(client: httpx.AsyncClient, path: str, again: bool) -> None:
    if again:
        await client.get(path)
    whole = await client.get(path)
    answer = await client.get(path, headers={"if-none-match": f'"x", {whole.headers["etag"]}'})
    assert answer.status_code == 304
    assert answer.content == b""
    kind = {"content-type", "content-length"}
    assert {k: v for k, v in whole.headers.items() if k not in kind} == dict(answer.headers)
    assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_each_language_and_each_query_has_its_own(client: httpx.AsyncClient) -> None:
    german = await client.get("/events")
    english = await client.get("/events", headers={"accept-language": "en"})
    by_cookie = await client.get("/events", headers={"cookie": "a=b; lang=en"})
    assert german.content != english.content
    assert by_cookie.content == english.content
    assert (await client.get("/events?free=1")).content != german.content
    assert (await client.get("/events")).content == german.content


async def test_a_language_that_is_chosen_is_never_kept(
    client: httpx.AsyncClient, written: list[str]
) -> None:
    for _ in range(2):
        answer = await client.get("/events?lang=en")
        assert "set-cookie" in answer.headers
        assert answer.headers["cache-control"] == "no-cache"
    assert len(written) == 2


async def test_a_light_that_changes_is_seen_at_once(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    before = await client.get("/events/kompost")
    for number in range(2):
        await client.post(
            "/api/v1/events/kompost/registrations",
            json={
                "name": "Anna",
                "email": f"anna-{number}@example.org",
                "terms_accepted": True,
            },
        )
    after = await client.get("/events/kompost")
    assert before.headers["etag"] != after.headers["etag"]


async def test_an_event_that_changes_is_seen_at_once(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    await client.get("/events/kompost")
    found = shown.board.get("kompost")
    assert found is not None
    shown.service.put(replace(found.event, title="Kompost für alle", version=2), Seats(capacity=9))
    assert "Kompost für alle" in (await client.get("/events/kompost")).text


async def test_nothing_in_it_is_one_readers_own(client: httpx.AsyncClient, shown: Preview) -> None:
    """Not even the form's id: it would lead whoever has the same, and sends the same words, to
    the other's own page."""
    before = await client.get("/events/kompost")
    assert 'name="form_id" value=""' in before.text
    shown.board.generation += 1
    assert (await client.get("/events/kompost")).content == before.content


async def test_no_more_than_so_many_are_kept(shown: Preview) -> None:
    pages_ = kept.KeptPages(shown.board)
    for number in range(kept.MOST + 10):
        pages_.keep((f"/{number}", b"", "de"), b"x")
    assert pages_.find(("/0", b"", "de")) is None
    assert pages_.find((f"/{kept.MOST + 9}", b"", "de")) is not None


async def test_what_is_not_there_is_not_kept(client: httpx.AsyncClient, shown: Preview) -> None:
    assert (await client.get("/events/new")).status_code == 404
    shown.service.put(event("new", "Ganz neu"), Seats(capacity=9))
    assert (await client.get("/events/new")).status_code == 200
