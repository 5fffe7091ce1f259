"""A database of notifications, emptied for each test, and the newsletter's desk over it."""

from collections.abc import AsyncIterator

import pytest_asyncio
import sqlalchemy as sa

from services.kit.db import Database
from tests.integration.newsletter.newsroom import Newsroom, newsroom
from tests.support.databases import fresh


@pytest_asyncio.fixture(scope="session")
async def notifications_url(administrator_url: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    async with fresh(administrator_url, "notifications") as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def _database(notifications_url: str) -> AsyncIterator[Database]:
    database = Database(notifications_url, name="tests")
    yield database
    await database.close()


@pytest_asyncio.fixture
async def db(_database: Database) -> Database:
    """The database with nothing in its tables."""
    async with _database.transaction() as conn:
        await conn.execute(
            sa.text(
                "TRUNCATE issue, issue_rendering, issue_link, issue_picture, issue_log, "
                "issue_quarter, issue_reminder, send, send_chunk, delivery, subscriber CASCADE"
            )
        )
    return _database


@pytest_asyncio.fixture
async def room(notifications_url: str, db: Database) -> AsyncIterator[Newsroom]:
    """The desk."""
    async with newsroom(notifications_url, db) as opened:
        yield opened
