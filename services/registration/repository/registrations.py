"""Registrations: who signed up for what, and where it stands."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import array, driver
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


_FIELDS = tuple(str(c.name) for c in table.c)


def _registration(row: Any) -> Registration:
    return Registration(**{name: getattr(row, name) for name in _FIELDS})


# What of a new registration follows from the rest: it is as it was answered, and unchanged since.
_FOLLOWS: Final = {
    "status": "first_status",
    "terms_agreed_at": "created_at",
    "updated_at": "created_at",
    "revision": "1",
}
_SAID = tuple(name for name in _FIELDS if name not in _FOLLOWS)
_values = attrgetter(*_SAID)
_ANSWERS = _SAID.index("answers")
_BINARY = tuple(
    n for n, name in enumerate(_SAID) if isinstance(table.c[name].type, postgresql.BYTEA)
)


def rows(documents: int) -> str:
    """The query of new registrations; its parameter of this number is `documents`."""
    values = ", ".join(f"{_FOLLOWS.get(name, name)} AS {name}" for name in _FIELDS)
    said = f"json_populate_recordset(NULL::registration, ${documents}::json)"
    return f"SELECT {values} FROM {said}"  # noqa: S608  # names of columns


def insert(new: str, turn: str) -> str:
    """The statement that writes the registrations of table `new`, only those of the events in
    table `turn`. A double, which the lock and the rules leave no way to, fails it."""
    names = ", ".join(_FIELDS)
    return (
        f"INSERT INTO registration ({names}) SELECT {names} FROM {new} JOIN {turn} USING (event_id)"  # noqa: S608
    )


def documents(new: Sequence[Registration]) -> str:
    """Registrations as a JSON array: one parameter, which PostgreSQL takes apart. As an array for
    each column the driver would look at every value by itself, for half of a batch's time."""
    return orjson.dumps([_document(made) for made in new], default=str).decode()


def _document(made: Registration) -> dict[str, Any]:
    values = list(_values(made))
    for place in _BINARY:
        value = values[place]
        values[place] = value and f"\\x{value.hex()}"
    if made.answers:  # a number among them may be larger than orjson writes
        values[_ANSWERS] = orjson.Fragment(json.dumps(made.answers))
    return dict(zip(_SAID, values, strict=True))


async def events_of(conn: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """The events of these registrations, in the order of their ids."""
    found = await conn.execute(
        sa.select(table.c.event_id)
        .where(table.c.id == sa.func.any(array("ids", list(ids), PgUUID(as_uuid=True))))
        .distinct()
    )
    return sorted(found.scalars())


# Whether any of the table `new` has the key or the active address of one that is there. LIMIT has
# each looked up in its index: the planner would rather read a whole event and hash it.
MET: Final = """
    EXISTS (
        SELECT FROM new, LATERAL (
            SELECT FROM registration AS r
            WHERE r.event_id = new.event_id AND r.idempotency_digest = new.idempotency_digest
            LIMIT 1
        ) AS found
    ) OR EXISTS (
        SELECT FROM new, LATERAL (
            SELECT FROM registration AS r
            WHERE r.event_id = new.event_id AND r.email_key = new.email_key
              AND r.status IN ('confirmed', 'waitlisted')
            LIMIT 1
        ) AS found
    )
"""
_KNOWN: Final = """
    SELECT found.* FROM unnest($1::uuid[], $2::bytea[]) AS asked (event_id, digest), LATERAL (
        SELECT * FROM registration
        WHERE event_id = asked.event_id AND idempotency_digest = asked.digest LIMIT 1
    ) AS found
    UNION ALL
    SELECT found.* FROM unnest($3::uuid[], $4::text[]) AS asked (event_id, address), LATERAL (
        SELECT * FROM registration
        WHERE event_id = asked.event_id AND email_key = asked.address
          AND status IN ('confirmed', 'waitlisted') LIMIT 1
    ) AS found
"""


async def known(
    conn: AsyncConnection, new: Sequence[Registration]
) -> dict[UUID, list[Registration]]:
    """The registrations with the idempotency keys of new ones, and the active ones of their
    addresses; each once, by event."""
    keyed = [one for one in new if one.idempotency_digest is not None]
    rows = await (await driver(conn)).fetch(
        _KNOWN,
        [one.event_id for one in keyed],
        [one.idempotency_digest for one in keyed],
        [one.event_id for one in new],
        [one.email_key for one in new],
    )
    found: dict[UUID, dict[UUID, Registration]] = {}
    for row in rows:
        found.setdefault(row["event_id"], {})[row["id"]] = Registration(**row)
    return {event_id: list(ones.values()) for event_id, ones in found.items()}


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
