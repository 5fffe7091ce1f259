"""Rules of sending in bulk.

Invariant: each recipient of an issue gets it once at most, unless an operator asks for another
try; and once exactly where the server and this installation are sure of what became of the mail.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.notifications.bulk.domain.errors import AlreadySending, NotSending, SendNotFound
from services.notifications.bulk.domain.progress import (
    DeliveryStatus,
    Progress,
    SendState,
    Trouble,
)
from services.notifications.bulk.letter import Letter
from services.notifications.bulk.repository import sends as repository

RESENDABLE: tuple[DeliveryStatus, ...] = ("failed", "unknown", "suppressed")


async def begin(
    conn: AsyncConnection,
    issue_id: UUID,
    letters: Mapping[Locale, Letter],
    *,
    fallback: Locale,
    now: datetime,
) -> int:
    """Fixes who gets the issue: all who are active at this moment. Returns how many.

    `letters` are frozen; who reads another language gets `fallback`, which must be among them.
    Sending begins once the caller's transaction is committed. Raises AlreadySending.
    """
    if fallback not in letters:
        raise ValueError("the fallback has no letter")
    total = await repository.begin(conn, issue_id, letters, fallback, now)
    if total is None:
        raise AlreadySending
    return total


async def stop(conn: AsyncConnection, issue_id: UUID) -> None:
    """Holds a send: what is on the line is finished, nothing more follows. Raises SendNotFound,
    and NotSending where it does not run."""
    if not await repository.stop(conn, issue_id):
        raise await _why_not(conn, issue_id)


async def resume(conn: AsyncConnection, issue_id: UUID) -> None:
    """Goes on with a stopped send. Raises SendNotFound, and NotSending where it is not stopped."""
    if not await repository.resume(conn, issue_id):
        raise await _why_not(conn, issue_id)


async def state(conn: AsyncConnection, issue_id: UUID) -> SendState:
    """Whether a send runs, is stopped or is done; one row is read. Raises SendNotFound."""
    found = await repository.state(conn, issue_id)
    if found is None:
        raise SendNotFound
    return found


async def progress(conn: AsyncConnection, issue_id: UUID) -> Progress:
    """How a send stands. Raises SendNotFound."""
    found = await repository.progress(conn, [issue_id])
    if issue_id not in found:
        raise SendNotFound
    return found[issue_id]


async def progress_of(conn: AsyncConnection, issues: Sequence[UUID]) -> dict[UUID, Progress]:
    """How several sends stand, by their issue; those that were never begun are left out."""
    return await repository.progress(conn, issues)


async def trouble(
    conn: AsyncConnection, issue_id: UUID, *, after: int = 0, limit: int = 100
) -> list[Trouble]:
    """Who may have got nothing, and why, by their number from `after` on: failed, unknown,
    suppressed, bounced, and those whose next try is still to come. Raises SendNotFound."""
    found = await repository.trouble(conn, issue_id, after, limit)
    if not found and await repository.state(conn, issue_id) is None:
        raise SendNotFound
    return found


async def resend(
    conn: AsyncConnection,
    issue_id: UUID,
    statuses: Sequence[DeliveryStatus],
    who: Sequence[UUID] | None = None,
) -> int:
    """Tries again those of `statuses` (of RESENDABLE), or of them only the subscribers `who`;
    returns how many. Those whose chunk is being worked on are left out: ask again later. One who
    is not active by then is suppressed once more.

    An `unknown` one may get the issue a second time. Raises SendNotFound, and ValueError for
    another status.
    """
    if not set(statuses) <= set(RESENDABLE):
        raise ValueError("only what failed, is unknown or was suppressed is sent again")
    back = await repository.again(conn, issue_id, statuses, who)
    if back is None:
        raise SendNotFound
    return back


async def _why_not(conn: AsyncConnection, issue_id: UUID) -> SendNotFound | NotSending:
    known = await repository.state(conn, issue_id) is not None
    return NotSending() if known else SendNotFound()
