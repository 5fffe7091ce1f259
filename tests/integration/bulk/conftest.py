"""A database with subscribers, emptied for each test, and an SMTP server that counts."""

from collections.abc import AsyncIterator

import pytest_asyncio
import sqlalchemy as sa

from services.kit.db import Database
from tests.support.databases import fresh
from tests.support.newsletter_sink import Sink


@pytest_asyncio.fixture(scope="session")
async def bulk_url(administrator_url: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    async with fresh(administrator_url, "notifications") as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def _database(bulk_url: str) -> AsyncIterator[Database]:
    database = Database(bulk_url, name="tests")
    yield database
    await database.close()


@pytest_asyncio.fixture
async def db(_database: Database) -> Database:
    """The database with nothing in its tables."""
    async with _database.transaction() as conn:
        await conn.execute(
            sa.text(
                "TRUNCATE send, send_chunk, delivery, send_pace, subscriber, suppression CASCADE"
            )
        )
    return _database


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    """An SMTP server on a port of its own."""
    async with Sink() as running:
        yield running
