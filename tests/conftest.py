"""The real stack, once for all tests that ask for it.

It runs from a home and a port of its own (`EINLASS_TEST_HOME`, `EINLASS_TEST_PORT`), so that
one that somebody works with is not touched. Where a server cannot start, the tests fail.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
import pytest_asyncio

from deploy.local import Stack
from tests.support.mailbox import Mailbox

# A machine that does other work too is no mistake in the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, Valkey, Kafka, mailbox, gateway and the six processes."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    environ["EINLASS_RATE_LIMITS"] = "off"
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800"))
    with tempfile.TemporaryDirectory(prefix="einlass-") as own:
        home = Path(os.environ.get("EINLASS_TEST_HOME", own))
        with Stack(home, port, environ) as running:
            running.up()
            yield running


@pytest.fixture(scope="session")
def administrator_url(stack: Stack) -> str:
    """An administrator's address of the stack's PostgreSQL."""
    return stack.administrator_url()


@pytest.fixture(scope="session")
def mailbox(stack: Stack) -> Mailbox:
    """What the stack has sent."""
    return Mailbox(stack.environment()["EINLASS_IMAP_URL"])


@pytest_asyncio.fixture(scope="session")
async def admin(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An operator at the admin API."""
    assert stack.operator is not None
    headers = {"Authorization": f"Bearer {stack.operator.token}"}
    async with httpx.AsyncClient(
        base_url=f"{stack.public_url}/api/v1/admin", headers=headers, timeout=30
    ) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def public(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the public API."""
    async with httpx.AsyncClient(base_url=f"{stack.public_url}/api/v1", timeout=30) as client:
        yield client
