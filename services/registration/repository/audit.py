"""Counting again what the counters of an event should say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.audit import digest
from services.registration.domain.event import Event
from services.registration.domain.light import Light
from services.registration.domain.recount import Counted, Row
from services.registration.domain.seats import Line
from services.registration.repository.events import to_event
from services.registration.repository.registrations import Status, Via

_WAITS: Final = "status = 'waitlisted'"
# Who let an offer run out is out like everybody who has left.
_TOLD: Final = "CASE status WHEN 'expired' THEN 'cancelled' ELSE status END"
_EVENTS = sa.text(
    f"""
    SELECT event.*, s.capacity, s.confirmed, s.held, s.waiting, s.line, s.seq, s.light, now() AS at,
           n.*
    FROM seats AS s JOIN event ON event.id = s.event_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(seats) FILTER (WHERE status = 'confirmed'), 0) AS n_confirmed,
               coalesce(sum(seats) FILTER (WHERE {_WAITS}), 0) AS n_waiting,
               count(*) FILTER (WHERE {_WAITS}) AS n_line,
               coalesce(sum(offered_seats), 0) AS n_offered,
               coalesce(max(r.seq), 0) AS n_seq,
               {digest("id", "rank", "seats", where=_WAITS)} AS line_digest,
               {digest("id", _TOLD, "revision", "seats")} AS people_digest
        FROM registration AS r WHERE r.event_id = s.event_id) AS n
    WHERE CAST(:event_id AS uuid) IS NULL OR s.event_id = :event_id
    ORDER BY event.created_at
    """  # noqa: S608 - put together from constants
)
_POSITIONS = sa.text(
    """
    SELECT s.event_id, s.seq, coalesce(i.last_seq, 0) AS had FROM seats AS s
    LEFT JOIN inbox_seq AS i ON i.event_id = s.event_id AND i.consumer = :consumer
    """
)
_LINE = sa.text(
    """
    SELECT id, rank, seats FROM registration
    WHERE event_id = :event_id AND status = 'waitlisted' ORDER BY rank
    """
)
_STATES = sa.text(
    f"SELECT id, {_TOLD} AS status, revision, seats FROM registration WHERE event_id = :event_id"  # noqa: S608
)
_SEALED = sa.text("SELECT id, token_sealed FROM registration ORDER BY id DESC LIMIT 1")
_PERSON = sa.text(
    """
    SELECT id, event_id, seq, status, via, seats, first_status, first_position, revision,
           created_at, updated_at,
           (SELECT count(*) FROM registration AS b WHERE b.event_id = r.event_id
                AND b.status = 'waitlisted' AND b.rank < r.rank) AS before,
           (SELECT coalesce(sum(seats), 0) FROM registration AS b WHERE b.event_id = r.event_id
                AND b.status = 'waitlisted' AND b.rank < r.rank) AS seats_before
    FROM registration AS r WHERE id = :id
    """
)
_ID = sa.text("SELECT id FROM event WHERE slug = :slug")


@dataclass(frozen=True, slots=True)
class Recount:
    """An event, its counters, and what the registrations say. The digests tell whether another
    database has the same people in line (id, rank, seats), and everybody in the same state (id,
    status, revision, seats); see kit.audit.digest."""

    event: Event
    row: Row
    light: Light | None
    counted: Counted
    line_digest: Decimal
    people_digest: Decimal
    at: datetime

    @property
    def line(self) -> Line:
        """What counting had to know of the line when it was looked at."""
        return self.event.line(self.at)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in line."""

    id: UUID
    rank: int
    seats: int


@dataclass(frozen=True, slots=True)
class State:
    """How somebody stands."""

    id: UUID
    status: Status
    revision: int
    seats: int


@dataclass(frozen=True, slots=True)
class Person:
    """A registration without anything personal; `before` and `seats_before` count those that
    wait and came earlier."""

    id: UUID
    event_id: UUID
    seq: int
    status: Status
    via: Via | None
    seats: int
    first_status: Status
    first_position: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    before: int
    seats_before: int


def _recount(row: Any) -> Recount:
    return Recount(
        event=to_event(row),
        row=Row(row.capacity, row.confirmed, row.held, row.waiting, row.line, row.seq),
        light=row.light,
        counted=Counted(row.n_confirmed, row.n_waiting, row.n_line, row.n_offered, row.n_seq),
        line_digest=row.line_digest,
        people_digest=row.people_digest,
        at=row.at,
    )


async def recount(conn: AsyncConnection, event_id: UUID | None = None) -> Sequence[Recount]:
    """Every event, or one; reads each registration once."""
    return [_recount(row) for row in await conn.execute(_EVENTS, {"event_id": event_id})]


async def positions(conn: AsyncConnection, consumer: str) -> dict[UUID, tuple[int, int]]:
    """By event, the last `seq` said and the last one had from the waitlist."""
    rows = await conn.execute(_POSITIONS, {"consumer": consumer})
    return {row.event_id: (row.seq, row.had) for row in rows}


async def line(conn: AsyncConnection, event_id: UUID) -> list[Waiting]:
    """Who waits, in order."""
    rows = await conn.execute(_LINE, {"event_id": event_id})
    return [Waiting(row.id, row.rank, row.seats) for row in rows]


async def states(conn: AsyncConnection, event_id: UUID) -> dict[UUID, State]:
    """How everybody of an event stands."""
    rows = await conn.execute(_STATES, {"event_id": event_id})
    return {row.id: State(row.id, row.status, row.revision, row.seats) for row in rows}


async def sealed(conn: AsyncConnection) -> tuple[UUID, bytes] | None:
    """The newest registration and its sealed token, for trying the key."""
    row = (await conn.execute(_SEALED)).one_or_none()
    return None if row is None else (row.id, row.token_sealed)


async def person(conn: AsyncConnection, registration_id: UUID) -> Person | None:
    """A registration, or None."""
    row = (await conn.execute(_PERSON, {"id": registration_id})).one_or_none()
    return None if row is None else Person(*row)


async def id_of(conn: AsyncConnection, slug: str) -> UUID | None:
    """The event with this slug."""
    found: UUID | None = (await conn.execute(_ID, {"slug": slug})).scalar_one_or_none()
    return found
