"""Subscribers by the dozen, delivery processes, and what a send looks like in the database."""

import asyncio
import base64
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from services.kit.clock import SystemClock
from services.kit.db import Database, copy
from services.kit.ids import uuid7
from services.notifications.bulk import service
from services.notifications.bulk.delivery import Delivery
from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.bulk.letters import Library
from services.notifications.bulk.servers import Servers, read_urls
from services.notifications.mailer import Identity
from services.notifications.mime import Mailbox
from services.notifications.subscribers.links import Links
from tests.support.newsletter_sink import Sink

_reading: Final[set[asyncio.Task[bytes]]] = set()
KEY: Final = bytes(32)
PUBLIC_URL: Final = "https://einlass.test"
LINKS: Final = Links(KEY, PUBLIC_URL)
IDENTITY: Final = Identity(
    organisation="Stiftung",
    sender=Mailbox("Stiftung", "news@einlass.test"),
    reply_to=None,
    host="einlass.test",
    accent="#1f5a96",
)
LETTER: Final = Letter(
    subject="mitarbeiten 1/2027",
    html=f'<p>Grüße. <a href="{OWN_LINK}">Your page</a></p><a href="{UNSUBSCRIBE_LINK}">Leave</a>',
    text=f"Grüße.\n\nYour page: {OWN_LINK}\nLeave: {UNSUBSCRIBE_LINK}\n",
)


async def subscribe(db: Database, addresses: Sequence[str]) -> list[UUID]:
    """Active subscribers, in this order."""
    now = datetime.now(UTC)
    ids = [uuid7() for _ in addresses]
    columns = (
        "id", "email", "email_key", "address_hash", "locale", "status", "source", "created_at",
        "confirmed_at",
    )  # fmt: skip
    rows = [
        (one, email, email, sha256(email.encode()).digest(), "de", "active", "form", now, now)
        for one, email in zip(ids, addresses, strict=True)
    ]
    async with db.transaction() as conn:
        await copy(conn, "subscriber", columns, rows)
    return ids


async def many(db: Database, count: int, domain: str = "people.test") -> list[str]:
    """The addresses of `count` new active subscribers."""
    addresses = [f"person{number}@{domain}" for number in range(count)]
    await subscribe(db, addresses)
    return addresses


async def begin(db: Database, letter: Letter = LETTER) -> UUID:
    """A send to all who are active."""
    issue = uuid7()
    async with db.transaction() as conn:
        await service.begin(
            conn, issue, {"de": letter, "en": letter}, fallback="en", now=datetime.now(UTC)
        )
    return issue


def role(db: Database, *sinks: Sink, **more: Any) -> Delivery:
    """A delivery role of this process."""
    return Delivery(
        db=db,
        library=Library(IDENTITY, LINKS),
        servers=Servers(
            read_urls(",".join(one.url for one in sinks)), name="einlass.test", timeout=10
        ),
        clock=SystemClock(),
        **{"connections": 4, "lease": timedelta(seconds=5), **more},
    )


@asynccontextmanager
async def running(*roles: Delivery) -> AsyncIterator[asyncio.Event]:
    """The roles at work; stopped cleanly at the end."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop)) for one in roles]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


async def states(db: Database, issue: UUID) -> dict[str, int]:
    """How many rows have which status."""
    async with db.read() as conn:
        rows = await conn.execute(
            sa.text(
                "SELECT status, count(*) AS mails FROM delivery WHERE issue_id = :issue GROUP BY 1"
            ),
            {"issue": issue},
        )
        return {row.status: row.mails for row in rows}


async def done(db: Database, issue: UUID, timeout: float = 60) -> dict[str, int]:
    """The states as soon as the send is done; its counters must say the same."""
    async with asyncio.timeout(timeout):
        while True:
            async with db.read() as conn:
                progress = await service.progress(conn, issue)
            if progress.state == "done":
                break
            await asyncio.sleep(0.05)
    found = await states(db, issue)
    names = ("pending", "sent", "failed", "unknown", "suppressed")
    assert {name: count for name in names if (count := getattr(progress, name))} == found
    return found


async def a_worker(database_url: str, sink_url: str, **more: str) -> Process:
    """`einlass notifications worker --only newsletter`, once it has begun to work."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *("notifications", "worker", "--only", "newsletter", "--port", "0"),
        env={
            **environ,
            "EINLASS_NOTIFICATIONS_DATABASE_URL": database_url,
            "EINLASS_REDIS_URL": "redis://127.0.0.1:1",
            "EINLASS_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "EINLASS_PUBLIC_URL": PUBLIC_URL,
            "EINLASS_SECRET_KEY": base64.urlsafe_b64encode(KEY).decode(),
            "EINLASS_SMTP_URL": sink_url,
            "EINLASS_NEWSLETTER_LEASE_SECONDS": "2",
            **more,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    said = process.stdout
    assert said is not None
    while line := await said.readline():
        if b"worker.started" in line:
            break
    _reading.add(task := asyncio.create_task(said.read()))
    task.add_done_callback(_reading.discard)
    return process
