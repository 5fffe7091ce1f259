"""What the tables of the messages say of one service, for a running audit.

Invariant: everything is read in one snapshot and nothing is written, so that the numbers of one
look belong together.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import SHARDS, Database
from services.kit.relay import LEASE_SECONDS

LETTERS_SHOWN: Final = 20

# Rows up to the cursor of their shard are published; only those behind it still wait.
_OUTBOX = sa.text(
    """
    SELECT o.key, count(*) AS rows,
           extract(epoch FROM clock_timestamp() - min(o.created_at)) AS age
    FROM outbox AS o LEFT JOIN outbox_shard AS s USING (shard)
    WHERE o.id > coalesce(s.cursor, 0) GROUP BY o.key
    """
)
_HAD = sa.text("SELECT event_id, last_seq FROM inbox_seq WHERE consumer = :consumer")
_LETTERS = sa.text(
    """
    SELECT id, topic, error, count(*) OVER () AS letters FROM dead_letter
    WHERE replayed_at IS NULL ORDER BY id LIMIT :shown
    """
)
_LETTER_COUNT = sa.text("SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL")
_RELAYS = sa.text(
    """
    SELECT (SELECT count(*) FROM relay
            WHERE seen_at > clock_timestamp() - make_interval(secs => :lease)) AS alive,
           (SELECT count(*) FROM outbox_shard
            WHERE owner IS NOT NULL
              AND leased_until > clock_timestamp() - make_interval(secs => :lease)) AS leased
    """
)
_VERSION = sa.text("SELECT version_num FROM alembic_version")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that could not be handled."""

    id: int
    topic: str
    error: str


@dataclass(frozen=True, slots=True)
class Messages:
    """The tables of the messages of one database.

    `outbox`: rows not yet published, by event; `oldest`: seconds that the oldest has waited.
    `had`: by event, the last `seq` that the consumer has handled. `letters`: the first of
    `letter_count` dead letters. `relays` are alive; `leased` of kit.db.SHARDS shards are held.
    """

    outbox: Mapping[UUID, int]
    oldest: float
    had: Mapping[UUID, int]
    letters: Sequence[Letter]
    letter_count: int
    relays: int
    leased: int

    @property
    def rows(self) -> int:
        """Rows of the outbox that wait."""
        return sum(self.outbox.values())

    @property
    def all_leased(self) -> bool:
        """Whether every shard has a relay."""
        return self.leased >= SHARDS


@asynccontextmanager
async def snapshot(db: Database) -> AsyncIterator[AsyncConnection]:
    """A read-only connection whose queries all see the same moment."""
    async with db.engine.connect() as conn:
        yield await conn.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )


async def version(conn: AsyncConnection) -> str | None:
    """Alembic's version of the database. Raises ProgrammingError where it was never migrated."""
    return (await conn.execute(_VERSION)).scalar_one_or_none()


async def had(conn: AsyncConnection, consumer: str) -> dict[UUID, int]:
    """By event, the last `seq` that a consumer has handled."""
    rows = await conn.execute(_HAD, {"consumer": consumer})
    return {row.event_id: row.last_seq for row in rows}


async def letter_count(conn: AsyncConnection) -> int:
    """How many messages were set aside and not replayed."""
    return int((await conn.execute(_LETTER_COUNT)).scalar_one())


async def messages(conn: AsyncConnection, consumer: str) -> Messages:
    """All of it, with what `consumer` has had. A relay that was not seen for three leases counts
    as dead, since a busy machine may renew one late."""
    waiting = (await conn.execute(_OUTBOX)).all()
    letters = (await conn.execute(_LETTERS, {"shown": LETTERS_SHOWN})).all()
    relays = (await conn.execute(_RELAYS, {"lease": 3 * LEASE_SECONDS})).one()
    return Messages(
        outbox={UUID(bytes=row.key): row.rows for row in waiting},
        oldest=max((float(row.age) for row in waiting), default=0.0),
        had=await had(conn, consumer),
        letters=[Letter(row.id, row.topic, row.error) for row in letters],
        letter_count=letters[0].letters if letters else 0,
        relays=relays.alive,
        leased=relays.leased,
    )


def digest(*columns: str, where: str = "true") -> str:
    """SQL for a number that two databases have in common where the rows agree in `columns`,
    whatever their order: 64 bits of MD5 a row, summed up over the rows that fulfil `where`."""
    text = " || ':' || ".join(f"{column}::text" for column in columns)
    bits = f"('x' || substr(md5({text}), 1, 16))::bit(64)::bigint"
    return f"coalesce(sum({bits}) FILTER (WHERE {where}), 0)"
