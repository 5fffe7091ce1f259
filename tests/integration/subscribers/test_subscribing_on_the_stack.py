"""From asking to leaving on the real stack: gateway, scheduler, ledger, delivery and mailbox."""

import re
from uuid import uuid4

import httpx
import pytest

from deploy.local import Stack
from tests.support.mailbox import Mailbox
from tests.support.waiting import until

pytestmark = pytest.mark.stack

LINK = re.compile(r"https?://\S+/newsletter/confirm/[\w/-]+")


async def test_from_asking_to_leaving(
    stack: Stack, public: httpx.AsyncClient, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = f"ada-{uuid4().hex}@example.org"
    for _ in range(20):
        asked = await public.post(
            "/newsletter/subscriptions", json={"email": email, "locale": "en"}
        )
        assert (asked.status_code, asked.json()) == (202, {"status": "asked"})
    [mail] = await mailbox.wait(email, lambda mails: len(mails) > 0)
    body = mail.get_body(("plain",))
    assert body is not None
    found = LINK.search(body.get_content())
    assert found is not None
    async with httpx.AsyncClient(headers={"Origin": stack.public_url}, timeout=30) as browser:
        page = await browser.get(found[0])
        assert email in page.text
        done = await browser.post(found[0])
        assert done.status_code == 303
        own = f"{stack.public_url}{done.headers['location'].partition('?')[0]}"
        assert "You get the newsletter." in (await browser.get(own)).text
        program = httpx.AsyncClient(timeout=30)
        left = await program.post(f"{own}/unsubscribe", content=b"List-Unsubscribe=One-Click")
        await program.aclose()
        assert left.status_code == 200
        assert "You do not get the newsletter any more." in (await browser.get(own)).text

    async def told() -> list[str]:
        search = await admin.post("/newsletter/subscribers/search", json={"email": email})
        [one] = search.json()["subscribers"]
        evidence = await admin.get(f"/newsletter/subscribers/{one['id']}/evidence")
        return [row["kind"] for row in evidence.json()["history"]]

    assert await until(told, lambda kinds: "left" in kinds) == ["asked", "confirmed", "left"]
    assert len(await mailbox.to(email)) == 1
