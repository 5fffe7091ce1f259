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

# Taking this out oversells; tests/integration/registration shows it. `event` is named too, after
# `seats`: once PostgreSQL has waited for a lock it reads again the rows that it locks and no
# others, so that an event called off meanwhile would still look open.
LOCK: Final = "FOR UPDATE OF seats FOR SHARE OF event"

_COLUMNS: Final = """
    SELECT event.*, seats.capacity, seats.confirmed, seats.held, seats.waiting, seats.line,
           seats.seq, seats.light
    FROM seats JOIN event ON event.id = seats.event_id
"""
_COUNTERS: Final = """
    SELECT seats.capacity, seats.confirmed, seats.held, seats.waiting, seats.line, seats.seq,
           seats.light, event.version
    FROM seats JOIN event ON event.id = seats.event_id
"""
_SAVE: Final = """
    UPDATE seats SET confirmed = s.confirmed, held = s.held, waiting = s.waiting, line = s.line,
        seq = s.seq, capacity = s.capacity, light = s.light,
        light_at = CASE WHEN seats.light IS DISTINCT FROM s.light
                        THEN clock_timestamp() ELSE seats.light_at END
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::bigint[],
                $8::text[])
        AS s (event_id, capacity, confirmed, held, waiting, line, seq, light)
    WHERE seats.event_id = s.event_id
    RETURNING seats.event_id, seats.light_at
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """An event whose counters are ours until the transaction ends."""

    event: Event
    seats: Seats
    light: Light | None

    def after(self, seats: Seats) -> "Locked":
        """The same with other counters and the light that they mean."""
        shown = lights.show(seats, self.event.line, self.event.few_left, self.light)
        return replace(self, seats=seats, light=shown)


async def lock_by_slug(conn: AsyncConnection, slug: str) -> Locked | None:
    """Locks the event with this slug. Raises DBAPIError after the lock timeout."""
    if not can_be_kept(slug):
        return None
    rows = await conn.execute(
        sa.text(f"{_COLUMNS} WHERE event.slug = :slug {LOCK}"), {"slug": slug}
    )
    row = rows.one_or_none()
    return Locked(to_event(row), to_seats(row), row.light) if row else None


async def lock_many(conn: AsyncConnection, event_ids: Sequence[UUID]) -> dict[UUID, Locked]:
    """Locks events in the order of their ids."""
    rows = await conn.execute(
        sa.text(
            f"{_COLUMNS} WHERE seats.event_id = ANY(:ids) ORDER BY seats.event_id {LOCK}"
        ).bindparams(array("ids", list(event_ids), PgUUID(as_uuid=True)))
    )
    return {row.id: Locked(to_event(row), to_seats(row), row.light) for row in rows}


async def lock_known(conn: AsyncConnection, known: Event) -> Locked | None:
    """Locks an event that is known already, and reads it only where it has changed since."""
    rows = await conn.exec_driver_sql(f"{_COUNTERS} WHERE seats.event_id = $1 {LOCK}", (known.id,))
    row = rows.one_or_none()
    if row is None:
        return None
    event = known if row.version == known.version else await by_id(conn, known.id)
    return Locked(event, to_seats(row), row.light)


async def save_many(conn: AsyncConnection, changed: Mapping[UUID, Locked]) -> dict[UUID, datetime]:
    """Writes counters and lights of locked events; returns since when each light is lit."""
    if not changed:
        return {}
    found = [locked.seats for locked in changed.values()]
    rows = await (await driver(conn)).fetch(
        _SAVE,
        list(changed),
        [s.capacity for s in found],
        [s.confirmed for s in found],
        [s.held for s in found],
        [s.waiting for s in found],
        [s.line for s in found],
        [s.seq for s in found],
        [locked.light for locked in changed.values()],
    )
    return {row["event_id"]: row["light_at"] for row in rows}
