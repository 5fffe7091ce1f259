"""Registrations: who signed up for what, and where it stands."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import array, copy, driver
from services.registration.models import registration as table

Status = Literal["confirmed", "waitlisted", "cancelled"]
Via = Literal["direct", "waitlist"]


@dataclass(slots=True)
class Registration:
    """One sign-up. `seq` is its number among the messages of the event, and with it its place in
    line; `email_key` is the address as it is compared; `first_status` and `first_position` are
    what the person was answered; `revision` counts its changes from 1. `manage_url` is known only
    of one that was made just now, and is not kept."""

    id: UUID
    event_id: UUID
    seq: int
    status: Status
    via: Via | None
    seats: int
    name: str
    email: str
    email_key: str
    locale: Locale
    answers: dict[str, Any]
    terms_version: str
    terms_agreed_at: datetime
    token_digest: bytes
    token_sealed: bytes
    idempotency_digest: bytes | None
    request_digest: bytes
    first_status: Status
    first_position: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    manage_url: str | None = None


_FIELDS = tuple(c.name for c in table.c)


def _registration(row: Any) -> Registration:
    return Registration(**{name: getattr(row, name) for name in _FIELDS})


async def insert_many(conn: AsyncConnection, new: Sequence[Registration]) -> None:
    """Writes new registrations in one statement. Raises asyncpg's UniqueViolationError on a
    double, which the lock and the rules leave no way to."""
    if new:
        await copy(conn, table.name, _FIELDS, [_row(r) for r in new])


_values = attrgetter(*_FIELDS)
_ANSWERS = _FIELDS.index("answers")


def _row(made: Registration) -> tuple[Any, ...]:
    values = _values(made)
    return (*values[:_ANSWERS], json.dumps(made.answers), *values[_ANSWERS + 1 :])


async def events_of(conn: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """The events of these registrations, in the order of their ids."""
    found = await conn.execute(
        sa.select(table.c.event_id)
        .where(table.c.id == sa.func.any(array("ids", list(ids), PgUUID(as_uuid=True))))
        .distinct()
    )
    return sorted(found.scalars())


# Two index scans; one OR over both would read the whole event.
_KNOWN: Final = """
    SELECT * FROM registration WHERE event_id = $1 AND idempotency_digest = ANY($2::bytea[])
    UNION ALL
    SELECT * FROM registration
    WHERE event_id = $1 AND email_key = ANY($3::text[]) AND status IN ('confirmed', 'waitlisted')
"""


async def known(
    conn: AsyncConnection, event_id: UUID, keys: Sequence[bytes], addresses: Sequence[str]
) -> list[Registration]:
    """The event's registrations with one of these idempotency digests, and the active ones of
    these addresses; each once."""
    rows = await (await driver(conn)).fetch(_KNOWN, event_id, keys, addresses)
    found = (Registration(**row) for row in rows)
    return list({one.id: one for one in found}.values())


async def by_id(conn: AsyncConnection, registration_id: UUID) -> Registration | None:
    """The registration with this id."""
    rows = await conn.execute(sa.select(table).where(table.c.id == registration_id))
    row = rows.one_or_none()
    return _registration(row) if row else None


async def by_ids(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Registration]:
    """The registrations with these ids."""
    rows = await conn.execute(
        sa.select(table).where(
            table.c.id == sa.func.any(array("ids", list(ids), PgUUID(as_uuid=True)))
        )
    )
    return {row.id: _registration(row) for row in rows}


async def position(conn: AsyncConnection, event_id: UUID, seq: int) -> int:
    """The place in line, from 1, of the waiting registration with this `seq`."""
    counted = await conn.execute(
        sa.select(sa.func.count()).where(
            table.c.event_id == event_id, table.c.status == "waitlisted", table.c.seq <= seq
        )
    )
    return int(counted.scalar_one())


_MOVE = sa.text(
    """
    UPDATE registration SET status = :status, via = coalesce(:via, via),
        revision = revision + 1, updated_at = :now
    WHERE id = ANY(:ids)
    """
)


async def move(
    conn: AsyncConnection,
    ids: Sequence[UUID],
    status: Status,
    now: datetime,
    via: Via | None = None,
) -> None:
    """Gives registrations another status; their `revision` rises by one."""
    if ids:
        await conn.execute(
            _MOVE.bindparams(
                array("ids", list(ids), PgUUID(as_uuid=True)),
                sa.bindparam("via", via, sa.Text),
            ),
            {"status": status, "now": now},
        )
