"""A send to very many through a transport that takes everything and sends nothing: what the rows
cost, and whether memory stays flat.

``python -m benchmarks.newsletter_million <administrator's database URL> [recipients ...]``
measures 10,000, 100,000 and 1,000,000 recipients, or those that are named, each in a process of
its own, and prints a table.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import psutil
import sqlalchemy as sa
import uvloop

from benchmarks.figures import table
from benchmarks.newsletter_process import IDENTITY, LETTER, LINKS
from services.kit.clock import SystemClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk import service
from services.notifications.bulk.delivery import Delivery
from services.notifications.bulk.letters import Library
from services.notifications.bulk.servers import Line, Servers, read_urls
from services.notifications.bulk.wire import TAKEN, Outcome, Ready
from tests.support import databases

SIZES: Final = (10_000, 100_000, 1_000_000)
_AT_ONCE: Final = 100_000
_SUBSCRIBERS: Final = sa.text(
    """
    INSERT INTO subscriber (id, email, email_key, address_hash, locale, status, source,
                            created_at, confirmed_at)
    SELECT uuidv7(), e, e, sha256(convert_to(e, 'UTF8')), 'de', 'active', 'form', now(), now()
    FROM (SELECT 'person' || n || '@people.test' AS e
          FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n) AS made
    """
)


class _Nowhere(Line):
    """Takes every mail, once it has been put together."""

    async def exchange(self, batch: Sequence[Ready], until: float) -> list[Outcome]:
        await asyncio.sleep(0)
        return [TAKEN] * len(batch)


class _Delivery(Delivery):
    """Sends nowhere."""

    def _line(self) -> Line:
        return _Nowhere(self.servers, most_mails=1)


async def _send(url: str, recipients: int) -> dict[str, float]:
    db = Database(url, name="bench", pool=6)
    for first in range(1, recipients + 1, _AT_ONCE):
        async with db.transaction() as conn:
            last = min(first + _AT_ONCE - 1, recipients)
            await conn.execute(_SUBSCRIBERS, {"first": first, "last": last})
    servers = Servers(read_urls("smtp://127.0.0.1"), name="einlass.test", timeout=10)
    role = _Delivery(db=db, library=Library(IDENTITY, LINKS), servers=servers, clock=SystemClock())
    issue, began = uuid7(), time.perf_counter()
    async with db.transaction() as conn:
        total = await service.begin(
            conn, issue, {"de": LETTER, "en": LETTER}, fallback="en", now=datetime.now(UTC)
        )
    begin = time.perf_counter() - began
    assert total == recipients
    stop, most = asyncio.Event(), 0
    running = asyncio.create_task(role.run(stop))
    began = time.perf_counter()
    while True:
        async with db.read() as conn:
            state = await conn.scalar(sa.text("SELECT state FROM send"))
        most = max(most, psutil.Process().memory_info().rss)
        if state == "done":
            break
        await asyncio.sleep(0.2)
    seconds = time.perf_counter() - began
    stop.set()
    await running
    async with db.read() as conn:
        sent = await conn.scalar(sa.text("SELECT count(*) FROM delivery WHERE status = 'sent'"))
    await db.close()
    return {
        "sent": int(sent or 0),
        "begin": begin,
        "rate": recipients / seconds,
        "memory": most / 2**20,
    }


async def _one(administrator: str, recipients: int) -> dict[str, float]:
    async with databases.fresh(administrator, "notifications") as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.newsletter_million", "--one", url, str(recipients),
            stdout=PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        found: dict[str, float] = json.loads(said.splitlines()[-1])
        return found


async def _all(administrator: str, sizes: Sequence[int]) -> str:
    rows = []
    for recipients in sizes:
        found = await _one(administrator, recipients)
        rows.append(
            [
                f"{recipients:,}",
                f"{found['sent']:,.0f}",
                f"{found['begin']:.1f}",
                f"{found['rate']:,.0f}",
                f"{found['memory']:.0f}",
            ]
        )
    head = ["recipients", "rows `sent`", "s to fix the set", "mails/s to nowhere", "most MiB"]
    return table(head, rows)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(uvloop.run(_send(sys.argv[2], int(sys.argv[3])))))
    else:
        print(asyncio.run(_all(sys.argv[1], [int(n) for n in sys.argv[2:]] or SIZES)))
