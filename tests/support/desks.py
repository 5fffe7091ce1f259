"""Operators at the waitlist's pages, without a socket."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any, Final

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.kit.operators import Operator, Role
from services.waitlist.app import create_app
from services.waitlist.settings import WaitlistSettings

PUBLIC: Final = "https://einlass.example.org"
OPERATORS: Final[dict[str, Role]] = {"vera": "viewer", "edgar": "editor", "ada": "admin"}


async def sessions(token: str) -> Operator | None:
    """A session's token is the operator's name."""
    role = OPERATORS.get(token)
    return Operator(token, role) if role else None


def application(database_url: str, **changes: Any) -> FastAPI:
    """The waitlist's web process over a database; it knows OPERATORS."""
    given = {
        "EINLASS_WAITLIST_DATABASE_URL": database_url,
        "redis_url": "redis://127.0.0.1:1",
        "kafka_bootstrap": "127.0.0.1:1",
        "public_url": PUBLIC,
        "secret_key": SecretStr("A" * 43 + "="),
        "organisation": "Stiftung Stadt und Land",
        **changes,
    }
    app = create_app(WaitlistSettings.model_validate(given))
    app.state.sessions = sessions
    return app


@asynccontextmanager
async def clients(app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A browser for each of OPERATORS, and one of nobody under ""."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    opened = {}
    for name in ("", *OPERATORS):
        headers = {"origin": PUBLIC, "accept-language": "en"}
        if name:
            headers["cookie"] = f"einlass_session={name}"
        opened[name] = httpx.AsyncClient(transport=transport, base_url=PUBLIC, headers=headers)
    async with app.router.lifespan_context(app):
        yield opened
    for client in opened.values():
        await client.aclose()


def text_of(html: str) -> str:
    """What a page says: its main part without tags, every white space one blank."""
    main = html.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())
