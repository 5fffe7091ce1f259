"""A database of notifications, emptied for each test, and an SMTP server that obeys."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
import sqlalchemy as sa

from services.kit.db import Database
from tests.integration.notifications.desk import VIEWER, application
from tests.integration.notifications.post_office import PostOffice
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
                "TRUNCATE mail, broadcast, reminder, participant, event, "
                "outbox, inbox, inbox_seq, dead_letter"
            )
        )
    return _database


@pytest_asyncio.fixture
async def post_office() -> AsyncIterator[PostOffice]:
    """A real SMTP server on a port of its own."""
    async with PostOffice() as office:
        yield office


@pytest_asyncio.fixture
async def api(db: Database, notifications_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The API, to somebody who may look."""
    app = application(notifications_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://einlass.test/api/v1/admin",
            headers=VIEWER,
        ) as client,
    ):
        client.app = app  # type: ignore[attr-defined]
        yield client
