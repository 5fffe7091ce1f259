"""The SQL of the suppression list.

Invariant: `hold_list` keeps imports and suppressions of addresses that nobody has apart, since
these have no row that both could wait for.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.subscribers.domain.model import Reason, Suppression
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
