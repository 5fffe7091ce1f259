"""A Redis pub/sub channel that never holds anybody up.

Invariant: publishing returns at once and may be lost, with Redis or without; whoever listens
has another way to learn the same, and is told of each new connection, so that it can look.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from services.kit.tasks import cancelled


class Channel:
    """One channel, for publishing and, with `on_message`, for listening.

    `keep`: how many messages wait for Redis at most; the newest ones stay. `spacing`: seconds
    between two of them at least; the first after a silence goes at once.
    """

    def __init__(self, redis_url: str, name: str, *, keep: int = 1000, spacing: float = 0) -> None:
        self._redis = aioredis.from_url(redis_url, socket_connect_timeout=1)
        self._name = f"einlass:{name}"
        self._spacing = spacing
        self._waiting: deque[bytes] = deque(maxlen=keep)
        self._pending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self,
        on_message: Callable[[bytes], None] | None = None,
        on_connect: Callable[[], None] | None = None,
    ) -> None:
        """Begins to publish, and to listen where `on_message` is given."""
        self._tasks.append(asyncio.create_task(self._publish()))
        if on_message is not None:
            self._tasks.append(asyncio.create_task(self._listen(on_message, on_connect)))

    def publish(self, message: bytes = b"") -> None:
        """Puts a message on its way."""
        self._waiting.append(message)
        self._pending.set()

    async def stop(self) -> None:
        """Ends both tasks and closes the connections."""
        await cancelled(self._tasks)
        await self._redis.aclose()

    async def _publish(self) -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            while self._waiting:
                message = self._waiting.popleft()
                try:
                    async with asyncio.timeout(1):
                        await self._redis.publish(self._name, message)
                except (RedisError, OSError, TimeoutError):
                    await asyncio.sleep(0.2)
                if self._spacing:
                    await asyncio.sleep(self._spacing)

    async def _listen(
        self, on_message: Callable[[bytes], None], on_connect: Callable[[], None] | None
    ) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as found:
                    await found.subscribe(self._name)
                    if on_connect is not None:
                        on_connect()
                    async for message in found.listen():
                        on_message(message["data"])
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(0.5)
