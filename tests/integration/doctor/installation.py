"""The three services' rules on three databases of their own, and a courier in Kafka's place.

The courier takes rows from an outbox and hands them to the consumers of the other services, by
the consumers' own code and through their inboxes. So a test decides what has arrived and what is
still on its way, and breaks the databases by hand in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from services.contracts import registration as registration_wire
from services.contracts import topics
from services.contracts import waitlist as waitlist_wire
from services.contracts.topics import Topic
from services.doctor import command, doctor
from services.doctor.findings import Check, Finding, Verdict
from services.doctor.looking import Look
from services.doctor.repair import Mending
from services.doctor.sources import Sources
from services.kit.consumer import Consumer
from services.kit.db import Database
from services.kit.tokens import TokenBox
from services.notifications.handlers import OnRegistration as Mails
from services.notifications.settings import SmtpServer
from services.registration.schemas import EventOut
from services.registration.service import SignedUp
from services.waitlist.handlers import OnRegistration as Line
from tests.integration.registration.harness import KEY, NO_REDIS, PUBLIC_URL, House

SERVICES: Final = ("registration", "waitlist", "notifications")
NOWHERE: Final = "127.0.0.1:1"


@dataclass
class Installation:
    """All of it. `offset` numbers the records that the courier makes."""

    house: House
    sources: Sources
    offset: int = 0

    @classmethod
    def of(cls, urls: dict[str, str], bootstrap: str, redis_url: str) -> "Installation":
        """Opens the three databases."""
        sources = Sources(
            databases={name: Database(url, name="doctor", pool=4) for name, url in urls.items()},
            urls=urls,
            bootstrap=bootstrap,
            redis_url=redis_url,
            smtp=None,
            tokens=TokenBox(KEY),
            public_url=PUBLIC_URL,
        )
        return cls(House(urls["registration"], NO_REDIS), sources)

    async def close(self) -> None:
        """Closes all connections."""
        await self.house.close()
        await self.sources.close()

    async def booked_up(self, waiting: int = 2, **changes: Any) -> tuple[EventOut, list[SignedUp]]:
        """An event of 3 places that are taken, with `waiting` in line; all has arrived."""
        event = await self.house.event(**changes)
        people = [await self.house.sign_up(event, number) for number in range(3 + waiting)]
        await self.settle()
        return event, people

    async def settle(self) -> None:
        """Brings everything where it belongs, until nothing is on its way."""
        while await self.from_registration() or await self.from_waitlist():
            pass
        await self.run("notifications", "DELETE FROM outbox")

    async def from_registration(self, *, to: Sequence[str] = ("waitlist", "notifications")) -> int:
        """Brings what registration said to those services; how many messages."""
        rows = await self._take("registration")
        if "waitlist" in to:
            handler = Line(self.house.clock)
            await self._hand("waitlist", topics.REGISTRATION, handler, rows)
        if "notifications" in to:
            mails = Mails(lambda: None)
            await self._hand("notifications", topics.REGISTRATION, mails, rows)
        return len(rows)

    async def set_aside(self) -> int:
        """Has registration fail at what the waitlist said; the id of the last dead letter."""

        async def fails(_conn: Any, _messages: Any) -> None:
            raise RuntimeError("a mistake in the code")

        rows = await self._take("waitlist")
        await self._hand("registration", topics.WAITLIST, fails, rows)
        (found,) = await self.run("registration", "SELECT max(id) FROM dead_letter")
        return int(found[0])

    async def replay(self, letter: int) -> None:
        """Replays a dead letter of registration, as `einlass dead-letters replay` does."""
        handler = self.house.handler
        await self._consumer("registration", topics.WAITLIST, handler).replay(letter)

    async def from_waitlist(self) -> int:
        """Brings what the waitlist said to registration; how many messages."""
        rows = await self._take("waitlist")
        await self._hand("registration", topics.WAITLIST, self.house.handler, rows)
        return len(rows)

    async def _take(self, service: str) -> list[bytes]:
        rows = await self.run(service, "DELETE FROM outbox RETURNING id, payload")
        return [payload for _, payload in sorted(tuple(row) for row in rows)]

    async def _hand(
        self, service: str, topic: Topic, handler: Any, payloads: Sequence[bytes]
    ) -> None:
        consumer = self._consumer(service, topic, handler)
        records = []
        for payload in payloads:
            self.offset += 1
            records.append(
                SimpleNamespace(topic=topic.name, partition=0, offset=self.offset, value=payload)
            )
        if records:
            await consumer.apply(records)

    def _consumer(self, service: str, topic: Topic, handler: Any) -> Consumer[Any]:
        wire = waitlist_wire if topic is topics.WAITLIST else registration_wire
        return Consumer(
            db=self.sources.databases[service],
            bootstrap=NOWHERE,
            name=f"einlass.{service}",
            topic=topic,
            adapter=wire.ADAPTER,
            handler=handler,
        )

    async def run(self, service: str, statement: str, **values: Any) -> Sequence[Any]:
        """Runs SQL by hand, as somebody does who breaks a database; the rows, if any."""
        async with self.sources.databases[service].transaction() as conn:
            found = await conn.execute(sa.text(statement), values)
            return found.all() if found.returns_rows else []

    async def examine(self, event_id: UUID | None = None) -> tuple[Verdict, Look]:
        """What the doctor says."""
        return await doctor.examine(self.sources, event_id, patience=0.6)

    async def findings(self, event: EventOut) -> dict[Check, Finding]:
        """What the doctor says about one event, by check."""
        verdict, _ = await self.examine(event.id)
        return {one.check: one for one in verdict.findings if one.subject == event.slug}

    async def repair(self, event: EventOut) -> list[Mending]:
        """Mends as `--repair` does, bringing what is said meanwhile."""
        mended: list[Mending] = []
        for _ in range(3):
            verdict, _look = await self.examine(event.id)
            done = await command.mend(self.sources, verdict)
            await self.settle()
            if not done:
                break
            mended += done
        return mended


def nobody_at(port: int) -> SmtpServer:
    """An SMTP server that is not there."""
    return SmtpServer(host="127.0.0.1", port=port, security="plain")
