"""The scheduler: has offers run out whose time is over.

Invariant: it decides nothing. What an offer becomes is decided under the lock of its event, where
whoever accepts in the same moment is decided too.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Counter

from services.kit.db import is_infrastructure
from services.kit.errors import EinlassError
from services.kit.roles import every
from services.registration.actions import Action, Actions
from services.registration.repository import registrations

log = structlog.get_logger(__name__)

RUN_OUT = Counter("einlass_registration_offers_run_out", "Offers that nobody accepted in time.")
PAUSE_SECONDS: Final = 1.0
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Timer:
    """Looks every second; any number of processes may."""

    actions: Actions

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
        """Has up to BATCH offers run out; returns how many were due."""
        async with self.actions.db.read() as conn:
            due = await registrations.run_out(conn, self.actions.clock.now(), BATCH)
        if due:
            wishes = [Action(one, "run_out") for one in due]
            outcomes = await self.actions.run(wishes, again=False, alone=True)
            ended = [one for one in outcomes if not isinstance(one, EinlassError)]
            RUN_OUT.inc(sum(found.status != "offered" for found, _ in ended))
        return len(due)
