"""The waitlist's web process: composition and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services import __version__
from services.kit import web
from services.kit.db import Database
from services.kit.operators import RemoteIntrospection
from services.waitlist import api
from services.waitlist.settings import WaitlistSettings


def create_app(settings: WaitlistSettings | None = None) -> FastAPI:
    """The application; without `settings` they come from the environment."""
    settings = settings or WaitlistSettings()
    db = Database(settings.database_url, name="waitlist-api", pool=settings.db_pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await db.close()

    app = web.create_app(
        "Einlass waitlist",
        version=__version__,
        public_url=settings.public_url,
        needed={"postgres": db.ping},
        lifespan=lifespan,
    )
    app.state.db = db
    app.state.introspection = RemoteIntrospection(settings.registration_internal_url)
    app.include_router(api.router)
    return app
