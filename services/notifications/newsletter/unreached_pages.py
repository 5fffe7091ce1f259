"""Who may have got nothing of an issue, and why: as a page, and as a file."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.notifications.bulk import service as bulk
from services.notifications.newsletter import service
from services.notifications.newsletter.desk import Editor, Viewer
from services.notifications.newsletter.domain.errors import NotBegun
from services.notifications.newsletter.export import unreached_csv

UNREACHED: Final = 100
_EDGE: Final = 2**31 - 1

router = APIRouter(prefix="/admin/newsletter/issues/{issue_id}", include_in_schema=False)
"""Beside `pages.router`."""


@router.get("/unreached")
async def unreached(
    desk: Viewer, issue_id: UUID, after: Annotated[int, Query(ge=0, le=_EDGE)] = 0
) -> Response:
    """Who may have got nothing, and why."""
    async with desk.db.read() as conn:
        issue = await service.read(conn, issue_id)
        if issue.number is None:
            raise NotBegun
        rows = await bulk.trouble(conn, issue_id, after=after, limit=UNREACHED + 1)
        progress = await bulk.progress(conn, issue_id)
    return desk.page(
        "unreached.html",
        issue=issue,
        rows=rows[:UNREACHED],
        progress=progress,
        next_after=rows[UNREACHED - 1].n if len(rows) > UNREACHED else None,
        first=after == 0,
        address=f"/admin/newsletter/issues/{issue_id}",
    )


@router.get("/unreached.csv")
async def export_unreached(desk: Editor, issue_id: UUID) -> Response:
    """The same as CSV."""
    async with desk.db.read() as conn:
        if (await service.read(conn, issue_id)).number is None:
            raise NotBegun
    return unreached_csv(desk.db, issue_id)
