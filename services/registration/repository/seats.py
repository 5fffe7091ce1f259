"""The counters of an event, under their lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array, driver
from services.kit.text import can_be_kept
from services.registration.domain import light as lights
from services.registration.domain.event import Event
from services.registration.domain.light import Light
from services.registration.domain.seats import Seats
from services.registration.repository.events import by_id, to_event, to_seats

# Without these, and without the comparison in outcome.py, an event is oversold;
# tests/integration/registration shows it. `event` is locked too, after `seats`: once PostgreSQL
# has waited for a lock it reads again the rows that it locks and no others, so that an event
# called off meanwhile would still look open.
LOCKS: Final = ("FOR UPDATE OF seats", "FOR SHARE OF event")


def lock(*, skip: bool = False) -> str:
    """The clause that locks, with `skip` only what nobody else has locked."""
    return " ".join(f"{lock} SKIP LOCKED" if skip else lock for lock in LOCKS)


_COLUMNS: Final = """
    SELECT event.*, seats.capacity, seats.confirmed, seats.held, seats.waiting, seats.line,
           seats.seq, seats.light
    FROM seats JOIN event ON event.id = seats.event_id
"""
_COUNTERS: Final = """
    SELECT event_id, capacity, confirmed, held, waiting, line, seq, light, event.version
    FROM seats JOIN event ON event.id = seats.event_id
    WHERE event_id = ANY($1::uuid[])
    ORDER BY event_id
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """An event whose counters are ours until the transaction ends."""

    event: Event
    seats: Seats
    light: Light | None

    def after(self, seats: Seats, now: datetime) -> "Locked":
        """The same with other counters and the light that they mean at `now`."""
        shown = lights.show(seats, self.event.line(now), self.event.few_left, self.light)
        return replace(self, seats=seats, light=shown)


async def lock_by_slug(conn: AsyncConnection, slug: str) -> Locked | None:
    """Locks the event with this slug. Raises DBAPIError after the lock timeout."""
    if not can_be_kept(slug):
        return None
    rows = await conn.execute(
        sa.text(f"{_COLUMNS} WHERE event.slug = :slug {lock()}"), {"slug": slug}
    )
    row = rows.one_or_none()
    return Locked(to_event(row), to_seats(row), row.light) if row else None


async def lock_many(conn: AsyncConnection, event_ids: Sequence[UUID]) -> dict[UUID, Locked]:
    """Locks events in the order of their ids."""
    rows = await conn.execute(
        sa.text(
            f"{_COLUMNS} WHERE seats.event_id = ANY(:ids) ORDER BY seats.event_id {lock()}"
        ).bindparams(array("ids", list(event_ids), PgUUID(as_uuid=True)))
    )
    return {row.id: Locked(to_event(row), to_seats(row), row.light) for row in rows}


async def lock_known(
    conn: AsyncConnection, events: Mapping[UUID, Event], *, wait: bool
) -> dict[UUID, Locked]:
    """Locks events that are known already, in the order of their ids, and reads only those that
    have changed since; without `wait` leaves out those that somebody else has locked.

    Raises asyncpg.LockNotAvailableError after the lock timeout, the block DatabaseAway.
    """
    rows = await (await driver(conn)).fetch(f"{_COUNTERS} {lock(skip=not wait)}", list(events))
    found: dict[UUID, Locked] = {}
    for event_id, *counters, light, version in rows:
        event = events[event_id]
        if version != event.version:
            event = await by_id(conn, event_id)
        found[event_id] = Locked(event, Seats(*counters), light)
    return found
