"""A database of notifications, emptied for each test, and the links of its subscribers."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
import sqlalchemy as sa

from services.kit.db import Database
from services.notifications.subscribers.links import Links
from tests.integration.subscribers.people import World
from tests.integration.subscribers.site import PUBLIC, Site, application, opened
from tests.support.databases import fresh

KEY: Final = bytes(32)


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
                "TRUNCATE mail, subscription_request, subscriber, asking, asked_address, "
                "consent, subscriber_journal, suppression"
            )
        )
    return _database


@pytest.fixture
def links() -> Links:
    """Of the installation that the tests are."""
    return Links(KEY, PUBLIC)


@pytest.fixture
def world(db: Database, links: Links) -> World:
    """The database and a time."""
    return World(db, links)


@pytest_asyncio.fixture
async def site(world: World, notifications_url: str) -> AsyncIterator[Site]:
    """The pages over the same database, at the same time."""
    async with opened(application(notifications_url), world) as site:
        yield site
