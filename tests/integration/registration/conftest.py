"""A database of registration's own, migrated, and the rules that work on it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from tests.integration.registration.harness import House
from tests.support import databases


@pytest_asyncio.fixture(scope="session")
async def registration_url(administrator_url: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    async with databases.fresh(administrator_url, "registration") as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def house(registration_url: str) -> AsyncIterator[House]:
    """The rules; a test makes events of its own."""
    opened = House(registration_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="session")
async def houses(registration_url: str) -> AsyncIterator[tuple[House, House]]:
    """Two processes at one database, each with connections of its own."""
    pair = House(registration_url, pool=8), House(registration_url, pool=8)
    yield pair
    for opened in pair:
        await opened.close()


@pytest_asyncio.fixture
async def admin(registration_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else."""
    conn = await asyncpg.connect(registration_url)
    yield conn
    await conn.close()
