"""The timer: has lines whose end has come give back what they hold.

Invariant: it decides nothing. Whether a line is over is asked again under its lock, by the line's
own rules.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.roles import every
from services.waitlist import repository, service
from services.waitlist.domain.facts import Ended

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Timer:
    """Looks every second; any number of processes may."""

    db: Database
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while await every(PAUSE_SECONDS, stop):
            try:
                while await self.look() == BATCH and not stop.is_set():
                    pass
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("timer.later", error=type(error).__name__)

    async def look(self) -> int:
        """Ends up to BATCH lines; returns how many were due."""
        now = self.clock.now()
        async with self.db.read() as conn:
            due = await repository.due(conn, now, BATCH)
        if due:
            async with self.db.transaction() as conn:
                await service.take(conn, {event_id: [Ended(now)] for event_id in due}, now)
        return len(due)
