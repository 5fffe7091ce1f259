"""Writing what was decided: counters, light, messages, and after the commit the notice.

Invariant: the counters of an event and the messages that tell of their change are written
together, and `seq` of the one is the last `seq` of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.topics import REGISTRATION
from services.kit import outbox
from services.kit.db import after_commit
from services.registration.domain.seats import Seats
from services.registration.lights import Lights
from services.registration.messages import Speaker
from services.registration.repository import seats as counters
from services.registration.repository.seats import Locked


@dataclass(frozen=True, slots=True)
class Changes:
    """The one way in which counters change."""

    lights: Lights

    async def save(
        self,
        conn: AsyncConnection,
        before: Mapping[UUID, Locked],
        after: Mapping[UUID, tuple[Seats, Speaker]],
    ) -> None:
        """Writes the events whose counters or lights differ; `before` are locked by this
        transaction, with the settings that hold from now on."""
        changed: dict[UUID, Locked] = {}
        for event_id, (seats, speaker) in after.items():
            now = before[event_id].after(replace(seats, seq=speaker.seq))
            if now != before[event_id]:
                changed[event_id] = now
            await outbox.add_encoded(conn, REGISTRATION, speaker.said)
        lit = await counters.save_many(conn, changed)
        for event_id, locked in changed.items():
            if locked.light != before[event_id].light:
                after_commit(
                    conn,
                    partial(self.lights.changed, locked.event.slug, locked.light, lit[event_id]),
                )
