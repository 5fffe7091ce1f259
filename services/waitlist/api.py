"""The operators' view of a line and of its ledger, and their orders.

Invariant: it asks for an operator first, of any role to look and of an editor's to order; an order
is committed before it is answered, under the operator's own name.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import audit as tables
from services.kit.depends import Db, Now, never_kept
from services.kit.openapi import fails
from services.kit.operators import Operator, require
from services.waitlist import orders, service
from services.waitlist.domain.errors import (
    AlreadyPaused,
    LineClosed,
    LineOver,
    NotPaused,
    NotWaiting,
    UnknownEntry,
    UnknownLine,
)
from services.waitlist.schemas import LedgerView, LineView, OrderIn, PriorityIn, WhyView
from services.waitlist.why import why

router = APIRouter(
    prefix="/api/v1/admin/waitlist",
    tags=["waitlist"],
    dependencies=[Depends(require("viewer")), Depends(never_kept)],
    responses=fails(UnknownLine),
)

Editor = Annotated[Operator, Depends(require("editor"))]
Slug = Annotated[str, Path(description="The event's slug.", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=500)]
_EDGE = 2**63


@router.get("/{slug}", summary="The line of an event, from its head")
async def read_line(
    db: Db,
    now: Now,
    slug: Slug,
    after: Annotated[
        int | None, Query(ge=-_EDGE, lt=_EDGE, description="Only entries behind this `rank`.")
    ] = None,
    limit: Limit = 100,
) -> LineView:
    async with db.read() as conn:
        return LineView.of(await service.line_page(conn, slug, after, limit, now))


@router.get("/{slug}/ledger", summary="What happened in the line and why, newest first")
async def read_ledger(
    db: Db,
    slug: Slug,
    registration_id: UUID | None = None,
    before: Annotated[
        int | None, Query(ge=1, lt=_EDGE, description="Only rows below this `id`.")
    ] = None,
    limit: Limit = 100,
) -> LedgerView:
    async with db.read() as conn:
        return LedgerView.of(await service.ledger_page(conn, slug, registration_id, before, limit))


@router.get(
    "/{slug}/entries/{registration_id}/why",
    summary="Why somebody was or was not promoted",
    responses=fails(UnknownLine, UnknownEntry),
)
async def read_why(db: Db, now: Now, slug: Slug, registration_id: UUID) -> WhyView:
    async with tables.snapshot(db) as conn:
        return WhyView.of(await why(conn, slug, registration_id, now))


@router.post(
    "/{slug}/pause",
    summary="Stop the line; its seats stay held",
    responses=fails(LineClosed, AlreadyPaused),
)
async def pause_line(db: Db, now: Now, who: Editor, slug: Slug, order: OrderIn) -> LineView:
    async with db.transaction() as conn:
        await orders.pause(conn, slug, who.name, order.reason, now)
        return await _line(conn, slug, now)


@router.post("/{slug}/resume", summary="Let the line go on", responses=fails(LineClosed, NotPaused))
async def resume_line(db: Db, now: Now, who: Editor, slug: Slug, order: OrderIn) -> LineView:
    async with db.transaction() as conn:
        await orders.resume(conn, slug, who.name, order.reason, now)
        return await _line(conn, slug, now)


@router.post(
    "/{slug}/entries/{registration_id}/promotion",
    summary="Let somebody come first, at once where the party fits",
    responses=fails(UnknownLine, UnknownEntry, LineClosed, LineOver, NotWaiting),
)
async def promote_by_hand(
    db: Db, now: Now, who: Editor, slug: Slug, registration_id: UUID, order: OrderIn
) -> WhyView:
    async with db.transaction() as conn:
        await orders.promote(conn, slug, registration_id, who.name, order.reason, now)
        return WhyView.of(await why(conn, slug, registration_id, now))


@router.put(
    "/{slug}/entries/{registration_id}/priority",
    summary="Give somebody another priority",
    responses=fails(UnknownLine, UnknownEntry, LineClosed, NotWaiting),
)
async def set_priority(
    db: Db, now: Now, who: Editor, slug: Slug, registration_id: UUID, order: PriorityIn
) -> WhyView:
    async with db.transaction() as conn:
        await orders.prioritise(
            conn, slug, registration_id, order.priority, who.name, order.reason, now
        )
        return WhyView.of(await why(conn, slug, registration_id, now))


async def _line(conn: AsyncConnection, slug: str, now: datetime) -> LineView:
    return LineView.of(await service.line_page(conn, slug, None, 100, now))
