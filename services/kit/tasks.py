"""Ends tasks.

A task can take a cancellation for its own library's end and go on: `asyncio.wait_for` before
Python 3.12 loses one that comes as what it waits for has just been done
(https://github.com/python/cpython/issues/86296), and redis-py sends through it.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_SECONDS = 1.0


async def cancelled(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels, again each second, until all have ended; what they raise is dropped."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()
