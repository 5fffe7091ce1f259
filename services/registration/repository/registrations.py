"""Registrations: who signed up for what, and where it stands."""

import json
from collections.abc import Mapping, Sequence
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
from services.registration.models import event as event_table
from services.registration.models import registration as table

Status = Literal["confirmed", "waitlisted", "offered", "cancelled", "expired"]
Via = Literal["direct", "waitlist"]
ACTIVE: Final = frozenset({"confirmed", "waitlisted", "offered"})


@dataclass(slots=True)
class Registration:
    """One sign-up. `seq` is its number among the messages of the event; `rank` orders the line and
    is that number where nothing has moved it; `email_key` is the address as it is compared;
    `first_status` and `first_position` are what the person was answered; `revision` counts its
    changes from 1. `offered_seats` and `offered_until` are set while a place is offered;
    `wanted_at` is when somebody who waits last said that they still want it, `moved_up_at` when
    somebody from the line got a place; what has a `bundle` in common is one wish for a place at
    one of several events. `manage_url`, and `newsletter`, whether the person asked for the
    newsletter too, are known only of one that was made just now, and are not kept."""

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
    rank: int = 0
    offered_seats: int | None = None
    offered_until: datetime | None = None
    wanted_at: datetime | None = None
    moved_up_at: datetime | None = None
    bundle: UUID | None = None
    manage_url: str | None = None
    newsletter: bool = False

    @property
    def active(self) -> bool:
        """Whether the person has a place, waits for one, or is offered one."""
        return self.status in ACTIVE


_FIELDS = tuple(str(c.name) for c in table.c)


def _registration(row: Any) -> Registration:
    return Registration(**{name: getattr(row, name) for name in _FIELDS})


# What of a new registration follows from the rest: it is as it was answered, and unchanged since.
_FOLLOWS: Final = {
    "status": "first_status",
    "terms_agreed_at": "created_at",
    "updated_at": "created_at",
    "revision": "1",
    "rank": "seq",
    "offered_seats": "NULL::integer",
    "offered_until": "NULL::timestamptz",
    "wanted_at": "NULL::timestamptz",
    "moved_up_at": "NULL::timestamptz",
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
              AND r.status IN ('confirmed', 'waitlisted', 'offered')
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
          AND status IN ('confirmed', 'waitlisted', 'offered') LIMIT 1
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


async def bundled(conn: AsyncConnection, bundles: Sequence[UUID]) -> list[Registration]:
    """All registrations of these bundles."""
    if not bundles:
        return []
    rows = await conn.execute(
        sa.select(table).where(
            table.c.bundle == sa.func.any(array("bundles", list(bundles), PgUUID(as_uuid=True)))
        )
    )
    return [_registration(row) for row in rows]


async def run_out(conn: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    """Up to `limit` registrations whose offer has run out at `now`, the longest ago first; not of
    events that are called off, whose people know."""
    rows = await conn.execute(
        sa.select(table.c.id)
        .join(event_table, event_table.c.id == table.c.event_id)
        .where(
            table.c.status == sa.literal_column("'offered'"),
            table.c.offered_until <= now,
            event_table.c.status == "published",
        )
        .order_by(table.c.offered_until)
        .limit(limit)
    )
    return list(rows.scalars())


async def position(conn: AsyncConnection, event_id: UUID, rank: int) -> int:
    """The place in line, from 1, of the waiting registration with this `rank`."""
    counted = await conn.execute(
        sa.select(sa.func.count()).where(
            table.c.event_id == event_id,
            table.c.status == sa.literal_column("'waitlisted'"),
            table.c.rank <= rank,
        )
    )
    return int(counted.scalar_one())


async def moved_up(conn: AsyncConnection, event_id: UUID, since: datetime) -> int:
    """Seats that people from the line have got since then, whatever became of them."""
    summed = await conn.execute(
        sa.select(sa.func.coalesce(sa.func.sum(table.c.seats), 0)).where(
            table.c.event_id == event_id,
            table.c.moved_up_at >= since,
        )
    )
    return int(summed.scalar_one())


_SAVE: Final = """
    UPDATE registration AS r SET status = c.status, via = c.via, seats = c.seats, rank = c.rank,
        offered_seats = c.offered_seats, offered_until = c.offered_until,
        wanted_at = c.wanted_at, moved_up_at = c.moved_up_at, revision = c.revision,
        updated_at = $11
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::int[],
                $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::int[])
        AS c (id, status, via, seats, rank, offered_seats, offered_until, wanted_at, moved_up_at,
              revision)
    WHERE r.id = c.id
"""


async def save(conn: AsyncConnection, changed: Sequence[Registration], now: datetime) -> None:
    """Writes registrations that have changed under the locks of their events."""
    if changed:
        await (await driver(conn)).execute(
            _SAVE,
            [one.id for one in changed],
            [one.status for one in changed],
            [one.via for one in changed],
            [one.seats for one in changed],
            [one.rank for one in changed],
            [one.offered_seats for one in changed],
            [one.offered_until for one in changed],
            [one.wanted_at for one in changed],
            [one.moved_up_at for one in changed],
            [one.revision for one in changed],
            now,
        )


async def rerank(conn: AsyncConnection, ranks: Mapping[UUID, int]) -> None:
    """Gives registrations another place in line."""
    if ranks:
        await (await driver(conn)).execute(
            """
            UPDATE registration SET rank = moved.rank
            FROM unnest($1::uuid[], $2::bigint[]) AS moved (id, rank)
            WHERE registration.id = moved.id
            """,
            list(ranks),
            list(ranks.values()),
        )


async def end_offers_by(conn: AsyncConnection, event_id: UUID, ends: datetime) -> None:
    """Lets no offer of this event last longer than until `ends`."""
    await conn.execute(
        sa.update(table)
        .where(
            table.c.event_id == event_id,
            table.c.status == "offered",
            table.c.offered_until > ends,
        )
        .values(offered_until=ends)
    )
