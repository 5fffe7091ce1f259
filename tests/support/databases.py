"""Fresh databases on the stack's PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from services.kit import migrations


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
