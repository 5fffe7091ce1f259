"""From the outbox to Kafka, in order, at least once.

Invariants:
- Rows of one event reach its partition in the order of their ids. Each round puts the rows of
  one partition into one batch, which Kafka takes whole or not at all, and waits for all
  acknowledgements before the next round; a row that failed is never overtaken by a later one.
- A row is deleted only after its acknowledgement and only while this relay still holds the
  shard's lease (owner and epoch). A relay that slept past its lease may send rows again; it
  cannot delete, and consumers drop what they have had.
- `cursor` only saves reading over dead rows. It moves to an id once every transaction that
  could still show a lower one has ended (kit.db.TRANSACTION_TIMEOUT).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import SQLAlchemyError

from services.kit.db import SHARDS, TRANSACTION_TIMEOUT, Database, array
from services.kit.ids import uuid7
from services.kit.kafka import leave, partition_of, producer, start
from services.kit.roles import every
from services.kit.wake import Wake

log = structlog.get_logger(__name__)

PUBLISHED = Counter("einlass_relay_published", "Outbox rows that Kafka acknowledged.", ["topic"])
BATCH = Histogram(
    "einlass_relay_batch_rows", "Rows a round.", buckets=(1, 10, 100, 500, 2_000, 8_000, 16_000)
)
BACKLOG = Gauge("einlass_relay_oldest_row_seconds", "Age of the oldest row of this relay's shards.")
SHARDS_HELD = Gauge("einlass_relay_shards", "Shards this relay holds.")

Row = sa.Row[int, int, str, bytes, bytes]  # shard, id, topic, key, payload
_ID: Final = itemgetter(1)
# asyncpg's own come from a connection that breaks while SQLAlchemy makes it ready.
_DATABASE_FAILURES: Final = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)

LEASE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
BATCH_ROWS: Final = 1000
_SETTLE_SECONDS: Final = TRANSACTION_TIMEOUT.total_seconds() * 2

_SEEN = sa.text(
    """
    INSERT INTO relay (owner, seen_at) VALUES (:me, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at
    """
)
_ALIVE = sa.text(
    "SELECT count(*) FROM relay WHERE seen_at > clock_timestamp() - make_interval(secs => :lease)"
)
# The cast keeps a lease below a second from being rounded to none, which would forget everybody.
_FORGET = sa.text(
    """
    DELETE FROM relay
    WHERE seen_at < clock_timestamp() - make_interval(secs => 20 * CAST(:lease AS float8))
    """
)
_RENEW = sa.text(
    """
    UPDATE outbox_shard SET leased_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE owner = :me RETURNING shard, epoch, cursor
    """
)
_TAKE = sa.text(
    """
    UPDATE outbox_shard
    SET owner = :me, epoch = epoch + 1,
        leased_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE shard IN (
        SELECT shard FROM outbox_shard
        WHERE owner IS NULL OR leased_until < clock_timestamp()
        ORDER BY shard LIMIT :room FOR UPDATE SKIP LOCKED)
    RETURNING shard, epoch, cursor
    """
)
_RELEASE = sa.text(
    "UPDATE outbox_shard SET owner = NULL WHERE owner = :me AND shard = ANY(:shards)"
)
_OLDEST = sa.text(
    """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - o.created_at)), 0)
    FROM outbox_shard AS s
    CROSS JOIN LATERAL (
        SELECT created_at FROM outbox
        WHERE outbox.shard = s.shard AND outbox.id > s.cursor
        ORDER BY outbox.id LIMIT 1) AS o
    WHERE s.owner = :me
    """
)
# The two of every round go to the driver as they are, each in a transaction of its own: for a
# single statement that is no more than one way to the server and back.
_FETCH: Final = """
SELECT o.shard, o.id, o.topic, o.key, o.payload
FROM unnest($1::smallint[], $2::bigint[]) AS held (shard, cursor)
CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE outbox.shard = held.shard AND outbox.id > held.cursor
    ORDER BY outbox.id LIMIT $3) AS o
"""
_SETTLE: Final = """
WITH held AS (
    SELECT 1 FROM outbox_shard AS s
    JOIN unnest($1::smallint[], $2::bigint[]) AS mine (shard, epoch) USING (shard, epoch)
    WHERE s.owner = $3 FOR SHARE OF s)
DELETE FROM outbox USING unnest($4::smallint[], $5::bigint[]) AS sent (shard, id)
WHERE outbox.shard = sent.shard AND outbox.id = sent.id
  AND (SELECT count(*) FROM held) = cardinality($1)
"""
_ADVANCE = sa.text(
    """
    UPDATE outbox_shard AS s SET cursor = c.id
    FROM unnest(:shards, :ids) AS c (shard, id)
    WHERE s.shard = c.shard AND s.owner = :me AND s.cursor < c.id
      AND NOT EXISTS (SELECT 1 FROM outbox o
                      WHERE o.shard = c.shard AND o.id > s.cursor AND o.id <= c.id)
    RETURNING s.shard, s.cursor
    """
)
_SHARDS = sa.text(
    "INSERT INTO outbox_shard (shard) SELECT generate_series(0, :last) ON CONFLICT DO NOTHING"
)


@dataclass(slots=True)
class _Held:
    """A leased shard. `settled` is (id, monotonic time from which it may become the cursor)."""

    epoch: int
    cursor: int
    settled: tuple[int, float] | None = None


class _Batch:
    """What goes to one partition in one round: all of `rows`, or nothing."""

    __slots__ = ("_full", "records", "rows")

    def __init__(self, records: Any) -> None:
        self.records = records
        self.rows: list[Row] = []
        self._full = False

    def add(self, row: Row, key: bytes, payload: bytes) -> None:
        """Takes a row, unless one before it has found no room."""
        if self._full:
            return
        if self.records.append(key=key, value=payload, timestamp=None) is None:
            self._full = True
        else:
            self.rows.append(row)


@lru_cache(maxsize=10_000)
def _partition_of(key: bytes, partitions: int) -> int:
    return partition_of(UUID(bytes=key), partitions)


@dataclass(slots=True)
class Relay:
    """Publishes the outbox of one database; any number of relays share its shards."""

    db: Database
    bootstrap: str
    wake: Wake
    lease: float = LEASE_SECONDS
    rows: int = BATCH_ROWS  # of one shard, in one round
    me: UUID = field(default_factory=uuid7)
    _held: dict[int, _Held] = field(default_factory=dict)
    _leased_at: float = 0.0
    _producer: AIOKafkaProducer | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes until `stop`, then finishes the round and gives its shards back."""
        try:
            while not stop.is_set():
                try:
                    if not await self._round(stop):
                        await self.wake.wait(POLL_SECONDS)
                except (KafkaError, *_DATABASE_FAILURES) as error:
                    log.warning("relay.retry", error=type(error).__name__)
                    await self._drop_producer()
                    await every(0.5, stop)
        finally:
            await self._drop_producer()
            await self._give_back(list(self._held))

    async def _round(self, stop: asyncio.Event) -> int:
        """One look at the outbox; returns how many rows were published."""
        if time.monotonic() - self._leased_at > self.lease / 3:
            await self._renew()
        if not self._held:
            return 0
        if self._producer is None:
            self._producer = await start(partial(producer, self.bootstrap), stop)
            return 1
        rows = await self._fetch()
        if not rows:
            return 0
        if time.monotonic() - self._leased_at > self.lease:
            return 1
        sent = await self._publish(self._producer, rows)
        await self._settle(sent)
        BATCH.observe(len(sent))
        return len(sent)

    async def _renew(self) -> None:
        """Renews its leases and takes or gives back shards up to its fair share."""
        began = time.monotonic()
        async with self.db.transaction() as conn:
            await conn.execute(_SHARDS, {"last": SHARDS - 1})
            await conn.execute(_SEEN, {"me": self.me})
            await conn.execute(_FORGET, {"lease": self.lease})
            alive = (await conn.execute(_ALIVE, {"lease": self.lease})).scalar_one()
            fair = -(-SHARDS // max(1, alive))
            who = {"me": self.me, "lease": self.lease}
            found = list(await conn.execute(_RENEW, who))
            if len(found) > fair:
                surplus = [row.shard for row in found[fair:]]
                await conn.execute(
                    _RELEASE.bindparams(array("shards", surplus, sa.SmallInteger)),
                    {"me": self.me},
                )
                found = found[:fair]
            elif len(found) < fair:
                found += await conn.execute(_TAKE, {**who, "room": fair - len(found)})
            BACKLOG.set((await conn.execute(_OLDEST, {"me": self.me})).scalar_one())
        before = self._held
        self._held = {
            row.shard: _Held(
                row.epoch,
                row.cursor,
                before[row.shard].settled if row.shard in before else None,
            )
            for row in found
        }
        self._leased_at = began
        SHARDS_HELD.set(len(self._held))
        await self._advance()

    async def _fetch(self) -> Sequence[Row]:
        """What waits in its shards, by id, up to `rows` of each."""
        shards = list(self._held)
        cursors = [held.cursor for held in self._held.values()]
        async with self.db.at_once() as conn:
            found = await conn.exec_driver_sql(_FETCH, (shards, cursors, self.rows))
            rows: Sequence[Any] = found.all()
            return sorted(rows, key=_ID)

    async def _publish(self, client: AIOKafkaProducer, rows: Sequence[Row]) -> Sequence[Row]:
        """Sends one batch a partition and awaits all. What did not fit waits for the next round,
        and so does all that comes after it in its partition.

        Raises the first KafkaError; then nothing counts as sent.
        """
        batches: dict[tuple[str, int], _Batch] = {}
        ways: dict[tuple[str, bytes], _Batch] = {}
        for row in rows:
            _, _, topic, key, payload = row
            batch = ways.get((topic, key))
            if batch is None:
                partition = await self._partition(client, topic, key)
                batch = batches.get((topic, partition))
                if batch is None:
                    batch = batches[topic, partition] = _Batch(client.create_batch())
                ways[topic, key] = batch
            batch.add(row, key, payload)
        acks = [
            await client.send_batch(batch.records, topic, partition=partition)
            for (topic, partition), batch in batches.items()
        ]
        await asyncio.gather(*acks)
        for (topic, _), batch in batches.items():
            PUBLISHED.labels(topic).inc(len(batch.rows))
        return [row for batch in batches.values() for row in batch.rows]

    async def _partition(self, client: AIOKafkaProducer, topic: str, key: bytes) -> int:
        """Where a key goes. Remembered, since murmur2 in Python takes longer than all the rest
        that is done about a row."""
        partitions = len(await client.partitions_for(topic))
        return _partition_of(key, partitions)

    async def _settle(self, sent: Sequence[Row]) -> None:
        """Deletes what was sent, if every lease it was sent under still stands."""
        shards = sorted({row.shard for row in sent})
        async with self.db.at_once() as conn:
            deleted = await conn.exec_driver_sql(
                _SETTLE,
                (
                    shards,
                    [self._held[shard].epoch for shard in shards],
                    self.me,
                    [row.shard for row in sent],
                    [row.id for row in sent],
                ),
            )
        if deleted.rowcount != len(sent):
            log.warning("relay.lease_lost")
            self._held, self._leased_at = {}, 0.0
            return
        due = time.monotonic() + _SETTLE_SECONDS
        highest: dict[int, int] = {}
        for row in sent:
            if row.id > highest.get(row.shard, 0):
                highest[row.shard] = row.id
        for shard, last in highest.items():
            if self._held[shard].settled is None:
                self._held[shard].settled = (last, due)

    async def _advance(self) -> None:
        """Moves the cursors whose time has come."""
        now = time.monotonic()
        due = {
            shard: held.settled[0]
            for shard, held in self._held.items()
            if held.settled is not None and held.settled[1] < now
        }
        if not due:
            return
        async with self.db.transaction() as conn:
            moved = await conn.execute(
                _ADVANCE.bindparams(
                    array("shards", list(due), sa.SmallInteger),
                    array("ids", list(due.values()), sa.BigInteger),
                ),
                {"me": self.me},
            )
            for row in moved:
                self._held[row.shard].cursor = row.cursor
        for shard in due:
            self._held[shard].settled = None

    async def _drop_producer(self) -> None:
        client, self._producer = self._producer, None
        if client is not None:
            await leave(client)

    async def _give_back(self, shards: list[int]) -> None:
        self._held = {}
        try:
            async with self.db.transaction() as conn:
                await conn.execute(
                    _RELEASE.bindparams(array("shards", shards, sa.SmallInteger)),
                    {"me": self.me},
                )
                await conn.execute(sa.text("DELETE FROM relay WHERE owner = :me"), {"me": self.me})
        except _DATABASE_FAILURES:
            log.warning("relay.shards_not_given_back")
