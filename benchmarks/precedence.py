"""The mail of a sign-up while a newsletter goes out to 100,000, beside the same without one.

All services run. The newsletter goes to a server of its own that takes everything as fast as it
comes, so that the senders never wait; the confirmations go to one that remembers when.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import asyncpg
import httpx

from benchmarks import newsletter
from benchmarks.figures import Spread, table
from benchmarks.newsletter_process import LETTER
from deploy.local import Stack
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk import service
from tests.support import events, people
from tests.support.sink import Sink
from tests.support.waiting import until

RECIPIENTS: Final = 100_000
TIMES: Final = 200
ENVIRON: Final = {"EINLASS_NEWSLETTER_SMTP_URLS": f"smtp://127.0.0.1:{newsletter.PORT} 1"}
"""Where the stack sends newsletters."""


async def _waits(
    public: httpx.AsyncClient, sink: Sink, slug: str, going: asyncio.Event | None = None
) -> list[float]:
    """Seconds from a sign-up's answer to its mail, one after another; while `going`."""
    domain, found = events.domain(), []
    for number in range(TIMES):
        await people.sign_up(public, slug, number, domain)
        answered = time.time()
        recipient = f"gast-{number}@{domain}"
        while (mailed := _mailed(sink, recipient)) is None:
            await asyncio.sleep(0.001)
            assert time.time() < answered + 60, "no mail came"
        if going is not None and not going.is_set():
            break
        found.append(mailed - answered)
    return found


def _mailed(sink: Sink, recipient: str) -> float | None:
    return next((mail.at for mail in reversed(sink.mails) if mail.recipient == recipient), None)


async def _sent(conn: asyncpg.Connection) -> int:
    return int(await conn.fetchval("SELECT sum(sent) FROM send_chunk") or 0)


async def _watch(conn: asyncpg.Connection, going: asyncio.Event) -> float:
    """Mails a second, from the first to the last; clears `going` then."""
    while await _sent(conn) == 0:
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    going.set()
    while await _sent(conn) < RECIPIENTS:
        await asyncio.sleep(0.1)
    going.clear()
    return RECIPIENTS / (time.perf_counter() - began)


async def run(stack: Stack, sink: Sink) -> str:
    """Measures, and returns the table as Markdown."""
    assert stack.operator is not None
    headers = {"Authorization": f"Bearer {stack.operator.token}"}
    made, going = events.event(capacity=1_000_000), asyncio.Event()
    database = stack.environment()["EINLASS_NOTIFICATIONS_DATABASE_URL"]
    async with (
        newsletter.counting_sink(),
        httpx.AsyncClient(base_url=f"{stack.public_url}/api/v1", timeout=60) as public,
    ):
        (await public.post("/admin/events", json=made, headers=headers)).raise_for_status()
        slug = made["slug"]
        await until(lambda: public.get(f"/events/{slug}"), lambda answer: answer.is_success)
        idle = Spread.of(await _waits(public, sink, slug))
        db = Database(database, name="bench", pool=2)
        conn = await asyncpg.connect(database)
        await newsletter.subscribe(db, RECIPIENTS)
        async with db.transaction() as begin:
            await service.begin(
                begin, uuid7(), {"de": LETTER, "en": LETTER}, fallback="en", now=datetime.now(UTC)
            )
        watching = asyncio.create_task(_watch(conn, going))
        await going.wait()
        beside = Spread.of(found := await _waits(public, sink, slug, going))
        rate = await watching
        await conn.close()
        await db.close()
    rows = [
        [name, *(f"{1000 * v:.0f}" for v in (s.median, s.p99, s.least, s.most)), ratio]
        for name, s, ratio in (
            ("baseline: nothing else to send", idle, "1"),
            (
                f"while a newsletter goes to {RECIPIENTS:,}",
                beside,
                f"{beside.median / idle.median:.1f}",
            ),
        )
    ]
    head = ["sign-up's answer → its mail, ms", "median", "p99", "least", "most", "÷ baseline"]
    return (
        f"{TIMES} sign-ups one after another without, {len(found)} beside a newsletter of which "
        f"{rate:,.0f} mails a second went out:\n\n{table(head, rows)}\n"
    )
