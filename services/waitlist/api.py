"""The operators' view of a line and of its ledger.

Invariant: it only reads, and asks for an operator of any role first.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.kit.db import Database
from services.kit.openapi import fails
from services.kit.operators import require
from services.waitlist import service
from services.waitlist.domain.errors import UnknownLine
from services.waitlist.schemas import LedgerView, LineView


def _never_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


router = APIRouter(
    prefix="/api/v1/admin/waitlist",
    tags=["waitlist"],
    dependencies=[Depends(require("viewer")), Depends(_never_kept)],
    responses=fails(UnknownLine),
)

Db = Annotated[Database, Depends(_database)]
Slug = Annotated[str, Path(description="The event's slug.", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/{slug}", summary="The line of an event, from its head")
async def read_line(
    db: Db,
    slug: Slug,
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="Only entries behind this `seq`.")
    ] = 0,
    limit: Limit = 100,
) -> LineView:
    async with db.read() as conn:
        return LineView.of(await service.line_page(conn, slug, after, limit))


@router.get("/{slug}/ledger", summary="What happened in the line and why, newest first")
async def read_ledger(
    db: Db,
    slug: Slug,
    registration_id: UUID | None = None,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Only rows below this `id`.")
    ] = None,
    limit: Limit = 100,
) -> LedgerView:
    async with db.read() as conn:
        return LedgerView.of(await service.ledger_page(conn, slug, registration_id, before, limit))
