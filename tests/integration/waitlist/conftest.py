"""A database of the waitlist's own, migrated, and nothing in its tables but what a test puts."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
import sqlalchemy as sa

from services.kit import migrations
from services.kit.db import Database


@pytest_asyncio.fixture(scope="session")
async def waitlist_url(administrator_url: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    server = administrator_url.rsplit("/", 1)[0]
    name = f"waitlist_{uuid4().hex}"
    admin = Database(administrator_url, name="tests", pool=1)
    async with admin.engine.connect() as conn:
        free = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await free.execute(sa.text(f"CREATE DATABASE {name}"))
        await asyncio.to_thread(migrations.upgrade, "waitlist", f"{server}/{name}")
        yield f"{server}/{name}"
        await free.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.close()


@pytest_asyncio.fixture(scope="session")
async def db(waitlist_url: str) -> AsyncIterator[Database]:
    """The waitlist's database. Its ledger cannot be emptied, so a test makes events of its own."""
    database = Database(waitlist_url, name="tests")
    yield database
    await database.close()
