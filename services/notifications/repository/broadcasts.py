"""What operators write to all of an event: asking for it, taking it back, and how far it is.

Invariant: who gets it is decided by one statement, at the moment of asking; the broadcast and its
mails are there together or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.domain.broadcast import STANDINGS, Audience
from services.notifications.domain.mail import priority_of

_EVENT = sa.text("SELECT id FROM event WHERE slug = :slug ORDER BY id DESC LIMIT 1")

_ASK = sa.text(
    """
    WITH chosen AS (
        SELECT p.*, e.version AS event_version, e.details
        FROM participant AS p JOIN event AS e ON e.id = p.event_id
        WHERE p.event_id = :event_id AND p.status = ANY(:standings)),
    asked AS (
        INSERT INTO broadcast (id, event_id, audience, texts, recipients, asked_by, reason,
                               key_digest, request_digest)
        SELECT uuidv7(), :event_id, :audience, :texts, n.people, :asked_by, :reason,
               :key_digest, :request_digest
        FROM (SELECT count(*) AS people FROM chosen) AS n WHERE n.people > 0
        ON CONFLICT (asked_by, key_digest) WHERE key_digest IS NOT NULL DO NOTHING
        RETURNING id, number),
    written AS (
        INSERT INTO mail (id, kind, registration_id, version, event_id, sequence, priority,
                          broadcast_id, content)
        SELECT uuidv7(), 'message', c.registration_id, a.number, c.event_id,
               c.event_version + c.revision - 1, :priority, a.id,
               jsonb_build_object(
                   'event', c.details,
                   'person', jsonb_build_object(
                       'name', c.name, 'email', c.email, 'locale', c.locale,
                       'manage_url', c.manage_url),
                   'seats', c.seats, 'holds_place', c.status = 'confirmed',
                   'offer', CASE c.status WHEN 'offered' THEN c.offer END)
        FROM chosen AS c CROSS JOIN asked AS a)
    SELECT id FROM asked
    """
).bindparams(
    sa.bindparam("texts", type_=JSONB),
    sa.bindparam("key_digest", type_=BYTEA),
    sa.bindparam("request_digest", type_=BYTEA),
)

_KEYED = sa.text(
    """
    SELECT id, request_digest FROM broadcast
    WHERE asked_by = :asked_by AND key_digest = :key_digest
    """
).bindparams(sa.bindparam("key_digest", type_=BYTEA))

_CANCEL = sa.text(
    """
    UPDATE broadcast SET cancelled_at = now(), cancelled_by = :by, cancel_reason = :reason
    WHERE id = :id AND cancelled_at IS NULL
    """
)

# Those that are being sent are left to whoever sends them, see repository.delivery.finish.
_WITHDRAW = sa.text(
    """
    UPDATE mail SET status = 'withdrawn', content = NULL, due_at = clock_timestamp()
    WHERE broadcast_id = :id AND status = 'pending'
    """
)

_ROWS: Final = """
    SELECT b.id, e.slug, b.audience, b.texts, b.recipients, b.asked_by, b.asked_at, b.reason,
           b.cancelled_by, b.cancelled_at, b.cancel_reason, n.*
    FROM broadcast AS b JOIN event AS e ON e.id = b.event_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE m.status IN ('pending', 'sending')) AS pending,
               count(*) FILTER (WHERE m.status = 'sent') AS sent,
               count(*) FILTER (WHERE m.status = 'failed') AS failed,
               count(*) FILTER (WHERE m.status = 'withdrawn') AS withdrawn
        FROM mail AS m WHERE m.broadcast_id = b.id) AS n
"""
_ONE = sa.text(f"{_ROWS} WHERE b.id = :id")
_PAGE = sa.text(
    f"""
    {_ROWS}
    WHERE (CAST(:slug AS text) IS NULL
           OR b.event_id IN (SELECT id FROM event WHERE slug = :slug))
      AND (CAST(:before AS uuid) IS NULL OR b.id < :before)
    ORDER BY b.id DESC LIMIT :limit
    """  # noqa: S608 - put together from constants
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator asks for. `key_digest`: of the Idempotency-Key, or None; `request_digest`:
    of what came with it."""

    event_id: UUID
    audience: Audience
    texts: Mapping[str, Any]
    asked_by: str
    reason: str | None
    key_digest: bytes | None
    request_digest: bytes


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A broadcast and how far it is. `recipients` were chosen when it was asked for; `pending`
    are those of them whose mail waits or is being sent, `withdrawn` those who get none because
    it was taken back."""

    id: UUID
    event_slug: str
    audience: Audience
    texts: Mapping[str, Any]
    recipients: int
    asked_by: str
    asked_at: datetime
    reason: str | None
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    pending: int
    sent: int
    failed: int
    withdrawn: int


async def event_of(conn: AsyncConnection, slug: str) -> UUID | None:
    """The event of this name, or None."""
    return (await conn.execute(_EVENT, {"slug": slug})).scalar_one_or_none()


async def ask(conn: AsyncConnection, asked: Asked) -> UUID | None:
    """Keeps the broadcast and writes its mails; returns its id, or None where there is nobody to
    write to or the key was used before, also by somebody at the same moment."""
    standings = array("standings", list(STANDINGS[asked.audience]), sa.Text())
    found = await conn.execute(
        _ASK.bindparams(standings),
        {
            "event_id": asked.event_id,
            "audience": asked.audience,
            "texts": asked.texts,
            "asked_by": asked.asked_by,
            "reason": asked.reason,
            "key_digest": asked.key_digest,
            "request_digest": asked.request_digest,
            "priority": priority_of("message"),
        },
    )
    return found.scalar_one_or_none()


async def keyed(
    conn: AsyncConnection, asked_by: str, key_digest: bytes
) -> tuple[UUID, bytes] | None:
    """The broadcast that an operator asked for with this key, and the digest of what came with
    it; or None."""
    row = (
        await conn.execute(_KEYED, {"asked_by": asked_by, "key_digest": key_digest})
    ).one_or_none()
    return None if row is None else (row.id, row.request_digest)


async def cancel(conn: AsyncConnection, broadcast_id: UUID, by: str, reason: str | None) -> bool:
    """Takes back what waits to be sent; False where there is no such broadcast, or it was taken
    back before."""
    order = {"id": broadcast_id, "by": by, "reason": reason}
    if (await conn.execute(_CANCEL, order)).rowcount == 0:
        return False
    await conn.execute(_WITHDRAW, {"id": broadcast_id})
    return True


async def one(conn: AsyncConnection, broadcast_id: UUID) -> Broadcast | None:
    """A broadcast, or None."""
    row = (await conn.execute(_ONE, {"id": broadcast_id})).one_or_none()
    return None if row is None else Broadcast(*row)


async def page(
    conn: AsyncConnection, slug: str | None, before: UUID | None, limit: int
) -> list[Broadcast]:
    """Broadcasts, of all events or of one, newest first, from below the id `before` on."""
    asked = {"slug": slug, "before": before, "limit": limit}
    return [Broadcast(*row) for row in await conn.execute(_PAGE, asked)]
