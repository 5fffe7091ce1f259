"""Outbox, relay, Kafka and consumer on real servers, with a service that only counts.

Each test has a database and a topic of its own. An event of the made-up service is a row with a
counter, its messages are numbers under that row's lock, and a consumer writes down what it is
given, so that order and completeness can be read off.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.topics import Topic
from services.contracts.waitlist import (
    ADAPTER,
    SeatsReleased,
    SeatsReleasedData,
    WaitlistMessage,
)
from services.kit import outbox
from services.kit.consumer import Consumer, Handler
from services.kit.db import NAMING, Database, add_message_tables
from services.kit.ids import uuid7
from services.kit.kafka import partition_of
from services.kit.relay import Relay
from services.kit.wake import Wake

# Nothing listens there: wakes are lost, and whoever waits for them polls.
NO_REDIS: Final = "redis://127.0.0.1:1/0"

metadata = sa.MetaData(naming_convention=NAMING)
add_message_tables(metadata)
sa.Table(
    "counter",
    metadata,
    sa.Column("event_id", PgUUID(as_uuid=True), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
)
sa.Table(
    "seen",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("event_id", PgUUID(as_uuid=True), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)


def message(event_id: UUID, seq: int, seats: int = 1, id: UUID | None = None) -> SeatsReleased:
    """A message that says little."""
    return SeatsReleased(
        id=id or uuid7(),
        event_id=event_id,
        seq=seq,
        occurred_at=datetime.now(UTC),
        data=SeatsReleasedData(seats=seats),
    )


async def say(conn: AsyncConnection, topic: Topic, event_id: UUID, count: int = 1) -> list[int]:
    """The next `count` messages of an event, as a service says them: numbered under the lock."""
    last = (
        await conn.execute(
            sa.text(
                """
                INSERT INTO counter (event_id, seq) VALUES (:id, :count)
                ON CONFLICT (event_id) DO UPDATE SET seq = counter.seq + :count RETURNING seq
                """
            ),
            {"id": event_id, "count": count},
        )
    ).scalar_one()
    numbers = list(range(last - count + 1, last + 1))
    await outbox.add(conn, topic, [message(event_id, seq) for seq in numbers])
    return numbers


async def said(db: Database, topic: Topic, event_id: UUID, count: int = 1) -> None:
    """`say`, committed."""
    async with db.transaction() as conn:
        await say(conn, topic, event_id, count)


async def left(db: Database) -> int:
    """Rows that wait in the outbox."""
    async with db.read() as conn:
        found = await conn.execute(sa.text("SELECT count(*) FROM outbox"))
        return int(found.scalar_one())


async def seen(db: Database) -> dict[UUID, list[int]]:
    """What the consumer's handler was given, by event, in its order."""
    found: dict[UUID, list[int]] = defaultdict(list)
    async with db.read() as conn:
        for row in await conn.execute(sa.text("SELECT event_id, seq FROM seen ORDER BY id")):
            found[row.event_id].append(row.seq)
    return dict(found)


async def letters(db: Database) -> Sequence[Any]:
    """All dead letters."""
    async with db.read() as conn:
        return (await conn.execute(sa.text("SELECT * FROM dead_letter ORDER BY id"))).all()


async def write_down(conn: AsyncConnection, messages: Sequence[WaitlistMessage]) -> None:
    """The handler of the made-up service."""
    for one in messages:
        await conn.execute(
            sa.text("INSERT INTO seen (event_id, seq) VALUES (:event_id, :seq)"),
            {"event_id": one.event_id, "seq": one.seq},
        )


@dataclass
class Bench:
    """A database, a topic, and what runs between them. `admin` is a connection to another
    database of the same server."""

    url: str
    bootstrap: str
    topic: Topic
    db: Database
    admin: asyncpg.Connection
    group: str = field(default_factory=lambda: f"g-{uuid7().hex}")

    def relay(self, **changes: Any) -> Relay:
        """A relay of its own connections' owner."""
        return Relay(self.db, self.bootstrap, Wake(NO_REDIS, "bench"), **changes)

    def consumer(
        self, handler: Handler[WaitlistMessage] = write_down, **changes: Any
    ) -> Consumer[WaitlistMessage]:
        """A member of the bench's group."""
        return Consumer(
            **{
                "db": self.db,
                "bootstrap": self.bootstrap,
                "name": self.group,
                "topic": self.topic,
                "adapter": ADAPTER,
                "handler": handler,
                **changes,
            }
        )

    async def send(self, *messages: SeatsReleased | tuple[UUID, bytes]) -> None:
        """Puts messages, or whatever bytes, into the topic, past any outbox."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for one in messages:
                key, value = one if isinstance(one, tuple) else (one.event_id, outbox.encode(one))
                partition = partition_of(key, self.topic.partitions)
                await producer.send_and_wait(
                    self.topic.name, value, key=key.bytes, partition=partition
                )

    async def log(self) -> dict[UUID, list[int]]:
        """All that is in the topic now, by event, in the order of the log."""
        found: dict[UUID, list[int]] = defaultdict(list)
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest"
        ) as reader:
            parts = [TopicPartition(self.topic.name, n) for n in range(self.topic.partitions)]
            reader.assign(parts)
            ends = await reader.end_offsets(parts)
            await reader.seek_to_beginning(*parts)
            while [tp for tp in parts if await reader.position(tp) < ends[tp]]:
                for records in (await reader.getmany(timeout_ms=200)).values():
                    for record in records:
                        one = ADAPTER.validate_json(record.value)
                        found[one.event_id].append(one.seq)
        return dict(found)

    async def offsets(self) -> dict[int, int]:
        """The group's committed offset of each partition."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False
        ) as reader:
            parts = [TopicPartition(self.topic.name, n) for n in range(self.topic.partitions)]
            reader.assign(parts)
            return {tp.partition: await reader.committed(tp) or 0 for tp in parts}


@asynccontextmanager
async def running(*roles: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Runs relays or consumers while the block does, then stops them as SIGTERM would. One that
    the test has cancelled is left as it is."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(role.run(stop)) for role in roles]
    try:
        yield tasks
    finally:
        stop.set()
        async with asyncio.timeout(20):
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


async def until(true: Callable[[], Awaitable[bool]], timeout: float = 30) -> None:
    """Asks until it is so. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await true():
            await asyncio.sleep(0.02)


def first_comings(numbers: Sequence[int]) -> list[int]:
    """The numbers without their repeats."""
    return list(dict.fromkeys(numbers))


async def drained(bench: Bench) -> None:
    """Returns once the outbox is empty."""

    async def empty() -> bool:
        return await left(bench.db) == 0

    await until(empty)
