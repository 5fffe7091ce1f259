"""The public pages: what it is, the current issue, all issues, the feed; and that caches keep
them."""

from datetime import datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest

from services.notifications.subscribers.domain.wording import WORDING_VERSION, wording
from tests.integration.newsletter.newsroom import Newsroom
from tests.support.desks import text_of
from tests.unit.newsletter.samples import SITE

pytestmark = pytest.mark.stack
ATOM = "{http://www.w3.org/2005/Atom}"


async def two_years(room: Newsroom) -> None:
    """Issues 1/2027, 2/2027 and 1/2028."""
    await room.sent()
    room.clock.advance(timedelta(days=100))
    await room.sent()
    room.clock.advance(timedelta(days=300))
    await room.sent()


async def test_before_the_first_issue(room: Newsroom) -> None:
    await room.plan(await room.draft())
    page = await room.reader.get("/newsletter")
    said = text_of(page.text)
    assert "Noch ist keine Ausgabe erschienen." in said
    assert '<form class="subscribe" method="post" action="/newsletter/subscriptions">' in page.text
    assert '<input type="hidden" name="locale" value="de">' in page.text
    # The evidence of a consent names the words that stood beside the button.
    assert f'<input type="hidden" name="wording" value="{WORDING_VERSION}">' in page.text
    assert wording(WORDING_VERSION, "de", "Stiftung Stadt & Land") in said
    assert "Frühling" not in said
    latest = await room.reader.get("/newsletter/latest")
    assert (latest.status_code, latest.headers["location"]) == (302, "/newsletter")
    feed = await room.reader.get("/newsletter/feed.xml")
    assert ElementTree.fromstring(feed.content).findall(f"{ATOM}entry") == []


async def test_all_issues_by_year(room: Newsroom) -> None:
    await two_years(room)
    page = await room.reader.get("/newsletter")
    said = text_of(page.text)
    assert said.index("2028") < said.index("2/2027") < said.index("1/2027")
    for path in ("/newsletter/2028/1", "/newsletter/2027/2", "/newsletter/2027/1"):
        assert f'href="{path}"' in page.text
    latest = await room.reader.get("/newsletter/latest")
    assert (latest.status_code, latest.headers["location"]) == (302, "/newsletter/2028/1")


async def test_one_issue(room: Newsroom) -> None:
    await two_years(room)
    page = await room.reader.get("/newsletter/2027/2")
    said = text_of(page.text)
    assert "mitarbeiten 2/2027 · Mai 2027" in said
    assert "Ein Garten für alle" in said
    assert "Genügend Plätze" in said
    assert 'rel="prev"' in page.text
    assert 'rel="next"' in page.text
    assert "link.invalid" not in page.text
    assert f'<link rel="canonical" href="{SITE}/newsletter/2027/2">' in page.text
    english = await room.reader.get("/newsletter/2027/2?lang=en")
    assert '<h1 lang="de">' in english.text
    assert "All issues" in english.text


@pytest.mark.parametrize(
    "path", ["2027/2", "2026/1", "0/0", "2027/1/2", "2027/x", "99999999999999999999/1"]
)
async def test_what_is_not_there(room: Newsroom, path: str) -> None:
    await room.sent()
    page = await room.reader.get(f"/newsletter/{path}")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert "Unter dieser Adresse gibt es nichts." in text_of(page.text)
    assert "Zum Newsletter" in page.text


@pytest.mark.parametrize("path", ["", "/2027/1", "/feed.xml", "/lights/green.png"])
async def test_caches_ask_and_need_not_fetch_again(room: Newsroom, path: str) -> None:
    await room.sent()
    first = await room.reader.get(f"/newsletter{path}")
    assert first.status_code == 200
    assert first.headers["cache-control"].startswith("public, max-age=")
    tag = first.headers["etag"]
    again = await room.reader.get(f"/newsletter{path}", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert (await room.reader.get(f"/newsletter{path}")).headers["etag"] == tag
    head = await room.reader.head(f"/newsletter{path}")
    assert (head.status_code, head.headers["etag"]) == (200, tag)


async def test_a_new_issue_changes_the_tag_at_once(room: Newsroom) -> None:
    await room.sent()
    before = await room.reader.get("/newsletter")
    await room.sent(second=True)
    known = {"if-none-match": before.headers["etag"]}
    after = await room.reader.get("/newsletter", headers=known)
    assert after.status_code == 200
    assert "2/2027" in after.text


async def test_a_language_chosen_in_the_address_is_kept_by_nobody(room: Newsroom) -> None:
    page = await room.reader.get("/newsletter?lang=en")
    assert "set-cookie" in page.headers
    assert "etag" not in page.headers
    assert page.headers["vary"] == "Accept-Language, Cookie"


async def test_the_feed_is_valid(room: Newsroom) -> None:
    await two_years(room)
    answer = await room.reader.get("/newsletter/feed.xml")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    assert feed.tag == f"{ATOM}feed"
    # RFC 4287, 4.1.1 and 4.1.2: what a feed and an entry must have, once.
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            (found,) = element.findall(f"{ATOM}{name}")
            assert found.text
        updated = element.findtext(f"{ATOM}updated")
        assert updated is not None
        assert datetime.fromisoformat(updated).tzinfo is not None
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    self_link = feed.find(f"{ATOM}link[@rel='self']")
    assert self_link is not None
    assert self_link.get("href") == f"{SITE}/newsletter/feed.xml"
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == [
        f"{SITE}/newsletter/2028/1",
        f"{SITE}/newsletter/2027/2",
        f"{SITE}/newsletter/2027/1",
    ]
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")
    content = entries[0].find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"
    assert content.text is not None
    assert f'src="{SITE}/newsletter/pictures/' in content.text
    assert 'src="/' not in content.text


async def test_pictures_of_what_went_out_stay(room: Newsroom) -> None:
    await room.sent()
    page = await room.reader.get("/newsletter/2027/1")
    (path,) = {part.split('"')[0] for part in page.text.split('src="') if "pictures/" in part[:30]}
    shown = await room.reader.get(path)
    assert shown.headers["content-type"] == "image/png"


def csp(answer: httpx.Response) -> str:
    return answer.headers["content-security-policy"]


async def test_the_style_is_there_and_pages_need_nothing_else(room: Newsroom) -> None:
    await room.sent()
    page = await room.reader.get("/newsletter/2027/1")
    assert "style=" not in page.text
    assert "<script" not in page.text
    assert "style-src 'self'" in csp(page)
    style = page.text.partition('href="/newsletter/style.')[2].partition('"')[0]
    answer = await room.reader.get(f"/newsletter/style.{style}")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
