"""The waitlist's web process: composition and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services import __version__
from services.kit import web
from services.kit.db import Database
from services.kit.operators import RemoteIntrospection
from services.kit.wake import Wake
from services.waitlist import api, desk, pages
from services.waitlist.settings import WaitlistSettings


def create_app(settings: WaitlistSettings | None = None) -> FastAPI:
    """The application; without `settings` they come from the environment."""
    settings = settings or WaitlistSettings()
    db = Database(settings.database_url, name="waitlist-api", pool=settings.db_pool)
    wake = Wake(settings.redis_url, "waitlist")
    db.on_outbox.append(wake.notify)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        wake.start(listen=False)
        yield
        await wake.stop()
        await db.close()

    app = web.create_app(
        "Einlass waitlist",
        version=__version__,
        public_url=settings.public_url,
        needed={"postgres": db.ping},
        lifespan=lifespan,
        error_page=desk.ROOM.error_page,
    )
    app.state.settings = settings
    app.state.db = db
    app.state.clock = settings.clock
    app.state.introspection = RemoteIntrospection(settings.registration_internal_url)
    app.state.sessions = RemoteIntrospection(settings.registration_internal_url, remember=False)
    app.include_router(api.router)
    app.include_router(pages.router)
    return app
