"""Bounces and complaints, beside the rows of the mails that they are of.

Invariant: a mail's graver report takes the place of a lighter one, and a send's counts move with
it, so a report that comes twice counts once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.bulk.domain.progress import Bounce

_NOTE: Final = sa.text(
    """
    WITH found AS (
        SELECT d.issue_id, d.n, d.subscriber_id, d.bounce FROM delivery AS d
        JOIN send AS s ON s.issue_id = d.issue_id
        WHERE s.number = :send AND d.n = :n FOR UPDATE OF d),
    noted AS (
        UPDATE delivery AS d SET bounce = :kind, bounced_at = :now
        FROM found AS f WHERE d.issue_id = f.issue_id AND d.n = f.n
          AND (f.bounce IS NULL OR (f.bounce = 'soft' AND :kind <> 'soft')
               OR (f.bounce = 'hard' AND :kind = 'complaint'))
        RETURNING d.issue_id, d.subscriber_id, f.bounce AS before),
    counted AS (
        UPDATE send AS s
        SET bounced = s.bounced + CASE WHEN :kind = 'hard' THEN 1 WHEN n.before = 'hard' THEN -1
                                       ELSE 0 END,
            complained = s.complained + CASE WHEN :kind = 'complaint' THEN 1 ELSE 0 END
        FROM noted AS n WHERE s.issue_id = n.issue_id)
    SELECT subscriber_id FROM noted
    """
)
_NOTE_REFUSED: Final = """
    WITH noted AS (
        UPDATE delivery SET bounce = 'hard', bounced_at = :now
        WHERE issue_id = :issue_id AND n = ANY(:numbers) AND (bounce IS NULL OR bounce = 'soft')
        RETURNING 1)
    UPDATE send SET bounced = bounced + (SELECT count(*) FROM noted)
    WHERE issue_id = :issue_id AND EXISTS (SELECT 1 FROM noted)
"""
# What went to a former address says nothing of the present one.
_SOFT: Final = sa.text(
    """
    SELECT count(*) FROM delivery
    WHERE subscriber_id = :who AND bounce = 'soft' AND bounced_at > :since
      AND settled_at > coalesce((
          SELECT max(at) FROM subscriber_journal WHERE subscriber_id = :who AND kind = 'address'),
          '-infinity')
    """
)


async def note(
    conn: AsyncConnection, send: int, n: int, kind: Bounce, now: datetime
) -> UUID | None:
    """Writes that a mail came back; the subscriber, or None where there is no such mail or as
    much was known."""
    found: Any = await conn.scalar(_NOTE, {"send": send, "n": n, "kind": kind, "now": now})
    return found if isinstance(found, UUID) else None


async def note_refused(
    conn: AsyncConnection, issue_id: UUID, numbers: Sequence[int], now: datetime
) -> None:
    """Writes of mails that their addresses are no good, each once."""
    wanted = sa.text(_NOTE_REFUSED).bindparams(array("numbers", list(numbers), sa.Integer()))
    await conn.execute(wanted, {"issue_id": issue_id, "now": now})


async def soft(conn: AsyncConnection, who: UUID, now: datetime, within: timedelta) -> int:
    """How many of somebody's mails to the present address came back softly within that time."""
    return int(await conn.scalar(_SOFT, {"who": who, "since": now - within}) or 0)
