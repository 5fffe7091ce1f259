"""Writing what was decided: counters, light, messages, and after the commit the notice.

Invariant: the counters of an event and the messages that tell of their change are written
together, and `seq` of the one is the last `seq` of the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import after_commit
from services.registration.domain.seats import Seats
from services.registration.lights import Lights
from services.registration.messages import Speaker
from services.registration.repository import outcome
from services.registration.repository.outcome import Outcome
from services.registration.repository.registrations import Registration
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
        new: Sequence[Registration] = (),
    ) -> dict[UUID, Locked]:
        """Writes the events whose counters or lights differ, what is said of them, and new
        registrations; `before` are locked by this transaction, with the settings that hold from
        now on. The events as they are then."""
        what = _outcome(before, after, new)
        self._tell(conn, what, await outcome.write(conn, what))
        return {**before, **what.after}

    async def guess(
        self,
        conn: AsyncConnection,
        before: Mapping[UUID, Locked],
        after: Mapping[UUID, tuple[Seats, Speaker]],
        new: Sequence[Registration],
    ) -> dict[UUID, Locked]:
        """The same in one transaction of its own, for events that are not locked: of those that
        are still as `before`, unless one of the new is there already. The events that were
        written."""
        what = _outcome(before, after, new)
        lit = await outcome.guess(conn, what)
        self._tell(conn, what, lit)
        return {event_id: what.after[event_id] for event_id in lit}

    def _tell(self, conn: AsyncConnection, what: Outcome, lit: Mapping[UUID, datetime]) -> None:
        """Has the lights that have changed told of after the commit."""
        for event_id, at in lit.items():
            now = what.after[event_id]
            if now.light != what.before[event_id].light:
                after_commit(conn, partial(self.lights.changed, now.event.slug, now.light, at))


def _outcome(
    before: Mapping[UUID, Locked],
    after: Mapping[UUID, tuple[Seats, Speaker]],
    new: Sequence[Registration],
) -> Outcome:
    changed: dict[UUID, Locked] = {}
    for event_id, (seats, speaker) in after.items():
        now = before[event_id].after(replace(seats, seq=speaker.seq))
        if now != before[event_id]:
            changed[event_id] = now
    said = [message for _, speaker in after.values() for message in speaker.said]
    return Outcome(before, changed, said, new)
