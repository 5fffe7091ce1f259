"""Waiting for what happened, never for the clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T]], enough: Callable[[T], bool], timeout: float = 30
) -> T:
    """What `look` sees as soon as it is enough. Raises AssertionError with what it saw last."""
    deadline = time.monotonic() + timeout
    while True:
        seen = await look()
        if enough(seen):
            return seen
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.05)
