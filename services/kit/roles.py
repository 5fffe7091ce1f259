"""Background roles of a worker: each runs until it is told to stop, and is begun again when it
fails for a reason that nobody foresaw.

Invariant: after `stop` every role finishes what it has in hand within the deadline; one that
does not is cancelled, and its transaction rolls back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

CRASHES = Counter("einlass_role_crashes", "Unforeseen failures of a role.", ["role"])

Role = Callable[[asyncio.Event], Awaitable[None]]


async def _keep(name: str, role: Role, stop: asyncio.Event) -> None:
    pause = 0.5
    while not stop.is_set():
        try:
            await role(stop)
        except Exception:
            CRASHES.labels(name).inc()
            log.error("role.crashed", role=name, exc_info=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30)


async def run_roles(roles: Mapping[str, Role], stop: asyncio.Event, deadline: float) -> None:
    """Runs all `roles` until `stop`, then waits `deadline` seconds at most."""
    tasks = [asyncio.create_task(_keep(n, r, stop), name=n) for n, r in roles.items()]
    log.info("worker.started", roles=list(roles))
    await stop.wait()
    _, late = await asyncio.wait(tasks, timeout=deadline)
    for task in late:
        log.error("role.cancelled", role=task.get_name())
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    log.info("worker.stopped")


async def every(seconds: float, stop: asyncio.Event) -> bool:
    """Waits; True when the time has passed, False when it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return True
    return False
