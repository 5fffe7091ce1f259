"""The scheduler: has people reminded of events that are about to begin.

Invariant: it decides nothing. When a reminder is due says `domain.reminders`; that it is written
once, the database.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from services.kit.clock import Clock
from services.kit.db import Database, after_commit, is_infrastructure
from services.kit.roles import every
from services.notifications.domain.reminders import reminder
from services.notifications.repository import reminders
from services.notifications.service import WRITTEN

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 10.0
# Around the world a day begins and ends up to a day apart.
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timer:
    """Looks every ten seconds; any number of processes may. `distances`: how many days before the
    first one people are reminded, none for never. `on_mail` wakes the delivery."""

    db: Database
    clock: Clock
    distances: tuple[int, ...]
    on_mail: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while await every(PAUSE_SECONDS, stop):
            try:
                await self.look()
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("timer.later", error=type(error).__name__)

    async def look(self) -> int:
        """Writes the reminders that are due, each event's in a transaction of its own; returns
        how many mails."""
        if not self.distances:
            return 0
        now = self.clock.now()
        first, last = now.date() - _DAY, now.date() + _DAY * (max(self.distances) + 1)
        async with self.db.read() as conn:
            events = await reminders.upcoming(conn, first, last)
        mails = 0
        for event in events:
            due = reminder(event, self.distances, now)
            if due is None:
                continue
            async with self.db.transaction() as conn:
                written = await reminders.write(conn, due)
                if written:
                    after_commit(conn, self.on_mail)
            WRITTEN.inc(written)
            mails += written
        return mails
