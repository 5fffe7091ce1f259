"""The newsletter's desk over a database, without a socket: an editor, a viewer, a reader, and the
scheduler."""

import base64
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import httpx
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr

from services.kit.clock import FixedClock
from services.kit.db import Database, copy
from services.kit.ids import uuid7
from services.kit.operators import Operator, Role
from services.notifications.app import create_app
from services.notifications.newsletter.domain.checks import Answer
from services.notifications.newsletter.domain.errors import ProgrammeAway
from services.notifications.newsletter.links import Links
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.programme import Event
from services.notifications.newsletter.reminders import Reminders
from services.notifications.newsletter.timer import Timer
from services.notifications.settings import NotificationsSettings
from tests.unit.newsletter.samples import EVENTS, GERMAN, SITE

NOW: Final = datetime(2027, 2, 1, 9, tzinfo=UTC)
OPERATORS: Final[dict[str, Role]] = {"vera": "viewer", "edda": "editor"}
ISSUES: Final = "/api/v1/admin/newsletter/issues"
WORDS: Final = {
    "title": "Frühling im Hof",
    "subject": "Der Hof wird grün",
    "preview": "Drei neue Kurse",
    "source": GERMAN,
}
# A PNG of 1 by 1 pixel.
PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


@dataclass
class Outside:
    """What others answer."""

    events: Sequence[Event] | None = tuple(EVENTS)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self) -> Sequence[Event]:
        if self.events is None:
            raise ProgrammeAway
        return self.events


@dataclass(frozen=True)
class FakeLinks(Links):
    """Links that answer as `outside` says."""

    outside: Outside = field(default_factory=Outside)

    async def ask(self, urls: Collection[str]) -> Mapping[str, Answer]:
        self.outside.asked += urls
        return {url: self.outside.answers.get(url, "ok") for url in urls}


@dataclass
class Newsroom:
    """`edda` is an editor, `vera` a viewer, each with token and session; `reader` is anybody."""

    app: FastAPI
    db: Database
    clock: FixedClock
    outside: Outside
    office: Office
    edda: httpx.AsyncClient
    vera: httpx.AsyncClient
    reader: httpx.AsyncClient

    @property
    def timer(self) -> Timer:
        """A scheduler of its own."""
        return Timer(self.office, Reminders(self.office), self.clock)

    async def draft(self, **words: Any) -> dict[str, Any]:
        """A whole issue in German, with its picture."""
        body = {"words": words or {"de": WORDS}}
        made = (await self.edda.post(ISSUES, json=body)).raise_for_status().json()
        path = f"{ISSUES}/{made['id']}/pictures/garten.jpg"
        (await self.edda.put(path, content=PIXEL)).raise_for_status()
        return dict(made)

    async def plan(self, issue: Mapping[str, Any], **body: Any) -> httpx.Response:
        """Gives it its date: by itself in a day."""
        if "now" not in body:
            body.setdefault("at", (self.clock.now() + timedelta(days=1)).isoformat())
        return await self.edda.put(
            f"{ISSUES}/{issue['id']}/plan", json={"version": issue["version"], **body}
        )

    async def sent(self, **body: Any) -> dict[str, Any]:
        """An issue whose sending has begun."""
        issue = await self.draft()
        (await self.plan(issue, now=True, **body)).raise_for_status()
        assert await self.timer.look() == 1
        return await self.read(issue)

    async def read(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        """How it stands."""
        return dict((await self.edda.get(f"{ISSUES}/{issue['id']}")).raise_for_status().json())

    async def log(self, issue: Mapping[str, Any]) -> list[str]:
        """What was done to it, the oldest first."""
        rows = (await self.vera.get(f"{ISSUES}/{issue['id']}/log")).raise_for_status().json()
        return [row["act"] for row in reversed(rows)]

    async def subscribe(self, *addresses: str, locale: str = "de") -> None:
        """Active subscribers."""
        columns = (
            "id", "email", "email_key", "address_hash", "locale", "status", "source",
            "created_at", "confirmed_at",
        )  # fmt: skip
        rows = [
            (uuid7(), a, a, sha256(a.encode()).digest(), locale, "active", "form", NOW, NOW)
            for a in addresses
        ]
        async with self.db.transaction() as conn:
            await copy(conn, "subscriber", columns, rows)

    async def run(self, sql: str, **values: Any) -> Any:
        """A statement, and what it gives."""
        async with self.db.transaction() as conn:
            result = await conn.execute(sa.text(sql), values)
            return result.all() if result.returns_rows else None


async def knows(token: str) -> Operator | None:
    """A token is the operator's name."""
    role = OPERATORS.get(token)
    return Operator(token, role) if role else None


def application(url: str, **changes: Any) -> FastAPI:
    """The web process of notifications."""
    given = {
        "EINLASS_NOTIFICATIONS_DATABASE_URL": url,
        "redis_url": "redis://127.0.0.1:1",
        "kafka_bootstrap": "127.0.0.1:1",
        "public_url": SITE,
        "secret_key": SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
        "organisation": "Stiftung Stadt & Land",
        "newsletter_title": "mitarbeiten",
        "rate_limits": "off",
        **changes,
    }
    app = create_app(NotificationsSettings.model_validate(given))
    app.state.introspection = app.state.sessions = knows
    return app


@asynccontextmanager
async def newsroom(url: str, db: Database, **changes: Any) -> AsyncIterator[Newsroom]:
    """The desk, opened."""
    app = application(url, **changes)
    clock, outside = FixedClock(NOW), Outside()
    app.state.clock = clock
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def client(name: str) -> httpx.AsyncClient:
        headers = {"origin": SITE, "accept-language": "de"}
        if name:
            headers |= {"cookie": f"einlass_session={name}", "authorization": f"Bearer {name}"}
        return httpx.AsyncClient(transport=transport, base_url=SITE, headers=headers)

    async with (
        app.router.lifespan_context(app),
        client("edda") as edda,
        client("vera") as vera,
        client("") as reader,
    ):
        office: Office = app.state.newsletter
        office = replace(office, programme=outside, links=FakeLinks(SITE, outside=outside), db=db)
        app.state.newsletter = office
        yield Newsroom(app, db, clock, outside, office, edda, vera, reader)
