"""The subscribers' part of the scheduler: takes requests, ends pauses, forgets.

Invariant: any number of processes may run it; each row is taken by one of them. It polls, so no
bell that is lost leaves anything undone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.roles import every
from services.notifications.settings import NotificationsSettings
from services.notifications.subscribers import service
from services.notifications.subscribers.links import Links
from services.notifications.subscribers.repository import asking, people

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 0.5
PAUSES_AT_ONCE: Final = 500
FORGET_EVERY: Final = 600
"""Rounds between two looks for what is to be forgotten."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Looks twice a second. `on_mail` is called after each commit that wrote mails."""

    db: Database
    clock: Clock
    links: Links
    organisation: str
    on_mail: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        rounds = 0
        while await every(PAUSE_SECONDS, stop):
            try:
                while await self.look() and not stop.is_set():
                    pass
                if rounds % FORGET_EVERY == 0:
                    await self.forget()
                rounds += 1
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("subscribers.later", error=type(error).__name__)

    async def look(self) -> bool:
        """Takes some requests and ends some pauses; whether there may be more."""
        now = self.clock.now()
        async with self.db.transaction() as conn:
            taken = await service.take_requests(
                conn, self.links, self.organisation, now, self.on_mail
            )
        async with self.db.transaction() as conn:
            ended = await people.end_pauses(conn, now, PAUSES_AT_ONCE)
        return taken == service.BATCH or ended == PAUSES_AT_ONCE

    async def forget(self) -> None:
        """Forgets what is over."""
        while await self._forgotten():
            pass

    async def _forgotten(self) -> int:
        async with self.db.transaction() as conn:
            return await _forget(conn, self.clock)


async def _forget(conn: AsyncConnection, clock: Clock) -> int:
    return await asking.forget(conn, clock.now())


def timer(db: Database, settings: NotificationsSettings, on_mail: Callable[[], None]) -> Timer:
    """The timer of a process with these settings."""
    return Timer(
        db=db,
        clock=settings.clock,
        links=Links(settings.key, settings.public_url),
        organisation=settings.organisation,
        on_mail=on_mail,
    )
