"""The SQL of operators' lists: counts, parts of the list, the search, the export."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.subscribers.domain.model import Reason, Status, Subscriber
from services.notifications.subscribers.models import subscriber, suppression
from services.notifications.subscribers.repository.people import COLUMNS, of_row

_COUNTS: Final = sa.text("SELECT status, count(*) FROM subscriber GROUP BY status")


async def counts(conn: AsyncConnection) -> Mapping[Status, int]:
    """How many subscribers there are of each status; none of those with nobody."""
    return {row[0]: row[1] for row in await conn.execute(_COUNTS)}


async def page(
    conn: AsyncConnection, status: Status | None, before: UUID | None, limit: int
) -> list[Subscriber]:
    """The newest below the id `before`, of one status where it is given."""
    wanted = sa.select(*COLUMNS).order_by(subscriber.c.id.desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(subscriber.c.status == status)
    if before is not None:
        wanted = wanted.where(subscriber.c.id < before)
    return [of_row(row) for row in await conn.execute(wanted)]


async def matching(conn: AsyncConnection, part: str, limit: int) -> list[Subscriber]:
    """The newest whose address has `part` in it, upper and lower case alike."""
    wanted = (
        sa.select(*COLUMNS)
        .where(subscriber.c.email_key.contains(part.casefold(), autoescape=True))
        .order_by(subscriber.c.id.desc())
        .limit(limit)
    )
    return [of_row(row) for row in await conn.execute(wanted)]


async def for_export(
    conn: AsyncConnection, after: UUID | None, limit: int
) -> list[tuple[Subscriber, Reason | None]]:
    """The next by id, each with why the address is suppressed."""
    wanted: sa.Select[Any] = (
        sa.select(*COLUMNS, suppression.c.reason)
        .select_from(
            subscriber.outerjoin(
                suppression, suppression.c.address_hash == subscriber.c.address_hash
            )
        )
        .order_by(subscriber.c.id)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(subscriber.c.id > after)
    return [(of_row(row), row.reason) for row in await conn.execute(wanted)]
