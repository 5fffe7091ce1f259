"""Fresh databases on the stack's PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import migrations
from services.kit.db import Database


@asynccontextmanager
async def fresh(administrator_url: str, service: str) -> AsyncIterator[str]:
    """The address of a new, migrated database of `service`, dropped at the end."""
    server = administrator_url.rsplit("/", 1)[0]
    name = f"{service}_{uuid4().hex}"
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        await asyncio.to_thread(migrations.upgrade, service, f"{server}/{name}")
        yield f"{server}/{name}"
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


_SHAPE: Final = sa.text(
    """
    SELECT 'column', c.table_name, c.column_name,
           concat_ws(' ', data_type, is_nullable, column_default, identity_generation)
    FROM information_schema.columns c WHERE c.table_schema = :schema
    UNION ALL
    SELECT 'constraint', t.relname, conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class t ON t.oid = conrelid
    WHERE t.relnamespace = CAST(:schema AS regnamespace) AND contype <> 'n'
    UNION ALL
    SELECT 'index', tablename, indexname, replace(indexdef, :schema || '.', '')
    FROM pg_indexes WHERE schemaname = :schema
    UNION ALL
    SELECT 'comment', relname, '', obj_description(oid, 'pg_class')
    FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'
    """
)


async def _shape(conn: AsyncConnection, schema: str) -> set[tuple[Any, ...]]:
    await conn.execute(sa.text(f"SET LOCAL search_path TO {schema}"))
    rows = await conn.execute(_SHAPE, {"schema": schema})
    return {tuple(row) for row in rows if row[1] != "alembic_version"}


async def shapes(
    db: Database, metadata: sa.MetaData
) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """All columns, constraints, indexes and comments of a migrated database, and those that its
    service's models would make."""
    async with db.read() as conn:
        migrated = await _shape(conn, "public")
        await conn.execute(sa.text("CREATE SCHEMA models"))
        await conn.execute(sa.text("SET LOCAL search_path TO models"))
        await conn.run_sync(metadata.create_all)
        return migrated, await _shape(conn, "models")
