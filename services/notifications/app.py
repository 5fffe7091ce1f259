"""The api process of notifications: composition and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services import __version__
from services.kit import redis, web
from services.kit.db import Database
from services.kit.operators import RemoteIntrospection
from services.kit.wake import Wake
from services.notifications import api, service
from services.notifications.settings import NotificationsSettings


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
    )
    app.state.settings = settings
    app.state.db = db
    app.state.clock = settings.clock
    app.state.on_mail = mail_wake.notify
    app.state.introspection = RemoteIntrospection(settings.registration_internal_url)
    app.state.sessions = RemoteIntrospection(settings.registration_internal_url, remember=False)
    app.include_router(api.router)
    return app
