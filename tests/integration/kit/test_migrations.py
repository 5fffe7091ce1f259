"""The migrations of every service make what its models say, from nothing and twice at once."""

import asyncio
import subprocess
import sys
from typing import Any, get_args
from uuid import uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli import ServiceName
from services.kit import migrations
from services.kit.db import async_url
from tests.support import databases


@pytest.mark.parametrize("service", get_args(ServiceName))
async def test_models_and_migrations_agree(administrator_url: str, service: str) -> None:
    metadata = migrations.tables_of(service)

    def differences(connection: sa.Connection) -> tuple[list[Any], set[str], set[str]]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        rest = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
        checks = {
            f"{table}.{check['name']}"
            for table in rest
            for check in sa.inspect(connection).get_check_constraints(table)
        }
        return list(compare_metadata(context, metadata)), rest, checks

    async with databases.fresh(administrator_url, service) as url:
        engine = create_async_engine(async_url(url))
        async with engine.connect() as connection:
            found, tables, checks = await connection.run_sync(differences)
        await engine.dispose()
    assert found == []
    assert tables == set(metadata.tables)
    # Alembic does not compare these, and they are the last defence of the counters.
    assert checks == {
        f"{table.name}.{check.name}"
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, sa.CheckConstraint)
    }


async def test_two_processes_may_migrate_at_once(administrator_url: str) -> None:
    server = administrator_url.rsplit("/", 1)[0]
    name = f"twice_{uuid4().hex}"
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        await asyncio.gather(*(asyncio.to_thread(_migrate, f"{server}/{name}") for _ in range(2)))
        once_more = await asyncpg.connect(f"{server}/{name}")
        assert await once_more.fetchval("SELECT count(*) FROM alembic_version") == 1
        await once_more.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def _migrate(url: str) -> None:
    """In a process of its own, as `einlass migrate` is: Alembic's context is one per process."""
    program = "import sys; from services.kit import migrations; migrations.upgrade(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", program, "waitlist", url], check=True)
