"""The relay's cursor: it saves reading over dead rows, and steps over no living one."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.kit import db as kit_db
from services.kit import relay
from services.kit.db import Database
from services.kit.ids import uuid7
from services.kit.outbox import shard_of
from tests.integration.kit.harness import Bench, drained, left, running, said, say, until


def same_shard() -> tuple[UUID, UUID]:
    """Two events whose rows share a shard."""
    one = uuid7()
    while shard_of(other := uuid7()) != shard_of(one):
        pass
    return one, other


async def cursor_of(bench: Bench, shard: int) -> int:
    async with bench.db.read() as conn:
        found = await conn.execute(
            sa.text("SELECT cursor FROM outbox_shard WHERE shard = :shard"), {"shard": shard}
        )
        return int(found.scalar_one_or_none() or 0)


async def test_a_low_number_that_commits_late_is_not_stepped_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor waits until every transaction that had a lower number must have ended."""
    monkeypatch.setattr(kit_db, "TRANSACTION_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(relay, "_SETTLE_SECONDS", 2.0)
    hurried = Database(bench.url, name="hurried")
    late, early = same_shard()
    async with running(bench.relay(lease=0.5)):
        async with hurried.transaction() as conn:
            await say(conn, bench.topic, late)
            await said(bench.db, bench.topic, early)
            await until(lambda: _logged(bench, early))
        await until(lambda: _moved(bench, early))
        await drained(bench)
    await hurried.close()
    assert await bench.log() == {early: [1], late: [1]}


async def test_a_transaction_does_not_outlive_its_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cursor relies on: the server itself ends it, also while the client sleeps."""
    monkeypatch.setattr(kit_db, "TRANSACTION_TIMEOUT", timedelta(seconds=0.3))
    hurried = Database(bench.url, name="hurried")

    async def sleeps() -> None:
        async with hurried.transaction() as conn:
            await say(conn, bench.topic, uuid7())
            await until(lambda: _gone(bench, "hurried"))
            await conn.execute(sa.text("SELECT 1"))

    with pytest.raises(sa.exc.DBAPIError) as ended:
        await sleeps()
    assert kit_db.is_infrastructure(ended.value)
    await hurried.close()
    assert await left(bench.db) == 0


async def test_a_cursor_that_does_not_wait_steps_over_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two checks above can fail: without the wait, the row stays behind for good."""
    monkeypatch.setattr(relay, "_SETTLE_SECONDS", 0.0)
    late, early = same_shard()
    async with running(bench.relay(lease=0.5)):
        async with bench.db.transaction() as conn:
            await say(conn, bench.topic, late)
            await said(bench.db, bench.topic, early)
            await until(lambda: _moved(bench, early))
        await said(bench.db, bench.topic, early)
        await until(lambda: _left(bench, 1))
    assert await bench.log() == {early: [1, 2]}


async def _logged(bench: Bench, event: UUID) -> bool:
    return event in await bench.log()


async def _moved(bench: Bench, event: UUID) -> bool:
    return await cursor_of(bench, shard_of(event)) > 0


async def _left(bench: Bench, count: int) -> bool:
    return await left(bench.db) == count


async def _gone(bench: Bench, name: str) -> bool:
    async with bench.db.read() as conn:
        found = await conn.execute(
            sa.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :n"),
            {"n": name},
        )
        return not found.scalar_one()
