"""PostgreSQL: one engine a process, one transaction a request or batch.

Invariant: a transaction lives `TRANSACTION_TIMEOUT` at most, held by the server. The relay
relies on it to know when no lower outbox id can still appear (docs/decisions/0003).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import BYTEA, UUID
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.kit.pool import RAW, Line, Pool, drop

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT: Final = timedelta(seconds=30)
LOCK_TIMEOUT: Final = timedelta(seconds=2)
LINE_TIMEOUT: Final = TRANSACTION_TIMEOUT + timedelta(seconds=5)
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SHARDS: Final = 16
_AFTER: Final = "einlass.after_commit"
OUTBOX: Final = "einlass.outbox"
_PLANNED: Final = "einlass.planned"
# Seconds. A plan made while a table was empty reads all of it for as long as it is kept; the
# server makes a new one after its next ANALYZE, a minute later, when a rush is over.
PLANS_HOLD: Final = 0.25


def async_url(url: str) -> str:
    """The SQLAlchemy URL of a plain `postgresql://` one."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("a database URL starts with postgresql://")
    return f"postgresql+asyncpg://{rest}"


class DatabaseAway(OSError):
    """The database ended what was under way, or cannot be reached; trying again can help. Stands
    for the driver's own errors, whose names nobody else need know."""


# InternalClientError comes of a line that breaks off in the middle of a COPY.
_DRIVERS: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)


class Database:
    """A pool of connections and the boundary of transactions.

    `on_outbox` is called after each commit that put something into the outbox; it must not
    block. Every block raises DatabaseAway where the database failed under the driver's own hands,
    and DBAPIError where it did under SQLAlchemy's.
    """

    def __init__(self, url: str, *, name: str, pool: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": name,
                    "transaction_timeout": str(int(TRANSACTION_TIMEOUT.total_seconds() * 1000)),
                    "lock_timeout": str(int(LOCK_TIMEOUT.total_seconds() * 1000)),
                    "jit": "off",
                },
            },
        )
        at_once = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._pool = Pool(at_once, pool)
        self.on_outbox: list[Callable[[], None]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Begun and ended by the driver itself: through SQLAlchemy each costs as much as a query.
        """
        async with self._telling() as line:
            await line.raw.execute("BEGIN")
            try:
                yield line.conn
            except BaseException:
                await asyncio.shield(_roll_back(line.raw))
                raise
            await line.raw.execute("COMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for queries; what it might write is rolled back."""
        async with self._line() as line:
            await line.raw.execute("BEGIN")
            try:
                yield line.conn
            finally:
                await asyncio.shield(_roll_back(line.raw))

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements are each a transaction of their own: one way to the
        server and back. What is to follow a commit follows the block, unless it raises."""
        async with self._telling() as line:
            yield line.conn

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[Line]:
        """A connection; after the block, what is to follow its commit."""
        async with self._line() as line:
            after: list[Callable[[], None]] = []
            line.info[_AFTER] = after
            line.info[OUTBOX] = False
            await _plan_anew(line)
            yield line
            spoke = line.info[OUTBOX]
        for callback in (*(self.on_outbox if spoke else ()), *after):
            try:
                callback()
            except Exception:  # the commit stands; this would be taken for its failure
                log.error("db.after_commit", exc_info=True)

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        """A connection that is given up where the server is not heard of for LINE_TIMEOUT. It
        would have ended the transaction by then, so nobody tells us that the line is dead."""
        line = await self._pool.take()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(LINE_TIMEOUT.total_seconds(), line.raw.terminate)
        whole = False
        try:
            yield line
            whole = True
        except (asyncpg.PostgresError, *_DRIVERS) as error:
            whole = True
            if is_infrastructure(error):
                raise DatabaseAway(type(error).__name__) from error
            raise
        except Exception:
            whole = True
            raise
        finally:  # who is cancelled may leave a question without its answer
            timer.cancel()
            if not self._pool.give(line, whole=whole):
                await asyncio.shield(drop(line))

    async def ping(self) -> None:
        """Raises where the database does not answer."""
        async with self._line() as line:
            await line.raw.execute("SELECT 1")

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.close()
        await self.engine.dispose()


# Classes of SQLSTATE that say nothing about the work itself: connection, resources, operator's
# intervention, system, transaction rolled back, lock not available, transaction timeout.
_SERVERS: Final = ("08", "53", "57", "58", "40", "55", "25P03", "25P04")


def is_infrastructure(error: BaseException) -> bool:
    """Whether an error is the servers' fault, so that trying again can help."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        broken = error.connection_invalidated or isinstance(
            error, OperationalError | InterfaceError
        )
        return state.startswith(_SERVERS) or (broken and not state)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_SERVERS)
    return isinstance(error, (OSError, TimeoutError, PoolTimeout, *_DRIVERS))


def after_commit(conn: AsyncConnection, callback: Callable[[], None]) -> None:
    """Has `callback` called once the transaction of `conn` is committed; it must not block."""
    conn.info[_AFTER].append(callback)


def array(name: str, items: list[Any], kind: Any) -> sa.BindParameter[Any]:
    """`items` as one array parameter, for `unnest(:name)` in a set-based statement."""
    return sa.bindparam(name, items, type_=sa.ARRAY(kind))


async def driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """asyncpg's own connection, for the few statements that every batch of a rush runs: they
    cost a third of what they cost through SQLAlchemy. JSON goes in as text and comes out decoded.
    """
    found: asyncpg.Connection[asyncpg.Record] | None = conn.info.get(RAW)
    if found is None:  # not one of a Database's own
        found = (await conn.get_raw_connection()).driver_connection
    assert found is not None
    return found


async def _plan_anew(line: Line) -> None:
    """Has the connection's statements planned anew where the plans are older than PLANS_HOLD."""
    now = time.monotonic()
    if now - line.info.setdefault(_PLANNED, now) >= PLANS_HOLD:
        await line.raw.execute("DISCARD PLANS")
        line.info[_PLANNED] = now


async def _roll_back(raw: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Ends the transaction, and the connection where that does not work."""
    try:
        if not raw.is_closed():
            await raw.execute("ROLLBACK")
    except Exception as error:  # also asyncpg's own, where the line broke in the middle
        log.warning("db.roll_back", error=type(error).__name__)
        raw.terminate()


async def copy(
    conn: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Writes rows by COPY, which costs a fraction of INSERT for a batch; see `driver`.

    Raises asyncpg.PostgresError, a double as its UniqueViolationError.
    """
    await (await driver(conn)).copy_records_to_table(table, records=rows, columns=columns)


def _now() -> sa.TextClause:
    return sa.text("clock_timestamp()")


def add_message_tables(metadata: sa.MetaData) -> None:
    """Adds the tables of kit.outbox, kit.relay and kit.consumer to a service's metadata."""
    stamp = sa.DateTime(timezone=True)
    sa.Table(
        "outbox",
        metadata,
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", BYTEA, nullable=False),
        sa.Column("payload", BYTEA, nullable=False),
        sa.Column("created_at", stamp, nullable=False, server_default=_now()),
    )
    sa.Table(
        "outbox_shard",
        metadata,
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", UUID(as_uuid=True)),
        sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("leased_until", stamp),
        sa.Column("cursor", sa.BigInteger, nullable=False, server_default="0"),
    )
    sa.Table(
        "relay",
        metadata,
        sa.Column("owner", UUID(as_uuid=True), primary_key=True),
        sa.Column("seen_at", stamp, nullable=False),
    )
    sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("message_id", UUID(as_uuid=True), primary_key=True),
        sa.Column("received_at", stamp, nullable=False, server_default=_now(), index=True),
    )
    sa.Table(
        "inbox_seq",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("event_id", UUID(as_uuid=True), primary_key=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "dead_letter",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("payload", BYTEA, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("at", stamp, nullable=False, server_default=_now()),
        sa.Column("replayed_at", stamp),
        sa.UniqueConstraint("consumer", "topic", "partition", "offset"),
    )
