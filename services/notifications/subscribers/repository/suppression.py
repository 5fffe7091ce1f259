"""The SQL of the suppression list.

Invariant: `hold_list` keeps imports and suppressions of addresses that nobody has apart, since
these have no row that both could wait for.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.subscribers.domain.model import Reason, Status, Suppression
from services.notifications.subscribers.models import subscriber, suppression

# Any number that no other lock of this database has.
_LIST: Final = 7_226_601

_HOLD = sa.text("SELECT pg_advisory_xact_lock(:list)").bindparams(list=_LIST)

_PUT = sa.text(
    """
    INSERT INTO suppression (address_hash, reason, at, by, why)
    VALUES (:digest, :reason, :at, :by, :why)
    ON CONFLICT (address_hash) DO UPDATE
        SET reason = excluded.reason, at = excluded.at, by = excluded.by, why = excluded.why
    """
)
_PUT_ALL: Final = """
    WITH put AS (
        INSERT INTO suppression AS s (address_hash, reason, at, why)
        SELECT hash, :reason, :at, why FROM unnest(:hashes, :whys) AS w (hash, why) ORDER BY hash
        ON CONFLICT (address_hash) DO UPDATE
            SET reason = excluded.reason, at = excluded.at, by = NULL, why = excluded.why
            WHERE s.reason = ANY(:lighter)
        RETURNING s.address_hash, s.why),
    ended AS (
        UPDATE subscriber AS p SET status = :status, ended_at = :at, paused_until = NULL
        FROM put WHERE p.address_hash = put.address_hash RETURNING p.id, p.address_hash),
    told AS (
        INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind, why, details)
        SELECT ended.id, put.address_hash, :at, 'suppressed', put.why,
               jsonb_build_object('reason', CAST(:reason AS text))
        FROM put LEFT JOIN ended ON ended.address_hash = put.address_hash)
    SELECT count(*) FROM put
"""
_TAKE_OFF = sa.text("DELETE FROM suppression WHERE address_hash = :digest")
_TAKE_OFF_LEFT = sa.text("DELETE FROM suppression WHERE address_hash = :digest AND reason = 'left'")


async def hold_list(conn: AsyncConnection) -> None:
    """Waits until no import and no other holder is at work, and holds both up until the end of
    the transaction."""
    await conn.execute(_HOLD)


async def put(
    conn: AsyncConnection,
    digest: bytes,
    reason: Reason,
    at: datetime,
    by: str | None,
    why: str | None,
) -> None:
    """Suppresses an address, for this reason instead of a former one."""
    await conn.execute(_PUT, {"digest": digest, "reason": reason, "at": at, "by": by, "why": why})


async def put_all(
    conn: AsyncConnection,
    found: Mapping[bytes, str],
    reason: Reason,
    status: Status,
    lighter: Sequence[Reason],
    at: datetime,
) -> int:
    """Suppresses addresses, each with its why, where they are not on the list or for one of the
    `lighter` reasons; ends the subscriptions to `status` and tells the journal. How many are new.
    """
    wanted = sa.text(_PUT_ALL).bindparams(
        array("hashes", list(found), BYTEA),
        array("whys", list(found.values()), sa.Text),
        array("lighter", list(lighter), sa.Text),
    )
    told = await conn.scalar(wanted, {"reason": reason, "status": status, "at": at})
    return int(told or 0)


async def take_off(conn: AsyncConnection, digest: bytes) -> None:
    """Takes an address off the list."""
    await conn.execute(_TAKE_OFF, {"digest": digest})


async def take_off_left(conn: AsyncConnection, digest: bytes) -> None:
    """Takes an address off the list where it stands there for having left."""
    await conn.execute(_TAKE_OFF_LEFT, {"digest": digest})


async def of_address(conn: AsyncConnection, digest: bytes) -> Suppression | None:
    """The suppression of an address, or None."""
    row = (await conn.execute(_rows().where(suppression.c.address_hash == digest))).one_or_none()
    return None if row is None else Suppression(*row)


async def one(conn: AsyncConnection, number: int) -> tuple[bytes, Suppression] | None:
    """The address's hash and the suppression of this id, or None."""
    wanted = _rows().add_columns(suppression.c.address_hash).where(suppression.c.id == number)
    row = (await conn.execute(wanted)).one_or_none()
    return None if row is None else (row.address_hash, Suppression(*row[:-1]))


async def page(
    conn: AsyncConnection, before: int | None, limit: int, *, left_too: bool
) -> list[Suppression]:
    """The newest below the id `before`; `left_too`: with those who left by themselves."""
    wanted = _rows().order_by(suppression.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(suppression.c.id < before)
    if not left_too:
        wanted = wanted.where(suppression.c.reason != "left")
    return [Suppression(*row) for row in await conn.execute(wanted)]


def _rows() -> sa.Select[Any]:
    return sa.select(
        suppression.c.id,
        suppression.c.reason,
        suppression.c.at,
        suppression.c.by,
        suppression.c.why,
        subscriber.c.email,
        subscriber.c.id.label("subscriber_id"),
    ).select_from(
        suppression.outerjoin(subscriber, subscriber.c.address_hash == suppression.c.address_hash)
    )
