"""The counter that links of mails lead over, where the operator has switched it on.

Invariant: what is kept of a click is that the total of one link of one issue is one more. Nothing
of whoever follows it is kept or handed on: no address, no cookie, no referrer; and it leads only
to what the issue itself led to.
"""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.kit.db import Database
from services.kit.errors import NotFound
from services.kit.guard import HEADLESS
from services.kit.pages import PRIVATE
from services.notifications.newsletter import repository
from services.notifications.newsletter.desk import office_of
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.clicks import location

_HEADERS: Final = {**PRIVATE, "Referrer-Policy": "no-referrer"}
_MOST: Final = 10_000

router = APIRouter(prefix="/newsletter/l", include_in_schema=False)
"""Wants `newsletter` and `db` in the application's state."""


@router.get("/{year:int}/{number:int}/{link:int}")
async def follow(request: Request, year: int, number: int, link: int) -> Response:
    """Leads on, and counts. Raises NotFound."""
    if not all(0 < part < _MOST for part in (year, number, link)):
        raise NotFound
    db: Database = request.app.state.db
    where = Number(year, number), link
    if _is_look(request):
        async with db.transaction() as conn:
            url = await repository.click(conn, *where)
    else:
        async with db.read() as conn:
            url = await repository.link_target(conn, *where)
    if url is None:
        raise NotFound
    return Response(status_code=302, headers={**_HEADERS, "Location": location(url)})


def _is_look(request: Request) -> bool:
    """Whether it counts: somebody wants to see what is there. A look at the head is none, nor is
    what a browser fetches in advance (Fetch, "Sec-Purpose")."""
    if not office_of(request).settings.counts_clicks or request.scope.get(HEADLESS):
        return False
    return "prefetch" not in request.headers.get("sec-purpose", "")
