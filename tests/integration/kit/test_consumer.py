"""From the topic into the tables: once, in order, whatever happens in between."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.waitlist import SeatsReleased, WaitlistMessage
from services.kit import db as kit_db
from services.kit import kafka, outbox
from services.kit.consumer import RETRIES
from services.kit.db import Database
from services.kit.ids import uuid7
from services.kit.inbox import GAPS
from services.kit.kafka import consumer as new_consumer
from tests.integration.kit.harness import (
    Bench,
    letters,
    message,
    running,
    seen,
    until,
    write_down,
)


def gaps(bench: Bench) -> float:
    return float(GAPS.labels(bench.group)._value.get())


async def test_messages_come_once_and_in_order(bench: Bench) -> None:
    events = [uuid7() for _ in range(6)]
    told = [message(event, seq) for seq in range(1, 21) for event in events]
    await bench.send(*told)
    async with running(bench.consumer()):
        await until(lambda: _all(bench, len(told)))
        await bench.send(*told[:30])  # as a relay does that lost its lease
        await bench.send(*(message(event, 21) for event in events))
        await until(lambda: _all(bench, len(told) + 6))
    assert await seen(bench.db) == {event: list(range(1, 22)) for event in events}
    assert sum((await bench.offsets()).values()) == len(told) + 36
    assert gaps(bench) == 0


async def test_all_again_from_the_first_offset_changes_nothing(bench: Bench) -> None:
    event = uuid7()
    await bench.send(*(message(event, seq) for seq in range(1, 51)))
    async with running(bench.consumer()):
        await until(lambda: _all(bench, 50))
    before = await seen(bench.db)
    bench.group, first = f"g-{uuid7().hex}", bench.group
    async with running(bench.consumer(name=first)):  # the committed offsets hold
        await until(lambda: _offsets(bench, first, 50))
    async with bench.db.transaction() as conn:
        await conn.execute(sa.text("DELETE FROM inbox"))  # as if pruned long ago
    replayed = _Replay(bench, first)
    async with running(replayed):
        await until(replayed.at_end)
    assert await seen(bench.db) == before


async def test_a_gap_is_alarmed_and_let_pass(bench: Bench) -> None:
    event = uuid7()
    await bench.send(message(event, 1), message(event, 3), message(event, 4))
    async with running(bench.consumer()):
        await until(lambda: _all(bench, 3))
    assert await seen(bench.db) == {event: [1, 3, 4]}
    assert gaps(bench) == 1


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"no json",
        b'{"type": "waitlist.unheard_of"}',
        b"\xff\xfe",
        json.dumps({"type": "waitlist.seats_released", "id": "x\x00"}).encode(),
    ],
)
async def test_what_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    bench: Bench, poison: bytes
) -> None:
    event = uuid7()
    await bench.send(message(event, 1), (event, poison), message(event, 2))
    async with running(bench.consumer()):
        await until(lambda: _all(bench, 2))
    (letter,) = await letters(bench.db)
    assert letter.payload == poison
    assert gaps(bench) == 0


async def test_what_cannot_be_handled_is_set_aside_alone(bench: Bench) -> None:
    event, other = uuid7(), uuid7()
    told = [message(event, seq, seats=13 if seq == 7 else 1) for seq in range(1, 41)]
    await bench.send(*told, *(message(other, seq) for seq in range(1, 11)))

    async def refuses(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        await write_down(conn, messages)
        if any(isinstance(m, SeatsReleased) and m.data.seats == 13 for m in messages):
            raise ValueError("geheim@example.org \x00 cannot be kept in a table")

    async with running(bench.consumer(refuses)):
        await until(lambda: _all(bench, 49))
    assert await seen(bench.db) == {
        event: [seq for seq in range(1, 41) if seq != 7],
        other: list(range(1, 11)),
    }
    (letter,) = await letters(bench.db)
    assert "ValueError" in letter.error
    assert "geheim" not in letter.error
    assert gaps(bench) == 0

    mended = bench.consumer()
    await mended.replay(letter.id)
    assert (await seen(bench.db))[event][-1] == 7
    with pytest.raises(LookupError):
        await mended.replay(letter.id)
    with pytest.raises(LookupError):
        await mended.replay(letter.id + 1)


async def test_a_number_too_large_for_a_table_is_no_endless_retry(bench: Bench) -> None:
    event = uuid7()
    await bench.send(message(event, 1), message(event, 2**63), message(event, 2))
    async with running(bench.consumer()):
        await until(lambda: _all(bench, 2))
    assert await seen(bench.db) == {event: [1, 2]}
    assert len(await letters(bench.db)) == 1


async def test_a_letter_that_was_never_read_is_had_once_it_is(bench: Bench) -> None:
    """A message that an older version could not read, replayed by a newer one, does not come
    a second time when the topic is read again."""
    event = uuid7()
    late = message(event, 2)
    await bench.send(message(event, 1), (event, b"{" + outbox.encode(late)))
    async with running(bench.consumer()):
        await until(lambda: _letters(bench, 1))
    async with bench.db.transaction() as conn:
        await conn.execute(
            sa.text("UPDATE dead_letter SET payload = :p"), {"p": outbox.encode(late)}
        )
    await bench.consumer().replay((await letters(bench.db))[0].id)
    await bench.send(late)
    async with running(bench.consumer()):
        await until(lambda: _offsets(bench, bench.group, 3))
    assert await seen(bench.db) == {event: [1, 2]}


async def test_a_broken_connection_is_retried_and_not_set_aside(bench: Bench) -> None:
    event = uuid7()
    broken: list[int] = []

    async def breaks(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        await write_down(conn, messages)
        if len(broken) < 3:
            pid = (await conn.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            broken.append(pid)
            async with bench.db.engine.connect() as other:
                await other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await conn.execute(sa.text("SELECT 1"))

    await bench.send(*(message(event, seq) for seq in range(1, 11)))
    async with running(bench.consumer(breaks)):
        await until(lambda: _all(bench, 10))
    assert len(broken) == 3
    assert await seen(bench.db) == {event: list(range(1, 11))}
    assert await letters(bench.db) == []


async def test_a_server_that_lets_nobody_in_is_waited_for(bench: Bench) -> None:
    """PostgreSQL that starts, or has no connection left, says so before any statement."""
    event = uuid7()
    await bench.send(message(event, 1))
    await _all(bench, 0)  # opens a connection of the test's own
    name = bench.url.rsplit("/", 1)[1]
    newcomer = Database(bench.url, name="newcomer")
    await bench.admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    async with running(bench.consumer(db=newcomer)):
        await until(lambda: _retried(bench, 2))
        await bench.admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until(lambda: _all(bench, 1))
    await newcomer.close()
    assert await letters(bench.db) == []


async def test_a_batch_that_takes_too_long_is_taken_in_smaller_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_db, "TRANSACTION_TIMEOUT", timedelta(seconds=0.5))
    hurried = Database(bench.url, name="hurried")

    async def slow(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        await conn.execute(sa.text("SELECT pg_sleep(:s)"), {"s": 0.05 * len(messages)})
        await write_down(conn, messages)

    event = uuid7()
    await bench.send(*(message(event, seq) for seq in range(1, 31)))
    consumer = bench.consumer(slow, db=hurried, _batch=32)
    async with running(consumer):
        await until(lambda: _all(bench, 30))
    await hurried.close()
    assert await _retried(bench, 2)
    assert await seen(bench.db) == {event: list(range(1, 31))}
    assert await letters(bench.db) == []


async def test_two_members_share_the_partitions_and_hand_over_in_order(bench: Bench) -> None:
    events = [uuid7() for _ in range(24)]
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        entered.set()
        await go.wait()
        await write_down(conn, messages)

    await bench.send(*(message(event, 1) for event in events))
    async with running(bench.consumer(slow)) as (first,):
        await entered.wait()
        async with running(bench.consumer()):
            await bench.send(*(message(e, seq) for seq in range(2, 30) for e in events))
            go.set()  # the first one finishes its batch, and only then are partitions moved
            await until(lambda: _all(bench, 24 * 29))
            first.cancel()
            await bench.send(*(message(e, 30) for e in events))
            await until(lambda: _all(bench, 24 * 30), timeout=60)
    assert await seen(bench.db) == {event: list(range(1, 31)) for event in events}
    assert await letters(bench.db) == []
    assert gaps(bench) == 0


async def test_the_same_batch_in_two_hands_takes_effect_once(bench: Bench) -> None:
    """A member that Kafka has given up and that does not know it yet."""
    event = uuid7()
    records: list[Any] = [
        _Record(bench.topic.name, 0, seq, outbox.encode(message(event, seq))) for seq in range(1, 9)
    ]
    inside, go = asyncio.Event(), asyncio.Event()

    async def slow(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        inside.set()
        await go.wait()
        await write_down(conn, messages)

    zombie = asyncio.create_task(bench.consumer(slow).apply(records[:5]))
    await inside.wait()
    heir = asyncio.create_task(bench.consumer().apply(records))
    await until(lambda: _waits(bench))
    go.set()
    await asyncio.gather(zombie, heir)
    assert await seen(bench.db) == {event: list(range(1, 9))}


async def test_stopped_in_the_middle_of_a_batch_it_finishes_and_leaves(bench: Bench) -> None:
    event = uuid7()
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        entered.set()
        await go.wait()
        await write_down(conn, messages)

    await bench.send(*(message(event, seq) for seq in range(1, 6)))
    stop = asyncio.Event()
    role = asyncio.create_task(bench.consumer(slow).run(stop))
    await entered.wait()
    stop.set()
    go.set()
    async with asyncio.timeout(10):
        await role
    assert await seen(bench.db) == {event: [1, 2, 3, 4, 5]}
    assert sum((await bench.offsets()).values()) == 5


async def test_stopped_while_the_group_is_being_sorted_out_it_leaves_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another member that is slow to hand over must not keep this one from ending."""
    monkeypatch.setattr(kafka, "LEAVE_SECONDS", 0.5)
    entered, go = asyncio.Event(), asyncio.Event()

    async def stuck(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
        entered.set()
        await go.wait()

    await bench.send(message(uuid7(), 1))
    async with running(bench.consumer(stuck)):
        await entered.wait()
        stop = asyncio.Event()
        role = asyncio.create_task(bench.consumer().run(stop))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(role), 2)  # it waits for its partitions
        stop.set()
        async with asyncio.timeout(3):
            await role
        go.set()


async def test_a_kafka_that_never_answers_does_not_keep_it_from_ending(bench: Bench) -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    hold = asyncio.Event()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stop = asyncio.Event()
        consumer = bench.consumer(bootstrap=f"127.0.0.1:{port}")
        relay = bench.relay()
        relay.bootstrap = consumer.bootstrap
        roles = [asyncio.create_task(role.run(stop)) for role in (consumer, relay)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wait(roles)), 1)
        stop.set()
        async with asyncio.timeout(8):
            await asyncio.gather(*roles)
        hold.set()


class _Record:
    """What the consumer needs of a Kafka record."""

    def __init__(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        self.topic, self.partition, self.offset, self.value = topic, partition, offset, value


class _Replay:
    """A consumer whose group begins at the first offset again."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.read = 0

    async def run(self, stop: asyncio.Event) -> None:
        consumer = self.bench.consumer(name=self.name)
        reader = new_consumer(self.bench.bootstrap, f"again-{uuid7().hex}", None)
        await reader.start()
        parts = [TopicPartition(self.bench.topic.name, n) for n in range(4)]
        reader.assign(parts)
        while not stop.is_set():
            for records in (await reader.getmany(timeout_ms=100)).values():
                await consumer.apply(records)
                self.read += len(records)
        await reader.stop()

    async def at_end(self) -> bool:
        return self.read == 50


async def _all(bench: Bench, count: int) -> bool:
    return sum(map(len, (await seen(bench.db)).values())) >= count


async def _letters(bench: Bench, count: int) -> bool:
    return len(await letters(bench.db)) >= count


async def _offsets(bench: Bench, group: str, total: int) -> bool:
    bench.group, kept = group, bench.group
    try:
        return sum((await bench.offsets()).values()) == total
    finally:
        bench.group = kept


async def _waits(bench: Bench) -> bool:
    async with bench.db.read() as conn:
        found = await conn.execute(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        return bool(found.scalar_one())


async def _retried(bench: Bench, times: int) -> bool:
    return bool(RETRIES.labels(bench.group)._value.get() >= times)
