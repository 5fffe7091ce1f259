"""The newsletter on the real stack: asking, confirming, writing, planning, sending, the archive and
leaving, in German and in English.

The clock is put forward, never waited for. Invariants, checked from outside: nobody is written to
who has not confirmed; an issue comes to each reader once and with links of their own; who has left
gets nothing more.
"""

import email
import email.policy
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support import events
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.waiting import until

pytestmark = pytest.mark.stack

ISSUES = "/api/v1/admin/newsletter/issues"
SOURCE = {
    "de": "::: lead\nWas uns im Frühling bewegt.\n:::\n\n::: article Im Park\nEin **Rundgang**.\n"
    ":::\n\n::: events Was als Nächstes kommt\n:::\n\n::: imprint\nStiftung, Münster\n:::\n",
    "en": "::: lead\nWhat moves us in spring.\n:::\n\n::: article In the park\nA **walk**.\n:::\n\n"
    "::: events What comes next\n:::\n\n::: imprint\nFoundation, Münster\n:::\n",
}
TITLES = {"de": "mitarbeiten: Frühling", "en": "mitarbeiten: spring"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A stack of this module's own, since its clock is moved."""
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 600
    with rehearsal(tmp_path_factory.mktemp("newsletter"), port) as running:
        running.mails.whole = True
        yield running


@pytest_asyncio.fixture(scope="module")
async def site(own: Rehearsal) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the site, without cookies of their own."""
    async with httpx.AsyncClient(base_url=own.stack.public_url, timeout=60) as client:
        yield client


def mails(own: Rehearsal, to: str, kind: str) -> list[EmailMessage]:
    """The mails of one kind that came to an address."""
    found = [m for m in own.mails.mails if m.recipient == to and m.message_id.startswith(kind)]
    read = [email.message_from_bytes(m.content, policy=email.policy.default) for m in found]
    return [one for one in read if isinstance(one, EmailMessage)]


def text(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def one_mail(own: Rehearsal, to: str, kind: str) -> EmailMessage:
    """The only mail of this kind to an address, as soon as it has come."""

    async def look() -> list[EmailMessage]:
        return mails(own, to, kind)

    found = await until(look, bool)
    assert len(found) == 1
    return found[0]


def path_in(said: str, begin: str) -> str:
    """The path of the link in a text that begins with `begin`."""
    found = re.search(rf"https?://\S*?({re.escape(begin)}[^\s<>]+)", said)
    assert found is not None, said
    return found[1]


async def confirm(own: Rehearsal, site: httpx.AsyncClient, to: str) -> str:
    """Presses the button that the mail leads to; the path of the person's own page."""
    mail = await one_mail(own, to, "newsletter_confirm.")
    link = path_in(text(mail), "/newsletter/confirm/")
    assert (await site.get(link)).status_code == 200
    answer = await site.post(link, headers={"origin": own.stack.public_url})
    assert answer.status_code == 303, answer.text
    return urlsplit(answer.headers["location"]).path


@pytest_asyncio.fixture(scope="module")
async def readers(own: Rehearsal, site: httpx.AsyncClient) -> dict[str, str]:
    """Who has confirmed, and where their own pages are: by form, API and at an event's sign-up;
    and one who was asked and has not answered."""
    domain = events.domain()
    async with httpx.AsyncClient(base_url=f"{own.stack.public_url}/api/v1") as public:
        slug = await own.event(public)

    async def listed() -> bool:
        return (await site.get(f"/api/v1/events/{slug}")).is_success

    await until(listed, bool)
    for name, locale in (("anna", "de"), ("ben", "en"), ("stumm", "de")):
        body = {"email": f"{name}@{domain}", "locale": locale}
        answer = await site.post("/api/v1/newsletter/subscriptions", json=body)
        assert answer.status_code == 202
    form = {"email": f"carla@{domain}", "locale": "de"}
    headers = {"origin": own.stack.public_url}
    answer = await site.post("/newsletter/subscriptions", data=form, headers=headers)
    assert answer.status_code == 303, answer.text
    signed = events.person(1, domain, newsletter=True)
    (await site.post(f"/api/v1/events/{slug}/registrations", json=signed)).raise_for_status()
    plain = events.person(2, domain)
    (await site.post(f"/api/v1/events/{slug}/registrations", json=plain)).raise_for_status()
    names = ("anna", "ben", "carla", "gast-1")
    found = {f"{n}@{domain}": await confirm(own, site, f"{n}@{domain}") for n in names}
    await one_mail(own, f"stumm@{domain}", "newsletter_confirm.")
    await one_mail(own, f"gast-2@{domain}", "confirmed.")
    assert not mails(own, f"gast-2@{domain}", "newsletter")
    return found


class Desk:
    """An editor at the API."""

    def __init__(self, own: Rehearsal) -> None:
        assert own.stack.operator is not None
        self.own = own
        self.headers = {"Authorization": f"Bearer {own.stack.operator.token}"}
        self.client = httpx.AsyncClient(
            base_url=own.stack.public_url, headers=self.headers, timeout=60
        )

    async def issue(self) -> dict[str, Any]:
        """A new issue, whole."""
        words = {
            locale: {"title": TITLES[locale], "subject": TITLES[locale], "source": source}
            for locale, source in SOURCE.items()
        }
        return await self.done("POST", ISSUES, words=words)

    async def done(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def plan(self, issue: dict[str, Any], at: datetime, **more: Any) -> dict[str, Any]:
        path = f"{ISSUES}/{issue['id']}"
        checks = await self.done("GET", f"{path}/checks?links=false")
        assert checks["ready"], checks
        body = {"version": issue["version"], "at": at.isoformat(), **more}
        return await self.done("PUT", f"{path}/plan", **body)

    async def sent(self, issue: dict[str, Any]) -> dict[str, Any]:
        """The issue as soon as it has gone out, and its counts."""

        async def look() -> dict[str, Any]:
            return await self.done("GET", f"{ISSUES}/{issue['id']}")

        await until(look, lambda found: found["status"] == "sent", timeout=60)
        return await self.done("GET", f"{ISSUES}/{issue['id']}/counts")


async def test_from_asking_to_leaving(
    own: Rehearsal, site: httpx.AsyncClient, readers: dict[str, str]
) -> None:
    empty = await site.get("/newsletter")
    assert empty.status_code == 200
    nothing_yet = await site.get("/newsletter/latest")
    assert urlsplit(nothing_yet.headers["location"]).path == "/newsletter"

    desk = Desk(own)
    first = await desk.issue()
    at = (own.now() + timedelta(days=3)).replace(microsecond=0)
    planned = await desk.plan(first, at)
    assert datetime.fromisoformat(planned["planned_at"]) == at
    assert not [m for m in own.mails.mails if m.message_id.startswith("newsletter.")]
    own.advance_to(at + timedelta(seconds=1))
    counts = await desk.sent(first)
    assert (counts["total"], counts["sent"], counts["pending"]) == (4, 4, 0)

    number = (await desk.done("GET", f"{ISSUES}/{first['id']}"))["number"]
    assert (number["year"], number["number"]) == (at.year, 1)
    came = Counter(m.recipient for m in own.mails.mails if m.message_id.startswith("newsletter."))
    assert came == Counter(list(readers))
    for who, page in readers.items():
        (mail,) = mails(own, who, "newsletter.")
        locale = "en" if who.startswith("ben@") else "de"
        assert TITLES[locale] in str(mail["Subject"])
        assert str(mail["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
        assert page in str(mail["List-Unsubscribe"])
        assert page in text(mail)
        others = set(readers.values()) - {page}
        assert not [other for other in others if other in text(mail)]

    # Leaving by one click takes effect at once: no cookie, no redirect, and a GET changes nothing.
    leaver = next(iter(readers))
    link = re.search(r"<(\S+)>", str(mails(own, leaver, "newsletter.")[0]["List-Unsubscribe"]))
    assert link is not None
    assert (await site.get(link[1])).status_code == 200
    async with httpx.AsyncClient(timeout=60) as mailbox_provider:
        left = await mailbox_provider.post(link[1], data=ONE_CLICK)
    assert left.status_code in (200, 202, 204)
    assert "set-cookie" not in left.headers

    second = await desk.issue()
    later = at + timedelta(days=2)
    refused = await desk.client.put(
        f"{ISSUES}/{second['id']}/plan",
        json={"version": second["version"], "at": later.isoformat()},
    )
    assert refused.status_code == 409, refused.text
    await desk.plan(second, later, second=True)
    own.advance_to(later + timedelta(seconds=1))
    counts = await desk.sent(second)
    assert (counts["total"], counts["sent"]) == (3, 3)
    assert len(mails(own, leaver, "newsletter.")) == 1
    await desk.client.aclose()


async def test_the_archive(own: Rehearsal, site: httpx.AsyncClient) -> None:
    year = own.now().year
    latest = await site.get("/newsletter/latest")
    assert latest.is_redirect
    path = urlsplit(latest.headers["location"]).path
    assert path == f"/newsletter/{year}/2"
    for locale, title in TITLES.items():
        page = await site.get(f"/newsletter/{year}/1", headers={"accept-language": locale})
        assert page.status_code == 200
        assert title in page.text
        etag = page.headers["etag"]
        again = await site.get(
            f"/newsletter/{year}/1", headers={"accept-language": locale, "if-none-match": etag}
        )
        assert again.status_code == 304
    listed = await site.get("/newsletter", headers={"accept-language": "de"})
    assert f"/newsletter/{year}/1" in listed.text
    feed = await site.get("/newsletter/feed.xml")
    assert feed.status_code == 200
    assert feed.text.count("<entry>") == 2
    for page in (listed, feed):
        assert "@" not in re.sub(r"\S+@(einlass|localhost)\S*", "", page.text)
