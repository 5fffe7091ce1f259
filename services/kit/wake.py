"""Waking a sleeping role at once after a commit.

Invariant: a wake may be lost at any time and nothing goes wrong; whoever waits also polls.
LISTEN/NOTIFY is not used, since it takes a lock over all of the database at commit.
"""

import asyncio
import contextlib
from typing import Final

from services.kit.channel import Channel

# Seconds. In a rush hundreds of commits follow each other in one; a relay that is awake takes
# along what came meanwhile.
SPACING: Final = 0.01


class Wake:
    """One bell. Inside one process it rings directly, so that a worker's consumer wakes the
    same worker's relay without Redis; other processes hear it through Redis."""

    def __init__(self, redis_url: str, name: str) -> None:
        self._channel = Channel(redis_url, f"wake:{name}", keep=1, spacing=SPACING)
        self._heard = asyncio.Event()

    def start(self, *, listen: bool) -> None:
        """Begins to tell other processes and, with `listen`, to hear them."""
        if listen:
            self._channel.start(lambda _: self._heard.set(), self._heard.set)
        else:
            self._channel.start()

    def notify(self) -> None:
        """Wakes whoever waits; never blocks."""
        self._heard.set()
        self._channel.publish()

    async def wait(self, timeout: float) -> None:
        """Returns when woken, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), timeout)
        self._heard.clear()

    async def stop(self) -> None:
        """Ends it."""
        await self._channel.stop()
