"""The API of the subscribers: asking for the newsletter, and what operators see and do.

Invariant: asking is answered the same for every address, after one INSERT. Whoever operates asks
with a token; viewers may look, editors change, and admins take addresses off the suppression list.
An address stands in a body and never in a path or a query, which are logged by others.
"""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from services.contracts.envelope import Locale
from services.kit.db import Database
from services.kit.depends import Db, Now, never_kept
from services.kit.errors import NotFound, TooManyRequests
from services.kit.openapi import fails
from services.kit.operators import Operator, require
from services.kit.web import client_of
from services.notifications.subscribers import orders, service
from services.notifications.subscribers.domain import address
from services.notifications.subscribers.domain.errors import (
    NotACsvFile,
    NotSubscribed,
    UnknownSubscriber,
    UnknownSuppression,
)
from services.notifications.subscribers.domain.model import Status
from services.notifications.subscribers.limits import Limits
from services.notifications.subscribers.repository import listing, suppression
from services.notifications.subscribers.schemas import (
    EvidenceView,
    FoundSubscribersView,
    ImportView,
    ReasonIn,
    SubscriberCountsView,
    SubscriberSearchIn,
    SubscribersView,
    SubscriberView,
    SubscriptionIn,
    SubscriptionOut,
    SuppressionIn,
    SuppressionsView,
    SuppressionView,
)

FOUND: Final = 50


def _limits(request: Request) -> Limits:
    limits: Limits = request.app.state.newsletter_limits
    return limits


Viewer = Annotated[Operator, Depends(require("viewer"))]
Editor = Annotated[Operator, Depends(require("editor"))]
Admin = Annotated[Operator, Depends(require("admin"))]
SubscriberId = Annotated[UUID, Path(description="The subscriber's id.")]
SuppressionId = Annotated[int, Path(ge=1, lt=2**63, description="The id in the list.")]

router = APIRouter(tags=["newsletter"])
"""Wants `settings`, `db`, `clock`, `introspection` and `newsletter_limits` in the state."""
admin = APIRouter(
    prefix="/api/v1/admin/newsletter", tags=["newsletter"], dependencies=[Depends(never_kept)]
)


@router.post(
    "/api/v1/newsletter/subscriptions",
    status_code=202,
    summary="Ask for the newsletter",
    dependencies=[Depends(never_kept)],
    responses=fails(TooManyRequests),
)
async def subscribe(
    request: Request,
    db: Db,
    now: Now,
    limits: Annotated[Limits, Depends(_limits)],
    body: SubscriptionIn,
) -> SubscriptionOut:
    limits.check(client_of(request), address.read(body.email).digest)
    async with db.at_once() as conn:
        await service.ask(conn, body.email, body.locale, "api", now)
    return SubscriptionOut()


@admin.get("/subscribers", summary="Subscribers, newest first")
async def read_subscribers(
    db: Db,
    _: Viewer,
    status: Status | None = None,
    before: Annotated[
        UUID | None, Query(description="Only older than this one; for the next part.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> SubscribersView:
    async with db.read() as conn:
        found = await listing.page(conn, status, before, limit + 1)
    return SubscribersView(
        subscribers=[SubscriberView.of(one) for one in found[:limit]],
        next_before=found[limit - 1].id if len(found) > limit else None,
    )


@admin.get("/subscribers/counts", summary="How many subscribers there are")
async def count_subscribers(db: Db, _: Viewer) -> SubscriberCountsView:
    async with db.read() as conn:
        return SubscriberCountsView.model_validate(await listing.counts(conn))


@admin.post("/subscribers/search", summary="Find subscribers by address")
async def find_subscribers(db: Db, _: Viewer, body: SubscriberSearchIn) -> FoundSubscribersView:
    """The newest 50 whose address has the text in it."""
    async with db.read() as conn:
        found = await listing.matching(conn, body.email, FOUND)
    return FoundSubscribersView(subscribers=[SubscriberView.of(one) for one in found])


@admin.get(
    "/subscribers/export",
    summary="All subscribers as a CSV file",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_subscribers(db: Db, _: Editor) -> StreamingResponse:
    return csv_file(db)


def csv_file(db: Database) -> StreamingResponse:
    """All subscribers as a file to keep."""
    return StreamingResponse(
        orders.export(db),
        media_type="text/csv; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="subscribers.csv"',
        },
    )


@admin.post(
    "/subscribers/import",
    summary="Import subscribers from a CSV file",
    responses=fails(NotACsvFile),
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
)
async def import_subscribers(
    request: Request,
    db: Db,
    now: Now,
    who: Editor,
    reason: Annotated[
        str,
        Query(
            min_length=1,
            max_length=500,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="Where the addresses come from and how their consent is known.",
        ),
    ],
    locale: Annotated[
        Locale, Query(description="The language of those whose language is not given.")
    ] = "de",
) -> ImportView:
    """Takes our own files and those of listmonk. The suppression list wins over the file. Larger
    files than a request may be are taken by `einlass newsletter import`."""
    return ImportView.of(
        await orders.import_file(
            db,
            text_of(await request.body()),
            locale=locale,
            by=who.name,
            why=reason,
            now=now,
        )
    )


def text_of(body: bytes) -> str:
    """A file's text. Raises NotACsvFile where it is not UTF-8."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotACsvFile from None


@admin.get(
    "/subscribers/{subscriber_id}/evidence",
    summary="All that is kept of one subscriber, as a file",
    responses=fails(UnknownSubscriber),
)
async def read_subscriber(
    db: Db, _: Viewer, response: Response, subscriber_id: SubscriberId
) -> EvidenceView:
    async with db.read() as conn:
        found = EvidenceView.of(await service.person(conn, subscriber_id))
    response.headers["Content-Disposition"] = evidence_name(subscriber_id)
    return found


def evidence_name(subscriber_id: UUID) -> str:
    """The header field that makes the evidence a file to keep."""
    return f'attachment; filename="subscriber-{subscriber_id}.json"'


@admin.post(
    "/subscribers/{subscriber_id}/unsubscription",
    status_code=204,
    summary="End a subscription",
    responses=fails(UnknownSubscriber, NotSubscribed),
)
async def end_subscription(
    db: Db, now: Now, who: Editor, subscriber_id: SubscriberId, body: ReasonIn
) -> None:
    async with db.transaction() as conn:
        await orders.unsubscribe(conn, subscriber_id, who.name, body.reason, now)


@admin.post(
    "/subscribers/{subscriber_id}/erasure",
    status_code=204,
    summary="Delete all that is kept of a subscriber",
    responses=fails(UnknownSubscriber),
)
async def erase_subscriber(
    db: Db, now: Now, who: Admin, subscriber_id: SubscriberId, body: ReasonIn
) -> None:
    """The evidence of consent goes along, so it is for whoever asks to be forgotten. The hash of
    the address stays on the suppression list, and no import brings it back."""
    async with db.transaction() as conn:
        await orders.erase(conn, subscriber_id, who.name, body.reason, now)


@admin.get("/suppressions", summary="The suppression list, newest first")
async def read_suppressions(
    db: Db,
    _: Viewer,
    left: Annotated[bool, Query(description="With those who left by themselves.")] = False,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> SuppressionsView:
    async with db.read() as conn:
        found = await suppression.page(conn, before, limit + 1, left_too=left)
    return SuppressionsView(
        suppressions=[SuppressionView.of(one) for one in found[:limit]],
        next_before=found[limit - 1].id if len(found) > limit else None,
    )


@admin.post("/suppressions", status_code=201, summary="Have nothing sent to an address")
async def suppress_address(db: Db, now: Now, who: Editor, body: SuppressionIn) -> SuppressionView:
    """Takes effect before the next mail. Where the address is on the list for a graver reason,
    that one stays."""
    async with db.transaction() as conn:
        await service.suppress(
            conn,
            reason="operator",
            now=now,
            email=body.email,
            by=who.name,
            note=body.reason,
        )
        found = await suppression.of_address(conn, address.read(body.email).digest)
    if found is None:
        raise NotFound
    return SuppressionView.of(found)


@admin.post(
    "/suppressions/{suppression_id}/removal",
    status_code=204,
    summary="Take an address off the suppression list",
    responses=fails(UnknownSuppression),
)
async def release_address(
    db: Db, now: Now, who: Admin, suppression_id: SuppressionId, body: ReasonIn
) -> None:
    async with db.transaction() as conn:
        await orders.release(conn, suppression_id, who.name, body.reason, now)


router.include_router(admin)
