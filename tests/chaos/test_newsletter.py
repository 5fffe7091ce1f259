"""An issue goes out to 20,000 while its senders, the database and Kafka are killed again and again.

Invariants, checked from outside: nobody gets it twice; nobody is left out: everybody's row has come
to an end, and whose row says `sent` has the mail; what a crash left in the air is `unknown`, never
sent again by itself, and at most a handful for each connection and kill.
"""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import events
from tests.support.chaos_world import World
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

PROXIED = ()
SETTINGS = {"EINLASS_NEWSLETTER_LEASE_SECONDS": "3"}
RECIPIENTS, CONNECTIONS, HANDFUL = 20_000, 20, 8
SEED = int(os.environ.get("EINLASS_CHAOS_SEED", "20261130"))
WORDS = {
    "title": "mitarbeiten",
    "subject": "mitarbeiten",
    "source": "::: lead\nWas uns bewegt.\n:::\n\n::: imprint\nStiftung, Münster\n:::\n",
}


async def begin(world: World, api: httpx.AsyncClient, domain: str, file: Path) -> str:
    """Imports the readers and has an issue sent to them; its id."""
    lines = "".join(f"r{n}@{domain},de,active\n" for n in range(RECIPIENTS))
    await asyncio.to_thread(file.write_text, f"email,locale,status\n{lines}")
    vouched = ("--by", "Stiftung", "--reason", "Alle haben zugestimmt")
    code, printed = await world.einlass("newsletter", "import", str(file), *vouched)
    assert code == 0, printed
    words = {"de": WORDS, "en": WORDS}
    issue = (await api.post("/issues", json={"words": words})).json()
    plan = {"version": issue["version"], "now": True}
    answer = await api.put(f"/issues/{issue['id']}/plan", json=plan)
    assert answer.is_success, answer.text
    return str(issue["id"])


def came(world: World, domain: str) -> Counter[str]:
    """How often the issue came to each address."""
    mails = [m for m in world.smtp.mails if m.message_id.startswith("newsletter.")]
    return Counter(m.recipient for m in mails if m.recipient.endswith(f"@{domain}"))


async def rows(world: World, issue: str) -> list[Any]:
    """What the ledger says of each recipient."""
    conn = await asyncpg.connect(world.database("notifications"))
    try:
        return list(
            await conn.fetch(
                "SELECT email, d.status FROM delivery AS d JOIN subscriber AS s"
                " ON s.id = d.subscriber_id WHERE issue_id = $1",
                issue,
            )
        )
    finally:
        await conn.close()


async def test_an_issue_while_everything_dies(broken: World, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    domain = events.domain()
    assert broken.site.operator is not None
    headers = {"Authorization": f"Bearer {broken.site.operator.token}"}
    url = f"{broken.public_url}/api/v1/admin/newsletter"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as api:
        issue = await begin(broken, api, domain, tmp_path / "readers.csv")
        second = await broken.spawn_worker("notifications", "newsletter")
        senders = ("notifications-worker", second)
        await until(lambda: _count(broken, domain), lambda n: n > 200, timeout=120)
        kills = 0
        for round_ in range(6):
            await broken.kill(senders[round_ % 2])
            await broken.start(senders[round_ % 2])
            kills += 1
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            if round_ in (1, 4):
                await broken.kill("postgres")
                await broken.start("postgres")
            if round_ == 2:
                await broken.kill("kafka")
                await asyncio.sleep(3)
                await broken.start("kafka")

        async def status() -> str:
            try:
                return str((await api.get(f"/issues/{issue}")).json().get("status"))
            except httpx.HTTPError:
                return "away"

        await until(status, lambda found: found == "sent", timeout=300)
        counts = (await api.get(f"/issues/{issue}/counts")).json()
    got = came(broken, domain)
    told = await rows(broken, issue)
    print({"seed": SEED, "kills": kills, **counts})
    assert not [address for address, times in got.items() if times > 1]
    assert len(told) == RECIPIENTS
    assert {row["status"] for row in told} <= {"sent", "unknown"}
    assert not [row["email"] for row in told if row["status"] == "sent" and not got[row["email"]]]
    unknown = {row["email"] for row in told if row["status"] == "unknown"}
    assert set(got) - unknown == {row["email"] for row in told if row["status"] == "sent"}
    assert len(unknown) <= (kills + 2 * len(senders)) * CONNECTIONS * HANDFUL
    assert (counts["sent"], counts["unknown"]) == (RECIPIENTS - len(unknown), len(unknown))


async def _count(world: World, domain: str) -> int:
    return len(came(world, domain))
