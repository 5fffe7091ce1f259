"""What the doctor asks: three databases and the servers, from each service's own settings.

Invariant: a setting that is missing or wrong is a finding and not a crash; its value is never
shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiosmtplib
import redis.asyncio as aioredis
from pydantic import ValidationError

from services.doctor.findings import Check, Finding
from services.kit.clock import Clock, SystemClock
from services.kit.db import Database
from services.kit.settings import Settings
from services.kit.tokens import TokenBox
from services.notifications.settings import NotificationsSettings, SmtpServer
from services.registration.settings import RegistrationSettings
from services.waitlist.settings import WaitlistSettings

MAKERS: Final[Mapping[str, Callable[[], Any]]] = {
    "registration": RegistrationSettings,
    "waitlist": WaitlistSettings,
    "notifications": NotificationsSettings,
}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_SECONDS: Final = 5


@dataclass(slots=True)
class Sources:
    """Where the doctor looks; `smtp` is None where no SMTP server is set."""

    databases: Mapping[str, Database]
    urls: Mapping[str, str]
    bootstrap: str
    redis_url: str
    smtp: SmtpServer | None
    tokens: TokenBox
    public_url: str
    clock: Clock = field(default_factory=SystemClock)

    @property
    def registration(self) -> Database:
        return self.databases["registration"]

    @property
    def waitlist(self) -> Database:
        return self.databases["waitlist"]

    @property
    def notifications(self) -> Database:
        return self.databases["notifications"]

    async def close(self) -> None:
        """Closes all connections."""
        for db in self.databases.values():
            await db.close()


def read() -> tuple[Sources | None, list[Finding]]:
    """The sources that the environment names, or None where it does not, and what is wrong with
    the settings."""
    made: dict[str, Any] = {}
    wrong: list[Finding] = []
    for service, maker in MAKERS.items():
        try:
            made[service] = maker()
        except ValidationError as error:
            wrong += [_invalid(service, found) for found in error.errors(include_input=False)]
    if len(made) < len(MAKERS):
        return None, wrong
    common: Settings = made["registration"]
    smtp: SmtpServer | None = None
    try:
        smtp = made["notifications"].smtp
    except ValueError as error:
        wrong.append(Finding(Check.SETTINGS, "notifications", f"EINLASS_SMTP_URL: {error}"))
    urls = {service: settings.database_url for service, settings in made.items()}
    sources = Sources(
        databases={name: Database(url, name="doctor", pool=2) for name, url in urls.items()},
        urls=urls,
        bootstrap=common.kafka_bootstrap,
        redis_url=common.redis_url,
        smtp=smtp,
        tokens=TokenBox(common.key),
        public_url=common.public_url,
        clock=common.clock,
    )
    return sources, wrong


def _invalid(service: str, error: Any) -> Finding:
    name = "_".join(str(part) for part in error["loc"]).upper()
    shown = name if name.startswith("EINLASS_") else f"EINLASS_{name}"
    return Finding(Check.SETTINGS, service, f"{shown}: {error['msg']}", key=shown)


def address(public_url: str) -> list[Finding]:
    """What is wrong with the address that people's links begin with."""
    parts = urlsplit(public_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        words = "EINLASS_PUBLIC_URL is no address that a browser opens, so no link in a mail works"
        return [Finding(Check.SETTINGS, "public address", words)]
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        words = "EINLASS_PUBLIC_URL is http: people's secret links travel in the clear"
        advice = "serve the site by https and set the address to it"
        return [Finding(Check.SETTINGS, "public address", words, advice)]
    return []


async def unreachable(sources: Sources) -> list[Finding]:
    """The servers beside Kafka that do not answer; each is asked for 5 s at most."""
    asks: dict[str, Callable[[], Awaitable[None]]] = {
        f"PostgreSQL of {name}": db.ping for name, db in sources.databases.items()
    }
    asks["Redis"] = lambda: _ping(sources.redis_url)
    if sources.smtp is not None:
        smtp = sources.smtp
        asks["SMTP"] = lambda: _greet(smtp)
    advice = {
        "Redis": "sign-up goes on without it; lights come late and limits count per process",
        "SMTP": "mails wait and are sent once it is back",
    }
    answers = await asyncio.gather(*map(_error, asks.values()))
    return [
        Finding(Check.SERVERS, name, f"does not answer ({error})", advice.get(name, ""))
        for name, error in zip(asks, answers, strict=True)
        if error
    ]


async def _error(ask: Callable[[], Awaitable[None]]) -> str | None:
    try:
        await asyncio.wait_for(ask(), _SECONDS)
    except Exception as error:
        return type(error).__name__
    return None


async def _ping(url: str) -> None:
    async with aioredis.from_url(url, socket_connect_timeout=_SECONDS) as client:
        await client.ping()


async def _greet(server: SmtpServer) -> None:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        start_tls=False,
        timeout=_SECONDS,
    )
    await client.connect()
    await client.quit()
