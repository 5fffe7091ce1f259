"""The routes of the issues, for the api process of notifications: composition."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.kit.errors import EinlassError
from services.notifications.newsletter import (
    api,
    archive,
    clicks,
    pages,
    previews,
    unreached_pages,
)
from services.notifications.newsletter.desk import ROOM, start
from services.notifications.subscribers import app as subscribers

router = APIRouter(lifespan=start)
"""Wants `settings`, `db`, `clock`, `introspection` and `sessions` in the application's state."""

for part in (
    api.router,
    archive.router,
    clicks.router,
    previews.router,
    unreached_pages.router,
    pages.router,
):
    router.include_router(part)

_SUBSCRIBERS: Final = (
    "/admin/newsletter/subscribers",
    "/newsletter/s/",
    "/newsletter/confirm/",
    "/newsletter/subscri",
)


async def error_page(request: Request, error: EinlassError) -> Response:
    """An expected failure as a page, in the words of those whose address was asked for."""
    if request.url.path.startswith(_SUBSCRIBERS):
        return await subscribers.error_page(request, error)
    return await ROOM.error_page(request, error)
