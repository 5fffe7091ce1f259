"""People who ask for the newsletter, without a page."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from services.contracts.envelope import Locale
from services.kit.db import Database
from services.notifications.subscribers import orders, service
from services.notifications.subscribers.domain.address import look
from services.notifications.subscribers.domain.model import Source, Subscriber
from services.notifications.subscribers.links import Links
from services.notifications.subscribers.repository import people

NOW: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
ORGANISATION: Final = "Stiftung Stadt und Land"


@dataclass(slots=True)
class World:
    """A database, a time, and how often somebody was told that there are mails."""

    db: Database
    links: Links
    now: datetime = NOW
    rung: list[int] = field(default_factory=list)

    async def ask(
        self,
        email: str,
        locale: Locale = "de",
        source: Source = "form",
        who: UUID | None = None,
    ) -> None:
        """Somebody asks; nothing follows yet."""
        async with self.db.at_once() as conn:
            await service.ask(conn, email, locale, source, self.now, subscriber_id=who)

    async def take(self, limit: int = service.BATCH) -> int:
        """The scheduler takes requests, once."""
        async with self.db.transaction() as conn:
            return await service.take_requests(
                conn, self.links, ORGANISATION, self.now, lambda: self.rung.append(1), limit
            )

    async def confirm(self, who: UUID, version: int = 1) -> service.Confirmed:
        """The button of the page that a mail leads to."""
        async with self.db.transaction() as conn:
            return await service.confirm(conn, who, version, self.now)

    async def asked(self, email: str) -> Subscriber:
        """Asks, and is asked to confirm."""
        await self.ask(email)
        await self.take()
        found = await self.find(email)
        assert found is not None
        return found

    async def subscribed(self, email: str) -> Subscriber:
        """Asks and confirms."""
        who = await self.asked(email)
        return (await self.confirm(who.id, who.version)).subscriber

    async def suppress(self, **wish: Any) -> bool:
        """Puts an address on the list."""
        async with self.db.transaction() as conn:
            return await service.suppress(conn, now=self.now, **wish)

    async def bring(self, text: str) -> orders.Report:
        """Imports a file."""
        return await orders.import_file(
            self.db, text, locale="de", by="ada", why="from before", now=self.now
        )

    async def find(self, email: str) -> Subscriber | None:
        """Who has the address."""
        address = look(email)
        assert address is not None
        async with self.db.read() as conn:
            return await people.of_address(conn, address.digest)

    async def status(self, email: str) -> str:
        """What has become of them."""
        found = await self.find(email)
        return found.status if found is not None else "unknown"

    async def mails(self) -> list[tuple[UUID, int, str]]:
        """Whom the ledger has a mail for, with the version and the address."""
        return [
            tuple(row)
            for row in await self.rows(
                "SELECT subscriber_id, version, content ->> 'email' FROM mail ORDER BY id"
            )
        ]

    async def kinds(self, who: UUID) -> list[str]:
        """The journal of somebody."""
        async with self.db.read() as conn:
            return [record.kind for record in await people.journal(conn, who)]

    async def rows(self, statement: str) -> list[Any]:
        """What a query finds."""
        async with self.db.read() as conn:
            return list((await conn.execute(sa.text(statement))).all())
