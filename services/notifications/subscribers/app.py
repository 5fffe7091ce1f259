"""The routes of the subscribers, for the api process of notifications: composition."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI

from services.notifications.settings import NotificationsSettings
from services.notifications.subscribers import admin_pages, api, own_pages, pages
from services.notifications.subscribers.desk import ROOM
from services.notifications.subscribers.limits import Limits
from services.notifications.subscribers.links import Links


@asynccontextmanager
async def start(app: FastAPI) -> AsyncIterator[None]:
    """What the routes need in the application's state beside `settings`, `db`, `clock`,
    `introspection` and `sessions`."""
    settings: NotificationsSettings = app.state.settings
    limits = Limits(
        settings.redis_url,
        enabled=settings.rate_limits == "on",
        scale=settings.rate_limit_scale,
    )
    app.state.newsletter_limits = limits
    app.state.newsletter_links = Links(settings.key, settings.public_url)
    async with ROOM.start(app):
        yield
    await limits.close()


router = APIRouter(lifespan=start)
for part in (api.router, pages.router, own_pages.router, admin_pages.router):
    router.include_router(part)
error_page = ROOM.error_page
"""An expected failure as a page."""
PLACES: Final = (
    "/newsletter/s/",
    "/newsletter/confirm/",
    pages.SUBSCRIBE,
    "/newsletter/subscriptions",
    pages.ASKED,
    admin_pages.HOME,
)
"""What the addresses of these pages begin with."""
