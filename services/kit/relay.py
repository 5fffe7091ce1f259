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
from functools import partial
from typing import Any, Final
from uuid import UUID

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
BATCH = Histogram("einlass_relay_batch_rows", "Rows a round.", buckets=(1, 10, 50, 100, 250, 500))
BACKLOG = Gauge("einlass_relay_oldest_row_seconds", "Age of the oldest row of this relay's shards.")
SHARDS_HELD = Gauge("einlass_relay_shards", "Shards this relay holds.")

LEASE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
BATCH_ROWS: Final = 500
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
_FETCH = sa.text(
    """
    SELECT o.shard, o.id, o.topic, o.key, o.payload,
           extract(epoch FROM clock_timestamp() - o.created_at) AS age
    FROM unnest(:shards, :cursors) AS held (shard, cursor)
    CROSS JOIN LATERAL (
        SELECT * FROM outbox
        WHERE outbox.shard = held.shard AND outbox.id > held.cursor
        ORDER BY outbox.id LIMIT :rows) AS o
    ORDER BY o.id
    """
)
_GUARD = sa.text(
    """
    SELECT count(*) FROM (
        SELECT 1 FROM outbox_shard AS s
        JOIN unnest(:shards, :epochs) AS mine (shard, epoch) USING (shard, epoch)
        WHERE s.owner = :me FOR SHARE OF s) AS held
    """
)
_DELETE = sa.text(
    """
    DELETE FROM outbox USING unnest(:shards, :ids) AS sent (shard, id)
    WHERE outbox.shard = sent.shard AND outbox.id = sent.id
    """
)
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
                except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
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
        BACKLOG.set(max((row.age for row in rows), default=0))
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

    async def _fetch(self) -> Sequence[sa.Row[Any]]:
        shards = list(self._held)
        cursors = [held.cursor for held in self._held.values()]
        async with self.db.read() as conn:
            found = await conn.execute(
                _FETCH.bindparams(
                    array("shards", shards, sa.SmallInteger),
                    array("cursors", cursors, sa.BigInteger),
                ),
                {"rows": self.rows},
            )
            return found.all()

    async def _publish(
        self, client: AIOKafkaProducer, rows: Sequence[sa.Row[Any]]
    ) -> list[sa.Row[Any]]:
        """Sends one batch a partition and awaits all. What did not fit waits for the next round.

        Raises the first KafkaError; then nothing counts as sent.
        """
        batches: dict[tuple[str, int], Any] = {}
        full: set[tuple[str, int]] = set()
        sent: list[sa.Row[Any]] = []
        partitions: dict[str, int] = {}
        for row in rows:
            if row.topic not in partitions:
                partitions[row.topic] = len(await client.partitions_for(row.topic))
            where = (
                row.topic,
                partition_of(UUID(bytes=row.key), partitions[row.topic]),
            )
            if where in full:
                continue
            batch = batches.get(where)
            if batch is None:
                batch = batches[where] = client.create_batch()
            if batch.append(key=row.key, value=row.payload, timestamp=None) is None:
                full.add(where)
            else:
                sent.append(row)
        acks = [
            await client.send_batch(batch, topic, partition=partition)
            for (topic, partition), batch in batches.items()
        ]
        await asyncio.gather(*acks)
        for row in sent:
            PUBLISHED.labels(row.topic).inc()
        return sent

    async def _settle(self, sent: Sequence[sa.Row[Any]]) -> None:
        """Deletes what was sent, if every lease it was sent under still stands."""
        shards = sorted({row.shard for row in sent})
        async with self.db.transaction() as conn:
            standing = await conn.execute(
                _GUARD.bindparams(
                    array("shards", shards, sa.SmallInteger),
                    array("epochs", [self._held[s].epoch for s in shards], sa.BigInteger),
                ),
                {"me": self.me},
            )
            if standing.scalar_one() != len(shards):
                log.warning("relay.lease_lost")
                self._held, self._leased_at = {}, 0.0
                return
            await conn.execute(
                _DELETE.bindparams(
                    array("shards", [row.shard for row in sent], sa.SmallInteger),
                    array("ids", [row.id for row in sent], sa.BigInteger),
                )
            )
        due = time.monotonic() + _SETTLE_SECONDS
        highest = {row.shard: row.id for row in sent}
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
        except (SQLAlchemyError, OSError):
            log.warning("relay.shards_not_given_back")
