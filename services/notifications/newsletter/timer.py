"""The timer: begins what is due, sees what has gone out, reminds editors.

Invariant: any number of processes may look at the same time. What begins does so under its row's
lock (service.begin), and a reminder's row is written by one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.roles import every
from services.notifications.bulk.domain.errors import AlreadySending
from services.notifications.newsletter import planning, repository, service
from services.notifications.newsletter.domain import calendar
from services.notifications.newsletter.domain.calendar import Quarter
from services.notifications.newsletter.domain.errors import MailRefused
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.planning import Actor, Planned
from services.notifications.newsletter.reminders import Reminders
from services.notifications.settings import NotificationsSettings
from services.notifications.smtp import ServerAwayError

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 2.0
_REMIND_EVERY: Final = 30


@dataclass(frozen=True, slots=True)
class Timer:
    """Looks every PAUSE_SECONDS."""

    office: Office
    reminders: Reminders
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        looked = 0
        while await every(PAUSE_SECONDS, stop):
            await self._quietly(self.look)
            if looked % _REMIND_EVERY == 0:
                await self._quietly(self.remind)
            looked += 1

    async def _quietly(self, do: Callable[[], Awaitable[int]]) -> None:
        try:
            await do()
        except Exception as error:
            if not is_infrastructure(error) and not isinstance(error, ServerAwayError):
                raise
            log.warning("newsletter.later", error=type(error).__name__)

    async def look(self) -> int:
        """Begins what is due and closes what has gone out; how many issues that were."""
        db, done = self.office.db, 0
        async with db.read() as conn:
            due = await repository.due(conn, self.clock.now())
            sending = await repository.in_state(conn, "sending")
        for issue_id in due:
            try:
                total = await self.office.begin(issue_id, self.clock.now())
            except AlreadySending:
                # The issue's own lock forbids it; said, since it would be a mistake of ours.
                log.error("newsletter.begun_before", issue=str(issue_id))
                continue
            if total is not None:
                log.info("newsletter.begun", issue=str(issue_id), recipients=total)
                done += 1
        for issue_id in sending:
            async with db.transaction() as conn:
                done += await service.settle(conn, issue_id, self._who(self.clock.now()))
        return done

    async def remind(self) -> int:
        """Reminds editors of quarters that lack their issue; how many mails that were."""
        settings, now, sent = self.office.settings, self.clock.now(), 0
        if not settings.editors:
            return 0
        this = calendar.quarter_at(now, settings.zone)
        for quarter in (this, this.next()):
            planned = await self._planned(quarter)
            due = calendar.reminders_due(
                quarter, planned.at, now, taken=bool(planned.issues), zone=settings.zone
            )
            for days in due:
                for email in settings.editors:
                    try:
                        sent += await self.reminders.send(planned, days, email, now)
                    except MailRefused:
                        log.warning("newsletter.editor_refused", days=days)
        return sent

    async def _planned(self, quarter: Quarter) -> Planned:
        async with self.office.db.read() as conn:
            plan = await planning.year_plan(conn, quarter.year, self.office.settings.zone)
        return plan[quarter.number - 1]

    @classmethod
    def of(cls, db: Database, settings: NotificationsSettings) -> "Timer":
        """As the settings say."""
        office = Office.of(db, settings)
        return cls(office, Reminders(office), settings.clock)

    def _who(self, now: datetime) -> Actor:
        return Actor(None, now, self.office.settings.zone)
