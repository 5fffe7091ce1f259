"""Clicks as totals, where they are switched on: counted in one statement, of nobody, and led on
only to where the issue led."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.kit.db import Database
from services.kit.guard import HEADLESS
from tests.integration.newsletter.newsroom import ISSUES, Newsroom, newsroom
from tests.support.desks import text_of
from tests.unit.newsletter.samples import SITE

pytestmark = pytest.mark.stack
GARDEN = "https://www.example.com/garten"
COUNTER = "/newsletter/l/2027/1/"


@pytest_asyncio.fixture
async def counting(notifications_url: str, db: Database) -> AsyncIterator[Newsroom]:
    """A desk whose operator has switched the totals on."""
    async with newsroom(notifications_url, db, newsletter_clicks="totals") as opened:
        yield opened


async def clicks(room: Newsroom, issue: dict[str, Any]) -> dict[str, int]:
    """Totals by where the links lead."""
    answer = (await room.vera.get(f"{ISSUES}/{issue['id']}/clicks")).raise_for_status().json()
    assert answer["counted"] is True
    return {link["url"]: link["clicks"] for link in answer["links"]}


async def to_garden(room: Newsroom) -> str:
    """The path of the link that leads to the garden."""
    rows = await room.run("SELECT no FROM issue_link WHERE url = :url", url=GARDEN)
    return f"{COUNTER}{rows[0].no}"


async def test_without_the_setting_nothing_leads_over_a_counter(room: Newsroom) -> None:
    issue = await room.sent()
    letters = (await room.run("SELECT letters FROM send"))[0].letters
    assert "/newsletter/l/" not in str(letters)
    assert GARDEN in letters["de"]["html"]
    answer = await room.vera.get(f"{ISSUES}/{issue['id']}/clicks")
    assert answer.json() == {"counted": False, "links": []}
    assert (await room.reader.get(f"{COUNTER}1")).status_code == 404
    page = text_of((await room.vera.get(f"/admin/newsletter/issues/{issue['id']}")).text)
    assert "Mehr wird nicht gezählt" in page
    assert "Klicks auf die Links" not in page


async def test_a_mail_of_the_issue_leads_on_and_counts(counting: Newsroom) -> None:
    issue = await counting.sent()
    letters = (await counting.run("SELECT letters FROM send"))[0].letters["de"]
    path = await to_garden(counting)
    assert f'href="{SITE}{path}"' in letters["html"]
    assert f"{SITE}{path}" in letters["text"]
    assert GARDEN not in letters["html"]
    for _ in range(2):
        answer = await counting.reader.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, GARDEN)
    assert answer.content == b""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert (await clicks(counting, issue))[GARDEN] == 2
    assert sum((await clicks(counting, issue)).values()) == 2


async def test_every_link_of_the_mail_leads_where_the_plain_one_did(counting: Newsroom) -> None:
    issue = await counting.sent()
    letter = (await counting.run("SELECT letters FROM send"))[0].letters["de"]["html"]
    paths = sorted(set(re.findall(rf'href="{SITE}({COUNTER}\d+)"', letter)))
    led = {(await counting.reader.get(path)).headers["location"] for path in paths}
    assert led == {
        GARDEN,
        f"{SITE}/events",
        f"{SITE}/events/obst",
        f"{SITE}/events/bienen",
    }
    assert await clicks(counting, issue) == dict.fromkeys(led, 1)


async def test_clicks_at_once_are_all_counted(counting: Newsroom) -> None:
    issue = await counting.sent()
    path = await to_garden(counting)
    await asyncio.gather(*(counting.reader.get(path) for _ in range(40)))
    assert (await clicks(counting, issue))[GARDEN] == 40


async def test_what_is_no_look_is_not_counted(counting: Newsroom) -> None:
    issue = await counting.sent()
    path = await to_garden(counting)

    async def head(scope: Any, receive: Any, send: Any) -> None:
        await counting.app({**scope, HEADLESS: True}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(head), base_url=SITE) as client:
        answer = await client.head(path)
    assert (answer.status_code, answer.headers["location"]) == (302, GARDEN)
    ahead = await counting.reader.get(path, headers={"sec-purpose": "prefetch;prerender"})
    assert ahead.headers["location"] == GARDEN
    assert (await clicks(counting, issue))[GARDEN] == 0


async def test_a_head_is_not_counted(counting: Newsroom) -> None:
    issue = await counting.sent()
    await counting.reader.head(await to_garden(counting))
    assert (await clicks(counting, issue))[GARDEN] == 0


@pytest.mark.parametrize(
    "path",
    [
        "2027/1/0",
        "2027/1/999",
        "2027/2/1",
        "2026/1/1",
        "0/0/0",
        "2027/1/99999999999999999999",
        "2027/1/1?url=https://other.example",
        "2027/1/https://other.example",
        "2027/1",
    ],
)
async def test_nothing_leads_to_where_an_address_says(counting: Newsroom, path: str) -> None:
    await counting.sent()
    answer = await counting.reader.get(f"/newsletter/l/{path}")
    assert "other.example" not in answer.headers.get("location", "")
    assert answer.status_code == (302 if "?" in path else 404)


async def test_switched_off_later_it_leads_on_and_counts_no_more(
    counting: Newsroom, room: Newsroom
) -> None:
    issue = await counting.sent()
    path = await to_garden(counting)
    await counting.reader.get(path)
    answer = await room.reader.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, GARDEN)
    assert (await clicks(room, issue))[GARDEN] == 1


async def test_archive_previews_and_trials_have_plain_links(counting: Newsroom) -> None:
    draft = await counting.draft()
    seen = await counting.vera.get(f"{ISSUES}/{draft['id']}/preview")
    assert "/newsletter/l/" not in seen.text
    assert "Klicks auf seine Links zählen nur in der Summe" in seen.json()["html"]
    (await counting.plan(draft, now=True)).raise_for_status()
    assert await counting.timer.look() == 1
    page = await counting.reader.get("/newsletter/2027/1")
    assert GARDEN in page.text
    assert "/newsletter/l/" not in page.text
    assert "/newsletter/l/" not in (await counting.reader.get("/newsletter/feed.xml")).text
    overview = text_of((await counting.reader.get("/newsletter")).text)
    assert "Klicks auf seine Links zählen nur in der Summe" in overview


async def test_the_issues_page_shows_the_totals(counting: Newsroom) -> None:
    issue = await counting.sent()
    address = f"/admin/newsletter/issues/{issue['id']}"
    page = text_of((await counting.vera.get(address)).text)
    assert "Klicks auf die Links" in page
    assert "Noch hat niemand einen Link der Mail angeklickt." in page
    assert "Mehr wird nicht gezählt" not in page
    path = await to_garden(counting)
    for _ in range(3):
        await counting.reader.get(path)
    whole = (await counting.vera.get(address)).text
    page = text_of(whole)
    assert "Noch hat niemand" not in page
    # The most followed one stands first.
    assert page.index("www.example.com/garten") < page.index("einlass.example.org/events")
    assert '<td class="number" data-label="Klicks">3</td>' in whole


async def test_a_draft_has_no_clicks(counting: Newsroom) -> None:
    issue = await counting.draft()
    answer = await counting.vera.get(f"{ISSUES}/{issue['id']}/clicks")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_begun")
    assert (await counting.reader.get(f"{ISSUES}/{issue['id']}/clicks")).status_code == 401
