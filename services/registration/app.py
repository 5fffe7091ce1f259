"""The api process of registration: pages, JSON API, stream of lights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services import __version__
from services.kit import redis, web
from services.registration import admin_pages, api, apidocs, lean, pages
from services.registration.board import Board
from services.registration.kept import KeptPages
from services.registration.limits import limits as limits_of
from services.registration.operators import LocalIntrospection
from services.registration.programme import Programme
from services.registration.service import Service
from services.registration.sessions import Sessions
from services.registration.settings import RegistrationSettings
from services.registration.sign_in import sign_in
from services.registration.wiring import Parts


def create_app(settings: RegistrationSettings) -> FastAPI:
    """The application; connects when it starts."""
    parts = Parts.make(settings, "api")
    board = Board(parts.db, parts.lights, parts.clock)
    limits = limits_of(
        settings.redis_url,
        enabled=settings.rate_limits == "on",
        scale=settings.rate_limit_scale,
    )
    sessions = Sessions(settings.redis_url)
    door = sign_in(
        parts.db,
        settings.redis_url,
        sessions,
        enabled=settings.rate_limits == "on",
        scale=settings.rate_limit_scale,
    )
    kept = KeptPages(board)
    service = Service(
        db=parts.db,
        board=board,
        limits=limits,
        clock=parts.clock,
        links=parts.links,
        changes=parts.changes,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts.relay_wake.start(listen=False)
        await board.start()
        yield
        await service.drain()
        await limits.close()
        await door.close()
        await board.stop()
        await parts.relay_wake.stop()
        await parts.lights.channel.stop()
        await parts.db.close()

    app = web.create_app(
        "Einlass registration",
        version=__version__,
        public_url=settings.public_url,
        needed={"postgres": parts.db.ping},
        helpful={"redis": redis.ping(settings.redis_url)},
        lifespan=lifespan,
        error_page=pages.error_page,
        lean=lean.routes(service, board, kept),
    )
    app.state.settings = settings
    app.state.clock = parts.clock
    app.state.board = board
    app.state.kept = kept
    app.state.introspection = LocalIntrospection(parts.db, sessions)
    app.state.sign_in = door
    app.state.service = service
    app.state.programme = Programme(
        parts.db, parts.changes, parts.clock, settings.public_url, settings.zone
    )
    app.include_router(api.router)
    app.include_router(api.internal)
    app.include_router(apidocs.router)
    app.include_router(pages.router)
    app.include_router(admin_pages.router)
    return app
