"""The routes of the issues, for the api process of notifications: composition."""

from fastapi import APIRouter

from services.notifications.newsletter import (
    api,
    archive,
    clicks,
    pages,
    previews,
    unreached_pages,
)
from services.notifications.newsletter.desk import ROOM, start

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

error_page = ROOM.error_page
"""An expected failure as a page."""
