"""One look at everything.

Invariant: the look is consistent for every event that `at_rest` names. Registration's numbers
are read before and after the waitlist's and the notifications'; an event of which registration
said and heard nothing in between, and of which each side has heard all that the other said,
cannot have changed anywhere meanwhile: the line only moves when it hears something.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from aiokafka.errors import KafkaError
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from services.doctor import broker as kafka
from services.doctor.broker import READS, Broker
from services.doctor.sources import Sources
from services.kit import audit as tables
from services.kit import migrations
from services.kit.kafka import partition_of
from services.notifications import audit as notifications
from services.notifications.audit import Seen as SeenNotifications
from services.registration import audit as registration
from services.registration.audit import Recount
from services.registration.audit import Seen as SeenRegistration
from services.waitlist import audit as waitlist
from services.waitlist.audit import Seen as SeenWaitlist

T = TypeVar("T")
_SECONDS: Final = 25.0


@dataclass(frozen=True, slots=True)
class Versions:
    """Where a database's migrations stand; `found` is None where it was never migrated."""

    found: str | None
    newest: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen; a part is None where its server did not answer, and `failed` says why.

    `positions`: by event, what registration had said and heard once all else had been read.
    """

    registration: SeenRegistration | None = None
    waitlist: SeenWaitlist | None = None
    notifications: SeenNotifications | None = None
    broker: Broker | None = None
    positions: Mapping[UUID, tuple[int, int]] = field(default_factory=dict)
    versions: Mapping[str, Versions] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def steady(self, event: Recount) -> bool:
        """Whether registration said and heard nothing of it during the look."""
        return self.positions.get(event.event.id) == self.progress(event)

    def progress(self, event: Recount) -> tuple[int, int]:
        """What registration had said and heard of an event."""
        assert self.registration is not None
        return event.row.seq, self.registration.messages.had.get(event.event.id, 0)

    def with_line(self, event: Recount) -> bool:
        """Whether nothing is on its way between registration and the line."""
        assert self.waitlist is not None
        seq, had = self.progress(event)
        line = self.waitlist.lines.get(event.event.id)
        heard = self.waitlist.messages.had.get(event.event.id, 0)
        return self.steady(event) and heard == seq and (line.seq if line else 0) == had

    def with_mails(self, event: Recount) -> bool:
        """Whether nothing is on its way from registration to notifications."""
        assert self.notifications is not None
        heard = self.notifications.messages.had.get(event.event.id, 0)
        return self.steady(event) and heard == event.row.seq

    def under_way(self, event_id: UUID, consumer: str) -> bool | None:
        """Whether messages of this event for this consumer are in an outbox or, as far as its
        partition tells, in Kafka; None where that cannot be seen."""
        speaker = self.waitlist if consumer == registration.CONSUMER else self.registration
        if self.broker is None or speaker is None or consumer not in self.broker.lags:
            return None
        if speaker.messages.outbox.get(event_id):
            return True
        count = self.broker.topics[READS[consumer].name].partitions
        return partition_of(event_id, count) in self.broker.lags[consumer].partitions


async def look(sources: Sources, event_id: UUID | None = None) -> Look:
    """Looks at everything, or at one event."""
    failed: dict[str, str] = {}

    async def seen(name: str, asking: Awaitable[T]) -> T | None:
        try:
            return await asyncio.wait_for(asking, _SECONDS)
        except (SQLAlchemyError, KafkaError, OSError, TimeoutError) as error:
            failed[name] = type(getattr(error, "orig", None) or error).__name__
            return None

    first = await seen(
        "registration", registration.look(sources.registration, sources.tokens, event_id)
    )
    line, mails = await asyncio.gather(
        seen("waitlist", waitlist.look(sources.waitlist, event_id)),
        seen("notifications", notifications.look(sources.notifications, event_id)),
    )
    after = await seen("registration", registration.positions(sources.registration))
    # The outboxes were read before Kafka's ends: what has left the one is seen in the other.
    broker = await seen("kafka", kafka.look(sources.bootstrap))
    return Look(
        registration=first,
        waitlist=line,
        notifications=mails,
        broker=broker,
        positions=after or {},
        versions=await versions(sources),
        failed=failed,
    )


async def versions(sources: Sources) -> dict[str, Versions]:
    """How far each database that answers is migrated; one that never was has no version."""
    found: dict[str, Versions] = {}
    for service, db in sources.databases.items():
        newest = _newest(service)
        try:
            async with db.read() as conn:
                found[service] = Versions(await tables.version(conn), newest)
        except DBAPIError as error:
            if not error.connection_invalidated:
                found[service] = Versions(None, newest)
        except (SQLAlchemyError, OSError, TimeoutError):
            continue
    return found


def _newest(service: str) -> str:
    scripts = ScriptDirectory.from_config(migrations.config(service, ""))
    newest = scripts.get_current_head()
    assert newest is not None
    return newest
