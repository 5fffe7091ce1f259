"""The rules of what operators write to all of an event.

Invariant: the same operator with the same Idempotency-Key asks for one broadcast, however often
and however fast one after the other.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import after_commit
from services.notifications.domain.broadcast import Audience
from services.notifications.domain.errors import (
    BroadcastKeyReused,
    BroadcastNotFound,
    BroadcastSent,
    NobodyToWriteTo,
    NoSuchEvent,
)
from services.notifications.repository import broadcasts
from services.notifications.repository.broadcasts import Asked, Broadcast
from services.notifications.service import WRITTEN


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written to whom. `texts`: subject and text by language; `sent`: the order as
    it came, by which a repeated key is known."""

    event: str
    audience: Audience
    texts: Mapping[str, Any]
    reason: str | None
    sent: bytes


async def ask(
    conn: AsyncConnection, order: Order, key: str | None, by: str, on_mail: Callable[[], None]
) -> Broadcast:
    """Writes to all of an event, once for each key; `on_mail` is called after the commit where
    there is something new to send. Raises NoSuchEvent, NobodyToWriteTo, BroadcastKeyReused."""
    event_id = await broadcasts.event_of(conn, order.event)
    if event_id is None:
        raise NoSuchEvent
    asked = Asked(
        event_id=event_id,
        audience=order.audience,
        texts=order.texts,
        asked_by=by,
        reason=order.reason,
        key_digest=hashlib.sha256(key.encode()).digest() if key is not None else None,
        request_digest=hashlib.sha256(order.sent).digest(),
    )
    broadcast_id = await _before(conn, asked)
    if broadcast_id is None:
        broadcast_id = await broadcasts.ask(conn, asked)
        if broadcast_id is not None:
            found = await one(conn, broadcast_id)
            WRITTEN.inc(found.recipients)
            after_commit(conn, on_mail)
            return found
        # Nobody to write to; or the same key, committed by now, came at the same moment.
        broadcast_id = await _before(conn, asked)
    if broadcast_id is None:
        raise NobodyToWriteTo
    return await one(conn, broadcast_id)


async def _before(conn: AsyncConnection, asked: Asked) -> UUID | None:
    """The broadcast that was asked for with this key before. Raises BroadcastKeyReused."""
    if asked.key_digest is None:
        return None
    found = await broadcasts.keyed(conn, asked.asked_by, asked.key_digest)
    if found is None:
        return None
    broadcast_id, request_digest = found
    if request_digest != asked.request_digest:
        raise BroadcastKeyReused
    return broadcast_id


async def cancel(
    conn: AsyncConnection, broadcast_id: UUID, by: str, reason: str | None
) -> Broadcast:
    """Takes back what has not been sent; to take it back again changes nothing. Raises
    BroadcastNotFound, and BroadcastSent where nothing is left to take back."""
    taken_back = await broadcasts.cancel(conn, broadcast_id, by, reason)
    found = await one(conn, broadcast_id)
    if taken_back and not found.withdrawn and not found.pending:
        raise BroadcastSent
    return found


async def one(conn: AsyncConnection, broadcast_id: UUID) -> Broadcast:
    """A broadcast and how far it is. Raises BroadcastNotFound."""
    found = await broadcasts.one(conn, broadcast_id)
    if found is None:
        raise BroadcastNotFound
    return found


@dataclass(frozen=True, slots=True)
class BroadcastPage:
    """Some broadcasts. `next_before`: where the next part begins, or None at the end."""

    broadcasts: list[Broadcast]
    next_before: UUID | None


async def page(
    conn: AsyncConnection, event: str | None, before: UUID | None, limit: int
) -> BroadcastPage:
    """Broadcasts, of all events or of one (a slug), newest first."""
    rows = await broadcasts.page(conn, event, before, limit + 1)
    shown = rows[:limit]
    return BroadcastPage(shown, shown[-1].id if len(rows) > limit else None)
