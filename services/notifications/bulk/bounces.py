"""What follows when a newsletter comes back, or its address is refused: rules, one transaction a
report or a handful of refusals.

Invariants:
- A hard bounce, a complaint, or the third soft bounce suppresses the address in the transaction
  that notes it, also in the middle of a send.
- What is suppressed is the address that the mail went to. Who has another one by then keeps it.
- A report that comes again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import after_commit
from services.notifications.bulk.domain import bounces as reports
from services.notifications.bulk.repository import bounces as repository
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.subscribers import service as subscribers
from services.notifications.subscribers.domain.errors import UnknownSubscriber

log = structlog.get_logger(__name__)

BOUNCES: Final = Counter("einlass_newsletter_bounces", "Reports about newsletters.", ["kind"])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server said to RCPT that there is no such address. `n`: the recipient's number in the
    send; `generation`: which of the subscriber's addresses it was; `status`: as RFC 3463 has it.
    """

    n: int
    subscriber_id: UUID
    generation: int
    status: str


async def refused(
    conn: AsyncConnection, issue_id: UUID, told: Sequence[Refusal], now: datetime
) -> None:
    """Takes refusals for hard bounces, in as many statements for one as for many. A second time it
    changes nothing."""
    await repository.note_refused(conn, issue_id, [one.n for one in told], now)
    notes = {(one.subscriber_id, one.generation): f"hard {one.status}" for one in told}
    await subscribers.suppress_many(conn, notes, reason="bounced", now=now)
    after_commit(conn, lambda: BOUNCES.labels("hard").inc(len(told)))


async def take(conn: AsyncConnection, raw: bytes, paths: ReturnPaths, now: datetime) -> bool:
    """Acts on a mail that came to the bounce address; whether it was a report about a mail of
    ours. Never raises for what the mail holds."""
    report = reports.read(raw)
    if report is None:
        BOUNCES.labels("unread").inc()
        return False
    returned = next(filter(None, map(paths.read, report.paths)), None)
    if returned is None:
        BOUNCES.labels("unread").inc()
        return False
    BOUNCES.labels(report.kind).inc()
    who = await repository.note(conn, returned.send, returned.n, report.kind, now)
    if who is None:
        return True
    if report.kind == "soft":
        times = await repository.soft(conn, who, now, reports.SOFT_WITHIN)
        if times < reports.SOFT_LIMIT:
            return True
    try:
        await subscribers.suppress(
            conn,
            subscriber_id=who,
            generation=returned.generation,
            reason="complained" if report.kind == "complaint" else "bounced",
            now=now,
            note=f"{report.kind} {report.status}" if report.status else report.kind,
        )
    except UnknownSubscriber:
        log.info("newsletter.bounce_of_nobody")  # erased meanwhile
    return True
