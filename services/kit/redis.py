"""Redis as a health check sees it."""

import redis.asyncio as aioredis

from services.kit.health import Check


def ping(url: str) -> Check:
    """A check that Redis answers."""
    client = aioredis.from_url(url, socket_connect_timeout=1, socket_timeout=1)

    async def check() -> None:
        await client.ping()

    return check
