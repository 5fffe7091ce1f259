"""Notifications looked over: everybody has the mail of the last change, and none is stuck.

Invariant: only reads. A mail that is missing is not made up; its message is handled again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.kit import audit as tables
from services.kit.db import Database
from services.notifications.repository import audit
from services.notifications.repository.audit import Recount, State

CONSUMER: Final = "einlass.notifications"
# Beyond the lease of a mail in hand (300 s), so that a process that died is no finding yet.
LATE_SECONDS: Final = 600.0

__all__ = ["CONSUMER", "LATE_SECONDS", "Recount", "Seen", "State"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `overdue` mails are due for more than LATE_SECONDS, the oldest for
    `overdue_seconds`."""

    events: Mapping[UUID, Recount]
    overdue: int
    overdue_seconds: float
    messages: tables.Messages


async def look(db: Database, event_id: UUID | None) -> Seen:
    """Recounts every event, or one, in one snapshot. Raises DBAPIError, OSError."""
    async with tables.snapshot(db) as conn:
        overdue, seconds = await audit.overdue(conn, LATE_SECONDS)
        return Seen(
            events=await audit.recount(conn, event_id),
            overdue=overdue,
            overdue_seconds=seconds,
            messages=await tables.messages(conn, CONSUMER),
        )


async def without_mail(db: Database, event_id: UUID, shown: int) -> list[UUID]:
    """The first `shown` of those who lack the mail of their last change."""
    async with db.read() as conn:
        return await audit.without_mail(conn, event_id, shown)


async def states(db: Database, event_id: UUID) -> dict[UUID, State]:
    """How everybody of an event stands."""
    async with db.read() as conn:
        return await audit.states(conn, event_id)
