"""Signing up for the first of several events that has a place.

Invariants:
- All events are locked, in the order of their ids, before anything is decided: a person gets one
  place, or a place in each line, and never both.
- What waits of one person has a `bundle` in common; handlers.py takes the others out of their
  lines in the transaction in which one of them gets a place (docs/decisions/0012).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import is_infrastructure
from services.kit.errors import Busy, EinlassError
from services.kit.ids import uuid7
from services.registration.changes import Turn
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked
from services.registration.signups import Application, Part, SignUps, recheck

PAUSES: Final = (0.05, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Several:
    """Decides one person's wish at a time: it is no rush that names several events."""

    sign_ups: SignUps

    async def sign_up(self, items: Sequence[Application]) -> Registration:
        """The registration that the person got: where there is a place, in the order of `items`,
        or else in the first line. Raises Busy, and what a sign-up for the first event raises."""
        bundle = uuid7()
        for item in items:
            item.registration.bundle = bundle
        for number, pause in enumerate((*PAUSES, None)):
            try:
                return await self._once(items, again=number > 0)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                if pause is None:
                    raise Busy from error
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _once(self, items: Sequence[Application], *, again: bool) -> Registration:
        events = {item.event.id: item.event for item in items}
        async with self.sign_ups.db.transaction() as conn:
            locked = await counters.lock_known(conn, events, wait=True)
            if again:
                # The commit of an attempt before may have come through without an answer.
                ids = [item.registration.id for item in items]
                made = await registrations.by_ids(conn, ids)
                if made:
                    return next(made[one] for one in ids if one in made)
            decided = await self._decide(conn, items, locked)
            if isinstance(decided, Registration):
                return decided
            turns, joined = decided
            await self.sign_ups.changes.save(conn, turns, joined)
        return joined[0]

    async def _decide(
        self, conn: AsyncConnection, items: Sequence[Application], locked: dict[UUID, Locked]
    ) -> Registration | tuple[list[Turn], list[Registration]]:
        """The one place that is free, or all places in line; or the answer that the same request
        had before."""
        known = await registrations.known(conn, [item.registration for item in items])
        waits: list[tuple[Turn, Registration]] = []
        errors: list[EinlassError] = []
        for item in items:
            ours = locked[item.event.id]
            if (error := recheck(item, ours)) is not None:
                errors.append(error)
                continue
            part = Part(ours, new=[item.registration])
            turn, joined = self.sign_ups.decide(part, known.get(item.event.id, []))
            answer = next(part.decided)
            if isinstance(answer, EinlassError):
                errors.append(answer)
            elif not joined:
                return answer
            elif answer.first_status == "confirmed":
                answer.bundle = None
                return [turn], [answer]
            else:
                waits.append((turn, answer))
        if not waits:
            raise errors[0]
        return [turn for turn, _ in waits], [one for _, one in waits]
