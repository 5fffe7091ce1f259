"""The SQL about one subscriber: looking, changing, and what is kept as evidence.

Invariant: whoever changes a subscriber holds the row, taken by `lock` or `lock_address`, before
anything else about the person or the address is looked at.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import array
from services.notifications.subscribers.domain.address import Address
from services.notifications.subscribers.domain.model import (
    Consent,
    Kind,
    Record,
    Subscriber,
)
from services.notifications.subscribers.models import consent, subscriber, subscriber_journal

_COLUMNS: Final = (
    subscriber.c.id,
    subscriber.c.email,
    subscriber.c.locale,
    subscriber.c.status,
    subscriber.c.generation,
    subscriber.c.version,
    subscriber.c.source,
    subscriber.c.created_at,
    subscriber.c.confirmed_at,
    subscriber.c.paused_until,
    subscriber.c.ended_at,
    subscriber.c.address_hash,
)

_ACTIVATE = sa.text(
    """
    UPDATE subscriber SET status = 'active', locale = :locale, confirmed_at = :now,
                          paused_until = NULL, ended_at = NULL
    WHERE id = :id
    """
)
_MOVE = sa.text(
    """
    UPDATE subscriber SET email = :email, email_key = :key, address_hash = :digest,
                          generation = generation + 1
    WHERE id = :id
    """
)
_END = sa.text(
    """
    UPDATE subscriber SET status = :status, ended_at = :now, paused_until = NULL WHERE id = :id
    """
)
_PAUSE = sa.text("UPDATE subscriber SET status = 'paused', paused_until = :until WHERE id = :id")
_RESUME = sa.text("UPDATE subscriber SET status = 'active', paused_until = NULL WHERE id = :id")
_LANGUAGE = sa.text("UPDATE subscriber SET locale = :locale WHERE id = :id")

# Each row but that of a wish for another address has the hash of the address at that time.
_FORMER = sa.text(
    """
    SELECT address_hash FROM (
        SELECT id, address_hash,
               1 + count(*) FILTER (WHERE kind = 'address') OVER (ORDER BY id) AS generation
        FROM subscriber_journal WHERE subscriber_id = :id AND kind <> 'address_asked') AS told
    WHERE generation = :generation ORDER BY id LIMIT 1
    """
)

_END_PAUSES = sa.text(
    """
    WITH due AS (
        SELECT id FROM subscriber WHERE status = 'paused' AND paused_until <= :now
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED),
    on_again AS (
        UPDATE subscriber AS p SET status = 'active', paused_until = NULL
        FROM due WHERE p.id = due.id RETURNING p.id, p.address_hash)
    INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind)
    SELECT id, address_hash, :now, 'resumed' FROM on_again
    """
)

# Askings and consents go along.
_ERASE = sa.text("DELETE FROM subscriber WHERE id = :id")
_ERASE_JOURNAL = sa.text("DELETE FROM subscriber_journal WHERE subscriber_id = :id")

_TELL = sa.text(
    """
    INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind, by, why, details)
    VALUES (:subscriber_id, :digest, :at, :kind, :by, :why, :details)
    """
).bindparams(sa.bindparam("details", type_=JSONB(none_as_null=True)))


async def one(conn: AsyncConnection, subscriber_id: UUID) -> Subscriber | None:
    """A subscriber, or None."""
    return await _one(conn, sa.select(*_COLUMNS).where(subscriber.c.id == subscriber_id))


async def of_address(conn: AsyncConnection, digest: bytes) -> Subscriber | None:
    """The subscriber of an address, or None."""
    return await _one(conn, sa.select(*_COLUMNS).where(subscriber.c.address_hash == digest))


async def lock(conn: AsyncConnection, subscriber_id: UUID) -> Subscriber | None:
    """The same as `one`, held until the end of the transaction."""
    wanted = sa.select(*_COLUMNS).where(subscriber.c.id == subscriber_id)
    return await _one(conn, wanted.with_for_update())


async def lock_address(conn: AsyncConnection, digest: bytes) -> Subscriber | None:
    """The same as `of_address`, held until the end of the transaction."""
    wanted = sa.select(*_COLUMNS).where(subscriber.c.address_hash == digest)
    return await _one(conn, wanted.with_for_update())


async def lock_many(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Subscriber]:
    """Those of these subscribers that there are, held until the end of the transaction."""
    wanted = sa.select(*_COLUMNS).where(
        subscriber.c.id == sa.any_(array("ids", list(ids), sa.Uuid))
    )
    rows = await conn.execute(wanted.order_by(subscriber.c.id).with_for_update())
    return {row.id: of_row(row) for row in rows}


async def former(conn: AsyncConnection, subscriber_id: UUID, generation: int) -> bytes | None:
    """The hash of the address that a subscriber had in that generation, as the journal has it;
    None where it tells nothing of that."""
    found: Any = await conn.scalar(_FORMER, {"id": subscriber_id, "generation": generation})
    return found if isinstance(found, bytes) else None


async def _one(conn: AsyncConnection, wanted: sa.Select[Any]) -> Subscriber | None:
    row = (await conn.execute(wanted)).one_or_none()
    return None if row is None else of_row(row)


def of_row(row: Sequence[Any]) -> Subscriber:
    """The subscriber in a row of COLUMNS."""
    return Subscriber(*row[: len(_COLUMNS)])


COLUMNS: Final = _COLUMNS
"""What `of_row` wants."""


async def activate(
    conn: AsyncConnection, subscriber_id: UUID, locale: Locale, now: datetime
) -> None:
    """Has issues sent to the subscriber from now on."""
    await conn.execute(_ACTIVATE, {"id": subscriber_id, "locale": locale, "now": now})


async def move(conn: AsyncConnection, subscriber_id: UUID, address: Address) -> None:
    """Gives a subscriber another address and other links."""
    await conn.execute(
        _MOVE,
        {
            "id": subscriber_id,
            "email": address.email,
            "key": address.key,
            "digest": address.digest,
        },
    )


async def end(conn: AsyncConnection, subscriber_id: UUID, status: str, now: datetime) -> None:
    """Makes a subscriber one who left or is suppressed."""
    await conn.execute(_END, {"id": subscriber_id, "status": status, "now": now})


async def pause(conn: AsyncConnection, subscriber_id: UUID, until: datetime) -> None:
    """Sends nothing until then."""
    await conn.execute(_PAUSE, {"id": subscriber_id, "until": until})


async def resume(conn: AsyncConnection, subscriber_id: UUID) -> None:
    """Ends a pause."""
    await conn.execute(_RESUME, {"id": subscriber_id})


async def end_pauses(conn: AsyncConnection, now: datetime, limit: int) -> int:
    """Ends up to `limit` pauses whose time is over, and writes it into the journal; how many."""
    return (await conn.execute(_END_PAUSES, {"now": now, "limit": limit})).rowcount


async def set_language(conn: AsyncConnection, subscriber_id: UUID, locale: Locale) -> None:
    """Changes the language."""
    await conn.execute(_LANGUAGE, {"id": subscriber_id, "locale": locale})


async def erase(conn: AsyncConnection, subscriber_id: UUID) -> None:
    """Deletes all that is kept of a subscriber here."""
    await conn.execute(_ERASE, {"id": subscriber_id})
    await conn.execute(_ERASE_JOURNAL, {"id": subscriber_id})


async def tell(
    conn: AsyncConnection,
    kind: Kind,
    digest: bytes,
    at: datetime,
    *,
    subscriber_id: UUID | None = None,
    by: str | None = None,
    why: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Writes a row of the journal."""
    await conn.execute(
        _TELL,
        {
            "subscriber_id": subscriber_id,
            "digest": digest,
            "at": at,
            "kind": kind,
            "by": by,
            "why": why,
            "details": details,
        },
    )


async def add_consent(conn: AsyncConnection, subscriber_id: UUID, given: Consent) -> None:
    """Keeps a consent for good."""
    await conn.execute(
        consent.insert().values(
            subscriber_id=subscriber_id,
            email=given.email,
            locale=given.locale,
            source=given.source,
            wording_version=given.wording_version,
            wording=given.wording,
            asked_at=given.asked_at,
            confirmed_at=given.confirmed_at,
            by=given.by,
        )
    )


async def consents(conn: AsyncConnection, subscriber_id: UUID) -> list[Consent]:
    """All consents of a subscriber, oldest first."""
    wanted = (
        sa.select(
            consent.c.email,
            consent.c.locale,
            consent.c.source,
            consent.c.wording_version,
            consent.c.wording,
            consent.c.asked_at,
            consent.c.confirmed_at,
            consent.c.by,
        )
        .where(consent.c.subscriber_id == subscriber_id)
        .order_by(consent.c.id)
    )
    return [Consent(*row) for row in await conn.execute(wanted)]


async def journal(conn: AsyncConnection, subscriber_id: UUID) -> list[Record]:
    """The rows of the journal about a subscriber, oldest first."""
    rows = subscriber_journal.c
    wanted = (
        sa.select(rows.at, rows.kind, rows.by, rows.why, rows.details)
        .where(rows.subscriber_id == subscriber_id)
        .order_by(rows.id)
    )
    return [Record(*row) for row in await conn.execute(wanted)]
