"""Background roles of a worker: each runs until it is told to stop, and is begun again when it
fails for a reason that nobody foresaw.

Invariant: after `stop` every role finishes what it has in hand within the deadline; one that
does not is cancelled, and its transaction rolls back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import Counter

from services.kit.tasks import cancelled

log = structlog.get_logger(__name__)

CRASHES = Counter("einlass_role_crashes", "Unforeseen failures of a role.", ["role"])

Role = Callable[[asyncio.Event], Awaitable[None]]
T = TypeVar("T")

# A role that ran so long without failing begins again as if it had never failed.
_STEADY_SECONDS: Final = 60.0
# A role that was cancelled gives back what it holds; one that cannot is cancelled once more.
_GIVE_BACK_SECONDS: Final = 6.0


async def _keep(name: str, role: Role, stop: asyncio.Event) -> None:
    pause = 0.5
    while not stop.is_set():
        began = time.monotonic()
        try:
            await role(stop)
        except Exception:
            CRASHES.labels(name).inc()
            log.error("role.crashed", role=name, exc_info=True)
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = 0.5
            await every(pause, stop)
            pause = min(pause * 2, 30)


async def run_roles(roles: Mapping[str, Role], stop: asyncio.Event, deadline: float) -> None:
    """Runs all `roles` until `stop`, then waits `deadline` seconds at most."""
    tasks = [asyncio.create_task(_keep(n, r, stop), name=n) for n, r in roles.items()]
    log.info("worker.started", roles=list(roles))
    await stop.wait()
    _, late = await asyncio.wait(tasks, timeout=deadline)
    for _ in range(2):
        if not late:
            break
        for task in late:
            log.error("role.cancelled", role=task.get_name())
            task.cancel()
        _, late = await asyncio.wait(late, timeout=_GIVE_BACK_SECONDS)
    log.info("worker.stopped")


async def every(seconds: float, stop: asyncio.Event) -> bool:
    """Waits; True when the time has passed, False when it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return True
    return False


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None where `stop` came first, and then `work` is cancelled. For
    waiting, not for work that should be finished."""
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await cancelled({stopping} if task.done() else {stopping, task})
