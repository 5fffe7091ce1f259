"""The api process of notifications: composition and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request, Response

from services import __version__
from services.kit import redis, web
from services.kit.db import Database
from services.kit.errors import EinlassError
from services.kit.operators import RemoteIntrospection
from services.kit.wake import Wake
from services.notifications import api, service
from services.notifications.bulk import api as bulk
from services.notifications.newsletter import app as issues
from services.notifications.settings import NotificationsSettings
from services.notifications.subscribers import app as subscribers

# What takes files, and how many bytes of them.
LARGER: Final = {
    r"(?:/api/v1)?/admin/newsletter/issues/[^/]+/pictures(?:/[^/]+)?": 600_000,
    r"(?:/api/v1)?/admin/newsletter/subscribers/import": 1_000_000,
    bulk.BOUNCES: bulk.LARGEST,
}


def create_app(settings: NotificationsSettings) -> FastAPI:
    """The application; connects when it starts."""
    db = Database(settings.database_url, name="notifications-api", pool=settings.db_pool)
    mail_wake = Wake(settings.redis_url, service.MAIL_BELL)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        mail_wake.start(listen=False)
        yield
        await mail_wake.stop()
        await db.close()

    app = web.create_app(
        "Einlass notifications",
        version=__version__,
        public_url=settings.public_url,
        needed={"postgres": db.ping},
        helpful={"redis": redis.ping(settings.redis_url)},
        lifespan=lifespan,
        error_page=error_page,
        larger=LARGER,
    )
    app.state.settings = settings
    app.state.db = db
    app.state.clock = settings.clock
    app.state.on_mail = mail_wake.notify
    app.state.introspection = RemoteIntrospection(settings.registration_internal_url)
    app.state.sessions = RemoteIntrospection(settings.registration_internal_url, remember=False)
    app.include_router(api.router)
    app.include_router(bulk.router)
    app.include_router(issues.router)
    app.include_router(subscribers.router)
    return app


async def error_page(request: Request, error: EinlassError) -> Response:
    """An expected failure as a page, of the package that the address belongs to."""
    if request.url.path.startswith(subscribers.PLACES):
        return await subscribers.error_page(request, error)
    return await issues.error_page(request, error)
