"""The pages and the API of the subscribers over a database, without a socket."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.kit.clock import FixedClock
from services.kit.operators import Operator, Role
from services.notifications.app import create_app
from services.notifications.settings import NotificationsSettings
from services.notifications.subscribers.links import Links
from tests.integration.subscribers.people import NOW, ORGANISATION, World

PUBLIC: Final = "https://einlass.example.org"
OPERATORS: Final[dict[str, Role]] = {"vera": "viewer", "edgar": "editor", "ada": "admin"}


async def knows(token: str) -> Operator | None:
    """A token is the operator's name."""
    role = OPERATORS.get(token)
    return Operator(token, role) if role else None


def application(url: str, **changes: Any) -> FastAPI:
    """The web process of notifications; in its eyes it is NOW."""
    given = {
        "EINLASS_NOTIFICATIONS_DATABASE_URL": url,
        "redis_url": "redis://127.0.0.1:1",
        "kafka_bootstrap": "127.0.0.1:1",
        "public_url": PUBLIC,
        "secret_key": SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
        "organisation": ORGANISATION,
        "rate_limits": "off",
        **changes,
    }
    app = create_app(NotificationsSettings.model_validate(given))
    app.state.introspection = app.state.sessions = knows
    app.state.clock = FixedClock(NOW)
    return app


@dataclass(slots=True)
class Site:
    """Somebody's browser at the pages, and operators'."""

    app: FastAPI
    world: World
    browser: httpx.AsyncClient
    program: httpx.AsyncClient
    desks: dict[str, httpx.AsyncClient]

    @property
    def links(self) -> Links:
        """The installation's."""
        return self.world.links

    def own(self, who: UUID, generation: int = 1) -> str:
        """The path of somebody's own page."""
        return urlsplit(self.links.own(who, generation)).path

    def confirm(self, who: UUID, version: int = 1) -> str:
        """The path that a mail leads to."""
        return urlsplit(self.links.confirm(who, version)).path

    def advance(self, **by: Any) -> None:
        """Moves the time on, for pages and rules alike."""
        self.app.state.clock.advance(timedelta(**by))
        self.world.now += timedelta(**by)


@asynccontextmanager
async def opened(app: FastAPI, world: World) -> AsyncIterator[Site]:
    """A browser that sends forms as browsers do, a mail program that sends no header of a
    browser's, and the desks of OPERATORS, who bring a token too."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    ours = {"origin": PUBLIC, "accept-language": "en"}
    clients = {
        name: httpx.AsyncClient(
            transport=transport,
            base_url=PUBLIC,
            headers={
                **ours,
                "cookie": f"einlass_session={name}",
                "authorization": f"Bearer {name}",
            },
        )
        for name in OPERATORS
    }
    browser = httpx.AsyncClient(transport=transport, base_url=PUBLIC, headers=ours)
    program = httpx.AsyncClient(transport=transport, base_url=PUBLIC)
    async with app.router.lifespan_context(app):
        yield Site(app, world, browser, program, clients)
    for client in (browser, program, *clients.values()):
        await client.aclose()
