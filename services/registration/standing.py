"""Where a registration stands: what its person and the API are told.

Invariant: only reads, and tells no number of seats but the person's own, and how many have moved
up lately.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.registration.actions import may_leave
from services.registration.domain.event import Event
from services.registration.repository import events, registrations
from services.registration.repository.registrations import Registration, Status, Via

MOVED_UP_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Offer:
    """`seats` of the `party` that was asked for may be accepted `until` then."""

    seats: int
    party: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Other:
    """Another event that the same person waits for at once."""

    event: Event
    status: Status
    position: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a registration stands now. `position` in line, from 1; `moved_up`: seats that have
    gone to people from the line in the last MOVED_UP_DAYS; both only where the person waits.
    `may_reduce`: the party can become smaller."""

    id: UUID
    status: Status
    seats: int
    name: str
    event: Event
    may_cancel: bool
    via: Via | None
    position: int | None = None
    moved_up: int = 0
    offer: Offer | None = None
    wanted_at: datetime | None = None
    others: Sequence[Other] = ()

    @property
    def may_reduce(self) -> bool:
        """Whether the party can become smaller."""
        return self.may_cancel and self.seats > 1 and self.status in ("confirmed", "waitlisted")


async def look(conn: AsyncConnection, found: Registration, now: datetime) -> Standing:
    """How a registration stands."""
    event = await events.by_id(conn, found.event_id)
    others = await _others(conn, found)
    if found.status != "waitlisted":
        return stand(found, event, now, others=others)
    since = now - timedelta(days=MOVED_UP_DAYS)
    return stand(
        found,
        event,
        now,
        position=await registrations.position(conn, found.event_id, found.rank),
        moved_up=await registrations.moved_up(conn, found.event_id, since),
        others=others,
    )


async def _others(conn: AsyncConnection, found: Registration) -> list[Other]:
    if found.bundle is None:
        return []
    others = []
    for one in await registrations.bundled(conn, [found.bundle]):
        if one.id == found.id:
            continue
        position = None
        if one.status == "waitlisted":
            position = await registrations.position(conn, one.event_id, one.rank)
        others.append(Other(await events.by_id(conn, one.event_id), one.status, position))
    return sorted(others, key=lambda other: (other.event.begins, other.event.slug))


def stand(
    found: Registration,
    event: Event,
    now: datetime,
    *,
    position: int | None = None,
    moved_up: int = 0,
    others: Sequence[Other] = (),
) -> Standing:
    """The standing of a registration that was read."""
    offer = None
    if found.offered_seats is not None and found.offered_until is not None:
        offer = Offer(found.offered_seats, found.seats, found.offered_until)
    return Standing(
        id=found.id,
        status=found.status,
        seats=found.seats,
        name=found.name,
        event=event,
        may_cancel=may_leave(found, event, now),
        via=found.via,
        position=position,
        moved_up=moved_up,
        offer=offer,
        wanted_at=found.wanted_at,
        others=others,
    )
