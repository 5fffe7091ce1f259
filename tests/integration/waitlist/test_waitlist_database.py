"""What the waitlist's database is, and what it costs to move somebody up."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import service
from services.waitlist.domain.facts import Fact, Freed, Joined, Left
from services.waitlist.models import metadata
from tests.support import databases

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHORT, LONG = 10, 100_000


async def test_the_migrations_make_what_the_models_say(db: Database) -> None:
    migrated, modelled = await databases.shapes(db, metadata)
    assert modelled == migrated


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger SET seats = 9", "DELETE FROM ledger", "TRUNCATE ledger"],
)
async def test_the_ledger_only_grows(db: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.transaction() as conn:
            await conn.execute(sa.text(statement))


async def a_line(conn: AsyncConnection, length: int) -> tuple[UUID, list[UUID]]:
    """A line of `length` parties of one; returns the event and the first three of them."""
    event_id = uuid7()
    first = [uuid7() for _ in range(3)]
    told = [Joined(NOW, party, seq, 1) for seq, party in enumerate(first, 1)]
    await service.take(conn, {event_id: told}, NOW)
    await conn.execute(
        sa.text(
            """
            INSERT INTO entry (registration_id, event_id, seq, seats, state, joined_at)
            SELECT gen_random_uuid(), :event, seq, 1, 'waiting', :now
            FROM generate_series(4, :length) AS seq
            """
        ),
        {"event": event_id, "length": length, "now": NOW},
    )
    await conn.execute(
        sa.text("UPDATE line SET length = :length, waiting = :length WHERE event_id = :event"),
        {"event": event_id, "length": length},
    )
    return event_id, first


async def counted(conn: AsyncConnection) -> Counter[str]:
    """What this connection has done to the entries and not yet reported to the statistics."""
    row = await conn.execute(
        sa.text(
            """
            SELECT seq_scan AS scans, idx_tup_fetch AS read, n_tup_ins + n_tup_upd AS written
            FROM pg_stat_xact_user_tables WHERE relname = 'entry'
            """
        )
    )
    return Counter(dict(row.one()._mapping))


class _Undone(Exception):
    """Rolls a transaction back."""


async def touched(db: Database, event_id: UUID, facts: Sequence[Fact]) -> dict[str, int]:
    """How many rows of the entries these facts read and write, undone afterwards."""
    cost: dict[str, int] = {}
    with suppress(_Undone):
        async with db.transaction() as conn:
            before = await counted(conn)
            await service.take(conn, {event_id: facts}, NOW)
            cost.update(await counted(conn) - before)
            raise _Undone
    return cost


async def test_moving_up_costs_the_same_in_a_line_of_100_000(db: Database) -> None:
    async with db.transaction() as conn:
        short, short_first = await a_line(conn, SHORT)
        long, long_first = await a_line(conn, LONG)

    def turns(first: Sequence[UUID]) -> list[list[Fact]]:
        freed, left = Freed(NOW, 1), Left(NOW, first[1])
        return [[freed], [left], [freed, left, Joined(NOW, uuid7(), LONG + 1, 1)]]

    # The planner must find the way with no statistics yet as well as with them.
    for statistics in (False, True):
        if statistics:
            async with db.transaction() as conn:
                await conn.execute(sa.text("ANALYZE entry"))
        for few, many in zip(turns(short_first), turns(long_first), strict=True):
            cost = await touched(db, long, many)
            assert cost.get("scans", 0) == 0
            assert cost == await touched(db, short, few)
