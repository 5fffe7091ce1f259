"""Counting again: has everybody the mail that the last change asks for, and is none stuck?"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.audit import digest

# A mail's version is the registration's revision (docs/mail.md). Of a quiet change no mail tells,
# so the one of an earlier change has to be there; who is out by such a change needs none.
_MISSING: Final = """
    NOT (p.status = 'cancelled' AND p.quiet_revision IS NOT DISTINCT FROM p.revision)
    AND NOT EXISTS (
        SELECT 1 FROM mail AS m
        WHERE m.registration_id = p.registration_id
          AND (m.version = p.revision
               OR p.quiet_revision = p.revision AND m.version < p.revision)
          AND m.kind = ANY (CASE p.status
              WHEN 'confirmed' THEN ARRAY['confirmed', 'promoted']
              WHEN 'waitlisted' THEN ARRAY['waitlisted', 'offer_ended']
              WHEN 'cancelled' THEN ARRAY['cancelled', 'offer_ended']
              ELSE ARRAY[p.status] END))
"""
_EVENTS = sa.text(
    f"""
    SELECT e.id, e.slug, n.* FROM event AS e
    CROSS JOIN LATERAL (
        SELECT count(*) AS people, count(*) FILTER (WHERE {_MISSING}) AS missing,
               {digest("registration_id", "status", "revision", "seats")} AS people_digest
        FROM participant AS p WHERE p.event_id = e.id) AS n
    WHERE CAST(:event_id AS uuid) IS NULL OR e.id = :event_id
    """  # noqa: S608 - put together from constants
)
_WITHOUT = sa.text(
    f"""
    SELECT registration_id FROM participant AS p WHERE event_id = :event_id AND {_MISSING}
    ORDER BY registration_id LIMIT :shown
    """  # noqa: S608 - put together from constants
)
_STATES = sa.text(
    "SELECT registration_id, status, revision, seats FROM participant WHERE event_id = :event_id"
)
_OVERDUE = sa.text(
    """
    SELECT count(*) AS mails,
           coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0) AS age
    FROM mail WHERE status IN ('pending', 'sending')
        AND due_at < clock_timestamp() - make_interval(secs => :late)
    """
)
_MAILS = sa.text(
    """
    SELECT kind, version, status, attempts, created_at, sent_at, smtp_code FROM mail
    WHERE registration_id = :id ORDER BY sequence, id
    """
)


@dataclass(frozen=True, slots=True)
class Recount:
    """An event: its people, how many of them lack the mail of their last change, and how they
    stand (id, status, revision, seats; see kit.audit.digest)."""

    id: UUID
    slug: str
    people: int
    missing: int
    people_digest: Decimal


@dataclass(frozen=True, slots=True)
class State:
    """How somebody stands, as told."""

    id: UUID
    status: str
    revision: int
    seats: int


async def recount(conn: AsyncConnection, event_id: UUID | None) -> dict[UUID, Recount]:
    """Every event, or one."""
    rows = await conn.execute(_EVENTS, {"event_id": event_id})
    return {row.id: Recount(*row) for row in rows}


async def without_mail(conn: AsyncConnection, event_id: UUID, shown: int) -> list[UUID]:
    """The first `shown` of those who lack the mail of their last change."""
    rows = await conn.execute(_WITHOUT, {"event_id": event_id, "shown": shown})
    return list(rows.scalars())


async def states(conn: AsyncConnection, event_id: UUID) -> dict[UUID, State]:
    """How everybody of an event stands."""
    rows = await conn.execute(_STATES, {"event_id": event_id})
    return {row.registration_id: State(*row) for row in rows}


async def overdue(conn: AsyncConnection, late: float) -> tuple[int, float]:
    """Open mails due for more than `late` seconds, and for how many seconds the oldest is."""
    row = (await conn.execute(_OVERDUE, {"late": late})).one()
    return row.mails, float(row.age)


async def mails(conn: AsyncConnection, registration_id: UUID) -> Sequence[sa.Row[tuple[object]]]:
    """What was sent to a registration, in order, without its content."""
    return (await conn.execute(_MAILS, {"id": registration_id})).all()
