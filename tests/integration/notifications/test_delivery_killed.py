"""A delivery process killed in the middle of its work, and another one after it."""

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter

import sqlalchemy as sa

from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import service
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import Story

MAILS = 120


async def a_worker(database_url: str, office: PostOffice) -> Process:
    """`einlass notifications worker --only delivery`."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *("notifications", "worker", "--only", "delivery", "--port", "0"),
        env={
            **environ,
            "EINLASS_NOTIFICATIONS_DATABASE_URL": database_url,
            "EINLASS_REDIS_URL": "redis://127.0.0.1:1",
            "EINLASS_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "EINLASS_PUBLIC_URL": "https://einlass.test",
            "EINLASS_SECRET_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
            "EINLASS_SMTP_URL": office.url,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )


async def test_no_mail_is_lost_and_no_row_is_doubled(
    db: Database, notifications_url: str, post_office: PostOffice
) -> None:
    story, people = Story(), [uuid7() for _ in range(MAILS)]
    async with db.transaction() as conn:
        await service.take(
            conn, [story.published(), *(story.confirmed(one) for one in people)], lambda: None
        )

    victim = await a_worker(notifications_url, post_office)
    await post_office.wait(20)
    victim.send_signal(signal.SIGKILL)
    await victim.wait()
    left_behind = await count(db, "sending")
    async with db.transaction() as conn:
        # As if the leases had run out.
        await conn.execute(sa.text("UPDATE mail SET due_at = now() WHERE status = 'sending'"))

    survivor = await a_worker(notifications_url, post_office)
    async with asyncio.timeout(30):
        while await count(db, "sent") < MAILS:
            await asyncio.sleep(0.1)
    survivor.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(survivor.wait(), 10) == 0

    assert left_behind > 0
    times = Counter(m["Message-ID"] for m in post_office.received)
    assert times.keys() == {f"<confirmed.{one}.1@einlass.test>" for one in people}
    assert await count(db, "sent") == MAILS
    async with db.read() as conn:
        seqs = await conn.execute(
            sa.text("SELECT convert_from(payload, 'UTF8')::json ->> 'seq' FROM outbox ORDER BY id")
        )
        assert [int(seq) for seq in seqs.scalars()] == list(range(1, MAILS + 1))


async def count(db: Database, status: str) -> int:
    async with db.read() as conn:
        found = await conn.scalar(
            sa.text("SELECT count(*) FROM mail WHERE status = :status"), {"status": status}
        )
        return int(found or 0)
