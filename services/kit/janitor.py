"""The janitor: forgets what is no longer needed, in small steps.

Invariant: it only removes rows whose absence changes nothing; see kit.inbox.prune.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import inbox
from services.kit.db import Database
from services.kit.roles import every

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 60.0

Chore = Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Janitor:
    """Does its chores every minute; each returns how many rows it removed, and is done again
    at once while it finds any."""

    db: Database
    chores: Sequence[Chore] = (inbox.prune,)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while await every(PAUSE_SECONDS, stop):
            for chore in self.chores:
                try:
                    while await self._once(chore) and not stop.is_set():
                        pass
                except (SQLAlchemyError, OSError) as error:
                    log.warning("janitor.later", error=type(error).__name__)

    async def _once(self, chore: Chore) -> int:
        async with self.db.transaction() as conn:
            return await chore(conn)
