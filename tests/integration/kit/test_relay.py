"""From the outbox to the topic: every row, in the order of its event, whoever dies."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.kit import outbox, relay
from services.kit.db import SHARDS, Database
from services.kit.ids import uuid7
from services.kit.outbox import shard_of
from services.kit.relay import Relay
from services.kit.wake import Wake
from tests.integration.kit.harness import (
    NO_REDIS,
    Bench,
    drained,
    first_comings,
    left,
    message,
    running,
    said,
    say,
    seen,
    until,
)


class Frozen(Relay):
    """A relay that stands still between Kafka's acknowledgement and its deleting the rows."""

    __slots__ = ("acked", "go")

    def freeze(self) -> None:
        self.acked, self.go = asyncio.Event(), asyncio.Event()

    async def _settle(self, sent: Any) -> None:
        self.acked.set()
        await self.go.wait()
        await super()._settle(sent)


class Killed(Frozen):
    """One that is killed there: it has no time to give anything back."""

    async def _give_back(self, shards: list[int]) -> None:
        return


def frozen(bench: Bench, kind: type[Frozen] = Frozen, lease: float = 0.5) -> Frozen:
    made = kind(bench.db, bench.bootstrap, Wake(NO_REDIS, "bench"), lease=lease)
    made.freeze()
    return made


async def owners(bench: Bench) -> dict[UUID | None, int]:
    """How many shards each relay holds."""
    async with bench.db.read() as conn:
        rows = await conn.execute(
            sa.text("SELECT owner, count(*) AS shards FROM outbox_shard GROUP BY owner")
        )
        return {row.owner: row.shards for row in rows}


@pytest.mark.parametrize("relays", [1, 2, 3])
async def test_all_of_many_writers_arrives_once_and_in_order(bench: Bench, relays: int) -> None:
    events = [uuid7() for _ in range(12)]

    async def writer(number: int) -> None:
        for turn in range(12):
            await said(bench.db, bench.topic, events[(number + turn) % 12], 1 + turn % 3)

    async with running(*(bench.relay() for _ in range(relays))):
        await asyncio.gather(*map(writer, range(12)))
        await drained(bench)
    assert await bench.log() == {event: list(range(1, 25)) for event in events}


async def test_what_a_transaction_rolls_back_is_never_said(bench: Bench) -> None:
    event = uuid7()

    async def fails() -> None:
        async with bench.db.transaction() as conn:
            await say(conn, bench.topic, event)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    await said(bench.db, bench.topic, event)
    async with running(bench.relay()):
        await drained(bench)
    assert await bench.log() == {event: [1]}


async def test_killed_between_the_answer_and_the_deleting_it_repeats_and_loses_nothing(
    bench: Bench,
) -> None:
    event = uuid7()
    await said(bench.db, bench.topic, event, 5)
    victim = frozen(bench, Killed)
    task = asyncio.create_task(victim.run(asyncio.Event()))
    await victim.acked.wait()
    task.cancel()
    await asyncio.wait({task})

    await said(bench.db, bench.topic, event, 5)
    async with running(bench.relay(lease=0.5), bench.consumer()):
        await drained(bench)
        await until(lambda: _handled(bench, 10))
    log = (await bench.log())[event]
    assert log == [1, 2, 3, 4, 5, *range(1, 11)]
    assert first_comings(log) == list(range(1, 11))
    assert await seen(bench.db) == {event: list(range(1, 11))}


async def test_frozen_past_its_lease_it_has_no_say_any_more(bench: Bench) -> None:
    event = uuid7()
    await said(bench.db, bench.topic, event, 3)
    sleeper = frozen(bench)
    async with running(sleeper):
        await sleeper.acked.wait()
        async with running(bench.relay(lease=0.5), bench.relay(lease=0.5)):
            await drained(bench)
            await said(bench.db, bench.topic, event, 3)
            await drained(bench)
            sleeper.go.set()
            await said(bench.db, bench.topic, event, 3)
            await drained(bench)
            await until(lambda: _shares(bench, 3))  # it is one of three again
    log = (await bench.log())[event]
    assert first_comings(log) == list(range(1, 10))
    assert log.count(1) == 2
    assert log.count(9) == 1


@pytest.mark.parametrize("thief", ["somebody else", "itself, later"])
@pytest.mark.parametrize("guarded", [True, False])
async def test_it_deletes_nothing_of_a_lease_that_it_has_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, thief: str, guarded: bool
) -> None:
    if not guarded:  # so that the check below is seen to fail
        monkeypatch.setattr(
            relay,
            "_SETTLE",
            "DELETE FROM outbox USING unnest($4::smallint[], $5::bigint[]) AS sent (shard, id) "
            "WHERE outbox.shard = sent.shard AND outbox.id = sent.id "
            "AND ($1::smallint[], $2::bigint[], $3::uuid) IS NOT NULL",
        )
    await said(bench.db, bench.topic, uuid7(), 3)
    sleeper = frozen(bench, lease=30)
    stop = asyncio.Event()
    task = asyncio.create_task(sleeper.run(stop))
    await sleeper.acked.wait()
    owner = sleeper.me if thief == "itself, later" else uuid7()
    async with bench.db.transaction() as conn:
        await conn.execute(
            sa.text(
                "UPDATE outbox_shard SET owner = :owner, epoch = epoch + 1, "
                "leased_until = clock_timestamp() + interval '1 hour'"
            ),
            {"owner": owner},
        )
    stop.set()
    sleeper.go.set()
    await task
    assert (await left(bench.db) == 3) is guarded


async def test_shards_are_shared_fairly_and_handed_over(bench: Bench) -> None:
    one, two, three = (bench.relay(lease=0.6) for _ in range(3))
    async with running(one):
        await until(lambda: _owns(bench, one, SHARDS))
        async with running(two):
            await until(lambda: _owns(bench, two, SHARDS // 2))
            assert (await owners(bench))[one.me] == SHARDS // 2
            async with running(three):
                await until(lambda: _shares(bench, 3))
            assert three.me not in await owners(bench)  # it gave them back when it was stopped
            await until(lambda: _shares(bench, 2))
        await until(lambda: _owns(bench, one, SHARDS))
    assert await owners(bench) == {None: SHARDS}


async def test_a_producer_that_failed_for_good_is_replaced(bench: Bench) -> None:
    event = uuid7()
    worker = bench.relay()
    async with running(worker):
        await said(bench.db, bench.topic, event)
        await drained(bench)
        broken = worker._producer
        assert broken is not None
        await broken.stop()
        await said(bench.db, bench.topic, event, 2)
        await drained(bench)
        assert worker._producer is not broken
    assert await bench.log() == {event: [1, 2, 3]}


async def test_connections_that_are_cut_lose_nothing(bench: Bench) -> None:
    event = uuid7()
    flaky = Database(bench.url, name="flaky")
    worker = Relay(flaky, bench.bootstrap, Wake(NO_REDIS, "bench"), lease=0.5)
    async with running(worker):
        for _ in range(5):
            await said(bench.db, bench.topic, event, 20)
            await bench.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'flaky'"
            )
        await drained(bench)
    await flaky.close()
    assert first_comings((await bench.log())[event]) == list(range(1, 101))


async def test_a_backlog_larger_than_a_batch_keeps_its_order(bench: Bench) -> None:
    """Rows of one partition beyond what one batch takes wait for the next round."""
    event = uuid7()
    async with bench.db.transaction() as conn:
        for seq in range(1, 8):
            await conn.execute(
                sa.text(
                    "INSERT INTO outbox (shard, topic, key, payload) "
                    "VALUES (:shard, :topic, :key, :payload)"
                ),
                {
                    "shard": shard_of(event),
                    "topic": bench.topic.name,
                    "key": event.bytes,
                    "payload": outbox.encode(message(event, seq)) + b" " * 300_000,
                },
            )
    await said(bench.db, bench.topic, other := uuid7(), 50)
    async with running(bench.relay(rows=6)):
        await drained(bench)
    assert await bench.log() == {event: list(range(1, 8)), other: list(range(1, 51))}


async def test_a_commit_elsewhere_wakes_it_through_redis(
    bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "POLL_SECONDS", 60.0)
    event = uuid7()
    name = f"bench-{uuid7().hex}"
    here, elsewhere = Wake(redis_url, name), Wake(redis_url, name)
    other = Database(bench.url, name="other process")
    other.on_outbox.append(elsewhere.notify)
    worker = Relay(bench.db, bench.bootstrap, here, lease=600)
    here.start(listen=True)
    elsewhere.start(listen=False)
    try:
        async with running(worker):
            await until(lambda: _owns(bench, worker, SHARDS))
            for _ in range(3):
                await said(other, bench.topic, event)
                await drained(bench)
            here.notify()
    finally:
        await here.stop()
        await elsewhere.stop()
        await other.close()
    assert await bench.log() == {event: [1, 2, 3]}


async def test_from_many_writers_to_the_tables_through_everything(bench: Bench) -> None:
    """Writers, two relays, two consumers, and connections cut underneath all of them."""
    events = [uuid7() for _ in range(10)]
    flaky = Database(bench.url, name="flaky", pool=20)

    async def writer(number: int) -> None:
        for turn in range(10):
            await said(bench.db, bench.topic, events[(number + turn) % 10], 3)

    async def cutter() -> None:
        for _ in range(6):
            await asyncio.sleep(0.3)
            await bench.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'flaky'"
            )

    relays = [Relay(flaky, bench.bootstrap, Wake(NO_REDIS, "b"), lease=0.5) for _ in range(2)]
    consumers = [bench.consumer(db=flaky) for _ in range(2)]
    async with running(*relays, *consumers):
        await asyncio.gather(cutter(), *map(writer, range(10)))
        await drained(bench)
        await until(lambda: _handled(bench, 300))
    await flaky.close()
    assert await seen(bench.db) == {event: list(range(1, 31)) for event in events}


async def _handled(bench: Bench, count: int) -> bool:
    return sum(map(len, (await seen(bench.db)).values())) >= count


async def _owns(bench: Bench, who: Relay, count: int) -> bool:
    return (await owners(bench)).get(who.me) == count


async def _shares(bench: Bench, number: int) -> bool:
    found = await owners(bench)
    return len(found) == number and None not in found and max(found.values()) <= -(-16 // number)
