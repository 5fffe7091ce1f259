"""Transactions and connections on a real PostgreSQL."""

import asyncio

import pytest
import sqlalchemy as sa

from services.kit.db import Database, after_commit, copy, is_infrastructure
from services.kit.ids import uuid7
from tests.integration.kit.harness import Bench, said, until


async def test_what_follows_a_commit_follows_no_rollback(bench: Bench) -> None:
    heard: list[str] = []
    bench.db.on_outbox.append(lambda: heard.append("outbox"))

    async def speaks(text: str, *, fails: bool) -> None:
        async with bench.db.transaction() as conn:
            await conn.execute(sa.text("SELECT 1"))
            after_commit(conn, lambda: heard.append(text))
            if fails:
                raise ZeroDivisionError

    await speaks("one", fails=False)
    with pytest.raises(ZeroDivisionError):
        await speaks("two", fails=True)
    await speaks("three", fails=False)
    assert heard == ["one", "three"]

    async with bench.db.transaction() as conn:
        await conn.execute(sa.text("SELECT 1"))
        after_commit(conn, lambda: heard.remove("nothing"))  # which is none of the caller's
        after_commit(conn, lambda: heard.append("four"))
    assert heard[-1] == "four"
    await said(bench.db, bench.topic, uuid7())
    assert heard[-1] == "outbox"


async def test_reading_writes_nothing(bench: Bench) -> None:
    async with bench.db.read() as conn:
        await conn.execute(sa.text("INSERT INTO counter (event_id) VALUES (:id)"), {"id": uuid7()})
    async with bench.db.read() as conn:
        assert (await conn.execute(sa.text("SELECT count(*) FROM counter"))).scalar_one() == 0


async def test_connections_cut_while_idle_are_replaced_unseen(bench: Bench) -> None:
    """A restart of PostgreSQL costs nobody an error who comes after it."""
    database = Database(bench.url, name="idle", pool=3)
    opened = [database.engine.connect() for _ in range(3)]
    drivers = []
    for one in opened:
        drivers.append((await (await one.start()).get_raw_connection()).driver_connection)
    for one in opened:
        await one.close()
    await bench.admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idle'"
    )

    async def told() -> bool:
        return all(driver is not None and driver.is_closed() for driver in drivers)

    await until(told)

    async def used() -> int:
        async with database.transaction() as conn:
            return int((await conn.execute(sa.text("SELECT 1"))).scalar_one())

    assert await asyncio.gather(*(used() for _ in range(6))) == [1] * 6
    await database.close()


async def test_a_connection_cut_in_use_is_the_servers_fault_and_forgotten(bench: Bench) -> None:
    database = Database(bench.url, name="used", pool=1)

    async def cut(*, raw: bool) -> None:
        async with database.transaction() as conn:
            pid = (await conn.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            await bench.admin.execute("SELECT pg_terminate_backend($1)", pid)
            if raw:
                await copy(conn, "counter", ("event_id", "seq"), [(uuid7(), 1)])
            else:
                await conn.execute(sa.text("SELECT 1"))

    for raw in (False, True):
        with pytest.raises(Exception) as broken:  # noqa: PT011  # asyncpg's own, or SQLAlchemy's
            await cut(raw=raw)
        assert is_infrastructure(broken.value)
        await database.ping()
    await database.close()


async def test_whoever_is_cancelled_gives_the_connection_back(bench: Bench) -> None:
    database = Database(bench.url, name="cancelled", pool=1)

    async def waits() -> None:
        async with database.transaction() as conn:
            await conn.execute(
                sa.text("INSERT INTO counter (event_id) VALUES (:i)"), {"i": uuid7()}
            )
            await conn.execute(sa.text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(waits())
    await until(lambda: _sleeps(bench))
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(5), database.read() as conn:
        assert (await conn.execute(sa.text("SELECT count(*) FROM counter"))).scalar_one() == 0
    await database.close()


async def test_whose_fault_an_error_is(bench: Bench) -> None:
    async def fails(statement: str) -> sa.exc.DBAPIError:
        try:
            async with bench.db.transaction() as conn:
                await conn.execute(sa.text(statement))
        except sa.exc.DBAPIError as error:
            return error
        raise AssertionError(statement)

    raised = "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{}'; END $$"
    ours = ("SELECT 1/0", "SELECT 'x'::int", "SELECT * FROM nowhere", raised.format("25P02"))
    for statement in (*ours, "INSERT INTO counter (event_id) VALUES (NULL)"):
        assert not is_infrastructure(await fails(statement)), statement
    for state in ("40P01", "40001", "53200", "53300", "55P03", "57014", "57P03", "58030"):
        assert is_infrastructure(await fails(raised.format(state))), state


async def _sleeps(bench: Bench) -> bool:
    return bool(
        await bench.admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'cancelled' AND wait_event = 'PgSleep'"
        )
    )
