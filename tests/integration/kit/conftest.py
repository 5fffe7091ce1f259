"""A database and a topic for each test."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from deploy.local import Stack
from services.contracts.topics import DAY_MS, Topic
from services.kit.db import Database
from services.kit.kafka import create_topics
from tests.integration.kit.harness import Bench, metadata


@pytest.fixture(scope="session")
def bootstrap(stack: Stack) -> str:
    """The stack's Kafka."""
    return stack.environment()["EINLASS_KAFKA_BOOTSTRAP"]


@pytest.fixture(scope="session")
def redis_url(stack: Stack) -> str:
    """The stack's Valkey."""
    return stack.environment()["EINLASS_REDIS_URL"]


@pytest_asyncio.fixture
async def bench(administrator_url: str, bootstrap: str) -> AsyncIterator[Bench]:
    """An empty database with the tables of the messages, and an empty topic."""
    server = administrator_url.rsplit("/", 1)[0]
    name = f"kit_{uuid4().hex}"
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        db = Database(f"{server}/{name}", name="bench", pool=20)
        async with db.engine.begin() as conn:
            await conn.run_sync(metadata.create_all)
        topic = Topic(f"bench-{uuid4().hex}", retention_ms=DAY_MS, partitions=4)
        await create_topics(bootstrap, [topic], 1)
        yield Bench(f"{server}/{name}", bootstrap, topic, db, admin)
        await db.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()
