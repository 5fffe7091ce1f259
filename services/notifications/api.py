"""The operators' view of the mail ledger, sending a mail again, and writing to all of an event.

Invariant: every route asks for an operator first, and none shows to whom a mail went: names and
addresses are registration's to show. What an operator asks for is committed before it is
answered, under their own name.
"""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request

from services.kit.depends import Db, never_kept
from services.kit.openapi import fails
from services.kit.operators import Operator, require
from services.notifications import broadcasts, service
from services.notifications.domain.errors import (
    BroadcastKeyReused,
    BroadcastNotFound,
    BroadcastSent,
    MailForgotten,
    MailInHand,
    MailNotFound,
    NobodyToWriteTo,
    NoSuchEvent,
)
from services.notifications.domain.mail import AnyKind, MailStatus
from services.notifications.schemas import (
    BroadcastIn,
    BroadcastsView,
    BroadcastView,
    CancellationIn,
    LedgerView,
    MailView,
)


def _on_mail(request: Request) -> Callable[[], None]:
    on_mail: Callable[[], None] = request.app.state.on_mail
    return on_mail


router = APIRouter(prefix="/api/v1/admin/mail", tags=["mail"], dependencies=[Depends(never_kept)])

OnMail = Annotated[Callable[[], None], Depends(_on_mail)]
MailId = Annotated[UUID, Path(description="The mail's id.")]
BroadcastId = Annotated[UUID, Path(description="The broadcast's id.")]
Editor = Annotated[Operator, Depends(require("editor"))]


@router.get("", summary="The mail ledger, newest first", dependencies=[Depends(require("viewer"))])
async def read_ledger(
    db: Db,
    status: MailStatus | None = None,
    kind: AnyKind | None = None,
    event: Annotated[str | None, Query(description="The event's slug.", max_length=200)] = None,
    registration_id: UUID | None = None,
    before: Annotated[
        UUID | None, Query(description="Only mails older than this one; for the next part.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> LedgerView:
    async with db.read() as conn:
        return LedgerView.of(
            await service.ledger_page(
                conn,
                status=status,
                kind=kind,
                event=event,
                registration_id=registration_id,
                before=before,
                limit=limit,
            )
        )


@router.post(
    "/broadcasts",
    status_code=202,
    summary="Write to all of an event",
    responses=fails(NoSuchEvent, NobodyToWriteTo, BroadcastKeyReused),
)
async def ask_broadcast(
    db: Db,
    on_mail: OnMail,
    who: Editor,
    body: BroadcastIn,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> BroadcastView:
    """Writes to everybody who has a place, waits, or both, at this moment; the mails go out behind
    all that are more urgent. The same Idempotency-Key with the same body gets the same broadcast,
    and nobody is written to twice."""
    async with db.transaction() as conn:
        found = await broadcasts.ask(conn, body.order(), idempotency_key, who.name, on_mail)
    return BroadcastView.of(found)


@router.get(
    "/broadcasts",
    summary="What was written to all of events, newest first",
    dependencies=[Depends(require("viewer"))],
)
async def read_broadcasts(
    db: Db,
    event: Annotated[str | None, Query(description="The event's slug.", max_length=200)] = None,
    before: Annotated[
        UUID | None, Query(description="Only those older than this one; for the next part.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> BroadcastsView:
    async with db.read() as conn:
        return BroadcastsView.of(await broadcasts.page(conn, event, before, limit))


@router.get(
    "/broadcasts/{broadcast_id}",
    summary="A mail to all, and how far it is",
    dependencies=[Depends(require("viewer"))],
    responses=fails(BroadcastNotFound),
)
async def read_broadcast(db: Db, broadcast_id: BroadcastId) -> BroadcastView:
    async with db.read() as conn:
        return BroadcastView.of(await broadcasts.one(conn, broadcast_id))


@router.post(
    "/broadcasts/{broadcast_id}/cancellation",
    summary="Take back what has not been sent yet",
    responses=fails(BroadcastNotFound, BroadcastSent),
)
async def cancel_broadcast(
    db: Db, who: Editor, broadcast_id: BroadcastId, order: CancellationIn | None = None
) -> BroadcastView:
    """What has been sent stays sent. To take a broadcast back again changes nothing."""
    reason = order.reason if order is not None else None
    async with db.transaction() as conn:
        found = await broadcasts.cancel(conn, broadcast_id, who.name, reason)
    return BroadcastView.of(found)


@router.get(
    "/{mail_id}",
    summary="What became of one mail",
    dependencies=[Depends(require("viewer"))],
    responses=fails(MailNotFound),
)
async def read_mail(db: Db, mail_id: MailId) -> MailView:
    async with db.read() as conn:
        return MailView.of(await service.one_mail(conn, mail_id))


@router.post(
    "/{mail_id}/resend",
    status_code=202,
    summary="Send a mail again that was sent or given up",
    dependencies=[Depends(require("editor"))],
    responses=fails(MailNotFound, MailInHand, MailForgotten),
)
async def resend(db: Db, on_mail: OnMail, mail_id: MailId) -> MailView:
    async with db.transaction() as conn:
        row = await service.resend(conn, mail_id, on_mail)
    return MailView.of(row)
