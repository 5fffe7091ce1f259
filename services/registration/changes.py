"""Writing what was decided: counters, light, messages, and after the commit the notice.

Invariant: the counters of an event and the messages that tell of their change are written
together, and `seq` of the one is the last `seq` of the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import after_commit
from services.registration.domain.event import Event
from services.registration.domain.seats import Freed, Line, Seats
from services.registration.lights import Lights
from services.registration.messages import Speaker
from services.registration.repository import outcome
from services.registration.repository.outcome import Outcome
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked


@dataclass(slots=True)
class Turn:
    """One event's part of a transaction: as it was `locked`, with the settings that hold from now
    on, its counters as they become, and what is said of it."""

    locked: Locked
    seats: Seats
    speaker: Speaker

    @property
    def event(self) -> Event:
        """The event as it is locked."""
        return self.locked.event

    @property
    def line(self) -> Line:
        """What counting must know of the event's waiting list."""
        return self.locked.event.line(self.speaker.now)

    def free(self, freed: Freed) -> None:
        """Takes over counters, and says which seats were put aside for the line."""
        self.seats = freed.seats
        self.speaker.freed(freed.freed)


def begin(locked: Mapping[UUID, Locked], now: datetime) -> dict[UUID, Turn]:
    """The turns of locked events, with nothing decided yet."""
    return {
        event_id: Turn(one, one.seats, Speaker(event_id, one.seats.seq, now))
        for event_id, one in locked.items()
    }


@dataclass(frozen=True, slots=True)
class Changes:
    """The one way in which counters change."""

    lights: Lights

    async def save(
        self, conn: AsyncConnection, turns: Iterable[Turn], new: Sequence[Registration] = ()
    ) -> dict[UUID, Locked]:
        """Writes the events whose counters or lights differ, what is said of them, and new
        registrations; all are locked by this transaction. The events as they are then."""
        what = _outcome(turns, new)
        self._tell(conn, what, await outcome.write(conn, what))
        return {**what.before, **what.after}

    async def guess(
        self, conn: AsyncConnection, turns: Iterable[Turn], new: Sequence[Registration]
    ) -> dict[UUID, Locked]:
        """The same in one transaction of its own, for events that are not locked: of those that
        are still as they are taken for, unless one of the new is there already. The events that
        were written."""
        what = _outcome(turns, new)
        lit = await outcome.guess(conn, what)
        self._tell(conn, what, lit)
        return {event_id: what.after[event_id] for event_id in lit}

    def _tell(self, conn: AsyncConnection, what: Outcome, lit: Mapping[UUID, datetime]) -> None:
        """Has the lights that have changed told of after the commit."""
        for event_id, at in lit.items():
            now = what.after[event_id]
            if now.light != what.before[event_id].light:
                after_commit(conn, partial(self.lights.changed, now.event.slug, now.light, at))


def _outcome(turns: Iterable[Turn], new: Sequence[Registration]) -> Outcome:
    before: dict[UUID, Locked] = {}
    changed: dict[UUID, Locked] = {}
    said: list[tuple[UUID, bytes]] = []
    for turn in turns:
        event_id = turn.locked.event.id
        before[event_id] = turn.locked
        if turn.seats.seq != turn.speaker.seq:
            raise AssertionError("the messages and the counters number differently")
        after = turn.locked.after(turn.seats, turn.speaker.now)
        if after != turn.locked:
            changed[event_id] = after
        said += turn.speaker.said
    return Outcome(before, changed, said, new)
