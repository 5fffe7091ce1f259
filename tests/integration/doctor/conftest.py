"""Three fresh databases a test session; a test makes events of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from deploy.local import Stack
from tests.integration.doctor.installation import SERVICES, Installation
from tests.support import databases


@pytest_asyncio.fixture(scope="session")
async def installation(stack: Stack, administrator_url: str) -> AsyncIterator[Installation]:
    """The rules of all services on databases that nobody else uses, beside the stack's Kafka."""
    environment = stack.environment()
    async with AsyncExitStack() as opened:
        urls = {
            name: await opened.enter_async_context(databases.fresh(administrator_url, name))
            for name in SERVICES
        }
        made = Installation.of(
            urls, environment["EINLASS_KAFKA_BOOTSTRAP"], environment["EINLASS_REDIS_URL"]
        )
        opened.push_async_callback(made.close)
        yield made
