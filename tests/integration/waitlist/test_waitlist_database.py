"""What the waitlist's database is, and what it costs to move somebody up."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import migrations
from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import repository, service
from services.waitlist.domain.facts import Described, Fact, Freed, Joined, Left, LineRules, Policy
from services.waitlist.domain.line import Kind, Needed, read
from services.waitlist.models import metadata
from tests.support import databases

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHORT, LONG = 100, 100_000


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


_OPERATORS = sa.text(
    """
    INSERT INTO ledger (event_id, kind, seats, at, actor, by, why)
    VALUES (:event, 'paused', 0, now(), :actor, :by, :why)
    """
)


@pytest.mark.parametrize(
    ("actor", "by", "why"),
    [("operator", None, None), ("line", "Ada", "why"), ("operator", "Ada", None)],
)
async def test_an_operator_s_row_has_name_and_reason(
    db: Database, actor: str, by: str | None, why: str | None
) -> None:
    async with db.read() as conn:
        event_id = uuid7()
        await repository.lock_lines(conn, [event_id])
        values = {"event": event_id, "actor": actor, "by": by, "why": why}
        with pytest.raises(DBAPIError, match="ck_ledger_operator"):
            await conn.execute(_OPERATORS, values)


_FILL = sa.text(
    """
    INSERT INTO entry (registration_id, event_id, seq, rank, seats, state, joined_at, priority,
        whole, passed_by)
    SELECT gen_random_uuid(), :event, seq, seq, 1 + seq % :sizes, 'waiting', :now, 0, false, '{}'
    FROM generate_series(4, :length) AS seq
    """
)


async def a_line(
    conn: AsyncConnection, length: int, policy: Policy = "strict", sizes: int = 1
) -> tuple[UUID, list[UUID]]:
    """A line of `length` parties; returns the event and the first three of them, which are of one,
    three and two seats. The others are of 1 to `sizes`."""
    event_id = uuid7()
    first = [uuid7() for _ in range(3)]
    rules = LineRules("automatic", policy)
    told: list[Fact] = [Described(NOW, f"kurs-{event_id}", "Kurs", True, rules)]
    told += [Joined(NOW, party, seq, (1, 3, 2)[seq - 1]) for seq, party in enumerate(first, 1)]
    await service.take(conn, {event_id: told}, NOW)
    await conn.execute(_FILL, {"event": event_id, "length": length, "now": NOW, "sizes": sizes})
    await conn.execute(
        sa.text(
            """
            UPDATE line SET (length, waiting) = (
                SELECT count(*), sum(seats) FROM entry WHERE entry.event_id = line.event_id)
            WHERE event_id = :event
            """
        ),
        {"event": event_id},
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


@pytest.mark.parametrize("policy", ["strict", "fill", "partial"])
async def test_moving_up_costs_the_same_in_a_line_of_100_000(db: Database, policy: Policy) -> None:
    async with db.transaction() as conn:
        short, short_first = await a_line(conn, SHORT, policy, sizes=4)
        long, long_first = await a_line(conn, LONG, policy, sizes=4)

    def turns(first: Sequence[UUID]) -> list[list[Fact]]:
        freed, left = Freed(NOW, 1), Left(NOW, first[1])
        new = Joined(NOW, uuid7(), LONG + 1, 1)
        return [[freed], [freed, freed], [left], [freed, left, new], [Freed(NOW, 9)]]

    # The planner must find the way with no statistics yet as well as with them.
    for statistics in (False, True):
        if statistics:
            async with db.transaction() as conn:
                await conn.execute(sa.text("ANALYZE entry"))
        for few, many in zip(turns(short_first), turns(long_first), strict=True):
            cost = await touched(db, long, many)
            assert cost.get("scans", 0) == 0
            assert cost["read"] < 60
            assert cost == await touched(db, short, few)


@pytest.mark.parametrize("policy", ["strict", "fill", "partial"])
async def test_5_000_seats_freed_at_once_are_decided_in_one_go(
    db: Database, policy: Policy
) -> None:
    async with db.transaction() as conn:
        event_id, _ = await a_line(conn, LONG, policy, sizes=3)
    began = time.monotonic()
    async with db.transaction() as conn:
        await service.take(conn, {event_id: [Freed(NOW, 5000)]}, NOW)
    took = time.monotonic() - began
    print(f"{policy}: 5,000 seats of 100,000 waiting decided and written in {took:.2f} s")
    async with db.read() as conn:
        given = await conn.execute(
            sa.text(
                "SELECT sum(seats) AS seats, count(*) AS parties FROM ledger "
                "WHERE event_id = :event AND kind = 'promoted'"
            ),
            {"event": event_id},
        )
        row = given.one()
    assert row.seats >= 4997
    assert 2000 < row.parties <= 5000
    assert took < 20, "a set at a time, not a party"


async def test_the_database_reads_what_the_rules_ask_for(db: Database) -> None:
    async with db.transaction() as conn:
        event_id, first = await a_line(conn, SHORT, "fill", sizes=5)
    for wanted in (Needed(), Needed(1), Needed(7, 2, 3), Needed(90, 4, 9), Needed(1, 50, 2)):
        async with db.read() as conn:
            found = await repository.entries(conn, [first[2]], {event_id: wanted})
            every = await repository.entries(conn, [], {event_id: Needed(1000)})
        queue = sorted(every[event_id].values(), key=lambda entry: entry.rank)
        expected = {first[2], *(one.registration_id for one in queue[: wanted.heads])}
        for size in range(1, wanted.sizes + 1):
            of_size = [one for one in queue[wanted.heads :] if one.seats == size]
            expected |= {one.registration_id for one in of_size[: wanted.per_size]}
        assert found[event_id].keys() == expected


async def test_a_far_small_party_passes_in_the_database_as_in_the_rules(db: Database) -> None:
    async with db.transaction() as conn:
        event_id, first = await a_line(conn, 3, "fill")
        later = [Joined(NOW, uuid7(), seq, 4) for seq in range(10, 200)]
        small = Joined(NOW, uuid7(), 300, 1)
        await service.take(conn, {event_id: [Left(NOW, first[0]), *later, small]}, NOW)
    async with db.transaction() as conn:
        stored = (await repository.lock_lines(conn, [event_id]))[event_id]
        every = await repository.entries(conn, [], {event_id: Needed(1000)})
        facts = [Freed(NOW, 1)]
        known = {one.registration_id for one in read(every[event_id].values(), stored.line, facts)}
        assert small.registration_id in known
        await service.take(conn, {event_id: facts}, NOW)
        rows = await repository.records_before(conn, event_id, None, None, 2)
    skipped, promoted = (row.record for row in rows)
    assert (skipped.kind, skipped.registration_id, skipped.number) == (Kind.SKIPPED, first[1], 1)
    assert (promoted.kind, promoted.registration_id) == (Kind.PROMOTED, small.registration_id)


async def test_what_is_kept_of_a_line_and_its_entries_comes_back_as_it_was(db: Database) -> None:
    """Also what two lines keep of different length, which one statement writes."""
    async with db.transaction() as conn:
        events = {}
        for passes in (1, 3):
            event_id = uuid7()
            rules = LineRules("offer", "fill", passes, NOW + timedelta(days=1))
            told: list[Fact] = [Described(NOW, f"kurs-{event_id}", "Kurs", True, rules)]
            told += [Joined(NOW, uuid7(), seq, 1 if seq > 1 else 9) for seq in range(1, 6)]
            events[event_id] = [*told, Freed(NOW, 3)]
        await service.take(conn, events, NOW)
        lines = await repository.lock_lines(conn, events.keys())
    few, many = (lines[key].line for key in events)
    assert (few.passed_by, many.passed_by) == ((2,), (2, 3, 4))
    assert (few.free, many.free) == (2, 0)
    assert few.rules == LineRules("offer", "fill", 1, NOW + timedelta(days=1))
    assert lines[next(iter(events))].seq == 1


async def downgraded(url: str) -> None:
    """Back to the first version."""
    await asyncio.to_thread(command.downgrade, migrations.config("waitlist", url), "0001")


async def test_old_rows_keep_their_places(administrator_url: str) -> None:
    """A database of the first version, with somebody in each state, brought to the newest."""
    async with databases.fresh(administrator_url, "waitlist") as url:
        await downgraded(url)
        conn = await asyncpg.connect(url)
        event_id, parties = uuid7(), [uuid7() for _ in range(4)]
        await conn.execute(
            "INSERT INTO line (event_id, open, free, waiting, length, seq) "
            "VALUES ($1, true, 0, 2, 1, 3)",
            event_id,
        )
        states = ("waiting", "promoted", "confirmed", "left")
        for seq, (party, state) in enumerate(zip(parties, states, strict=True), 1):
            await conn.execute(
                "INSERT INTO entry (registration_id, event_id, seq, seats, state, joined_at, "
                "ended_at) VALUES ($1, $2, $3, 2, $4, $5, $6)",
                *(party, event_id, seq, state, NOW, None if state == "waiting" else NOW),
            )
        await conn.execute(
            "INSERT INTO ledger (event_id, kind, seats, at, actor) "
            "VALUES ($1, 'freed', 2, $2, 'registration')",
            event_id,
            NOW,
        )
        await conn.close()
        await asyncio.to_thread(migrations.upgrade, "waitlist", url)
        db = Database(url, name="tests", pool=1)
        try:
            async with db.transaction() as now:
                line = (await repository.lock_lines(now, [event_id]))[event_id].line
                assert line.rules == LineRules()
                known = (await repository.entries(now, parties, {}))[event_id]
                assert [known[party].rank for party in parties] == [1, 2, 3, 4]
                await service.take(now, {event_id: [Freed(NOW, 2)]}, NOW)
                known = (await repository.entries(now, parties, {}))[event_id]
            assert known[parties[0]].state.value == "promoted"
        finally:
            await db.close()
        await downgraded(url)
        await asyncio.to_thread(migrations.upgrade, "waitlist", url)
