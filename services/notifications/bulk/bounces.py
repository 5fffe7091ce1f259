"""What follows when a newsletter comes back: rules, one transaction a report.

Invariants:
- A hard bounce, a complaint, or the third soft bounce suppresses the address in the transaction
  that notes it, also in the middle of a send.
- A report that comes again changes nothing.
"""

from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.bulk.domain import bounces as reports
from services.notifications.bulk.repository import bounces as repository
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.subscribers import service as subscribers
from services.notifications.subscribers.domain.errors import UnknownSubscriber

log = structlog.get_logger(__name__)

BOUNCES: Final = Counter("einlass_newsletter_bounces", "Reports about newsletters.", ["kind"])


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
            reason="complained" if report.kind == "complaint" else "bounced",
            now=now,
            note=f"{report.kind} {report.status}" if report.status else report.kind,
        )
    except UnknownSubscriber:
        log.info("newsletter.bounce_of_nobody")  # erased meanwhile
    return True
