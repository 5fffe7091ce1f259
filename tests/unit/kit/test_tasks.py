"""Tasks end when they are told to, also those that lose a cancellation on the way."""

import asyncio
import contextlib

import pytest

from services.kit import tasks
from services.kit.tasks import cancelled


async def deaf(times: int) -> None:
    """Takes that many cancellations for something else."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_task_that_loses_cancellations_ends(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_SECONDS", 0.01)
    work = asyncio.create_task(deaf(times))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancelled([work])
    assert work.cancelled()


async def test_what_a_task_raised_is_dropped() -> None:
    work = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await cancelled([work])
    assert work.done()
    await cancelled([])
