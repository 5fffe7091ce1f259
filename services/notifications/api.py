"""The operators' view of the mail ledger, and sending a mail again.

Invariant: every route asks for an operator first, and none shows to whom a mail went: names and
addresses are registration's to show.
"""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.contracts.notifications import MailKind
from services.kit.db import Database
from services.kit.openapi import fails
from services.kit.operators import require
from services.notifications import service
from services.notifications.domain.errors import MailForgotten, MailInHand, MailNotFound
from services.notifications.domain.mail import MailStatus
from services.notifications.schemas import LedgerView, MailView


def _never_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


def _on_mail(request: Request) -> Callable[[], None]:
    on_mail: Callable[[], None] = request.app.state.on_mail
    return on_mail


router = APIRouter(prefix="/api/v1/admin/mail", tags=["mail"], dependencies=[Depends(_never_kept)])

Db = Annotated[Database, Depends(_database)]
OnMail = Annotated[Callable[[], None], Depends(_on_mail)]
MailId = Annotated[UUID, Path(description="The mail's id.")]


@router.get("", summary="The mail ledger, newest first", dependencies=[Depends(require("viewer"))])
async def read_ledger(
    db: Db,
    status: MailStatus | None = None,
    kind: MailKind | None = None,
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
