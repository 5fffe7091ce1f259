"""A database of the waitlist's own, migrated, and nothing in its tables but what a test puts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import SecretStr

from services.kit import migrations
from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.operators import Operator
from services.waitlist.app import create_app
from services.waitlist.settings import WaitlistSettings

PUBLIC: Final = "https://einlass.example.org"
OPERATORS: Final = {"vera's": Operator("vera", "viewer"), "eda's": Operator("eda", "editor")}


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


@pytest.fixture
def settings(waitlist_url: str) -> WaitlistSettings:
    """Settings of a process that has the database and nothing else."""
    return WaitlistSettings(
        EINLASS_WAITLIST_DATABASE_URL=waitlist_url,
        redis_url="redis://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:1",
        public_url=PUBLIC,
        secret_key=SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
    )


async def whose(token: str) -> Operator | None:
    """Knows a viewer and an editor."""
    return OPERATORS.get(token)


@pytest_asyncio.fixture
async def http(settings: WaitlistSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A viewer at the API, in whose eyes it is noon on the 1 March 2026."""
    app = create_app(settings)
    app.state.introspection = whose
    app.state.clock = FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        client.headers["Authorization"] = "Bearer vera's"
        yield client
    database: Database = app.state.db
    await database.close()


@pytest_asyncio.fixture
async def editor(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """An editor at the same API."""
    http.headers["Authorization"] = "Bearer eda's"
    return http
