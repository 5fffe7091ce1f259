"""The programme: what operators do with events.

Invariant: an event and its counters change in one transaction under the lock of its seats, and
the public, the waitlist and the mails learn of it by a message of the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import problem
from services.kit.clock import Clock
from services.kit.db import Database, after_commit
from services.kit.errors import NotFound
from services.kit.ids import uuid7
from services.registration.changes import Changes, Turn, begin
from services.registration.domain import light as lights
from services.registration.domain import seats as rules
from services.registration.domain.errors import CalledOff, NotPublished, NoWayBack, SlugTaken
from services.registration.domain.event import Event
from services.registration.domain.seats import Seats
from services.registration.messages import Speaker, details
from services.registration.repository import events, registrations
from services.registration.repository import seats as counters
from services.registration.repository.events import Listed
from services.registration.schemas import EventIn, EventOut, for_operators

# What people who signed up must hear of.
ANNOUNCED: Final = frozenset({"title", "days", "timezone", "place"})
_TOLD: Final = (*ANNOUNCED, "slug", "summary", "contact", "cancel_until")


@dataclass(frozen=True, slots=True)
class Programme:
    """Events as operators see them."""

    db: Database
    changes: Changes
    clock: Clock
    public_url: str
    zone: ZoneInfo

    async def all(self) -> Sequence[EventOut]:
        """Every event with its counts, the newest first."""
        async with self.db.read() as conn:
            return [_out(found) for found in await events.all_events(conn)]

    async def one(self, slug: str) -> EventOut:
        """One event with its counts. Raises NotFound."""
        async with self.db.read() as conn:
            found = await events.by_slug(conn, slug)
        if found is None:
            raise NotFound
        return _out(found)

    async def create(self, sent: EventIn) -> EventOut:
        """A new event, at once published where its status says so. Raises SlugTaken,
        NotPublished."""
        if sent.status == "called_off":
            raise NotPublished
        event = sent.event(uuid7(), self.zone)
        empty = Seats(capacity=sent.capacity)
        light = lights.show(empty, event.line(self.clock.now()), event.few_left, None)
        try:
            async with self.db.transaction() as conn:
                await events.insert(conn, event, empty, light)
                if event.status == "published":
                    await self._publish(conn, event)
        except IntegrityError as error:
            raise SlugTaken from error
        return await self.one(event.slug)

    async def change(self, slug: str, patch: dict[str, Any], reason: str | None) -> EventOut:
        """Changes an event by a merge patch (RFC 7396), publishes it or calls it off.

        Raises NotFound, Invalid, SlugTaken, CalledOff, NoWayBack, NotPublished, and
        CapacityTooLow with `must_go`, the seats that would have to be given back first.
        """
        try:
            async with self.db.transaction() as conn:
                locked = await counters.lock_by_slug(conn, slug)
                if locked is None:
                    raise NotFound
                before = locked.event
                if before.status == "called_off":
                    raise CalledOff
                sent = _patched(for_operators(before, locked.seats, locked.light), patch)
                _check_step(before.status, sent.status)
                event = sent.event(before.id, self.zone, before.version + 1)
                await events.update(conn, event)
                await registrations.end_offers_by(conn, event.id, event.line_ends)
                speaker = Speaker(event.id, locked.seats.seq, self.clock.now())
                self._tell(speaker, before, event, reason)
                counted = replace(locked.seats, seq=speaker.seq)
                turn = Turn(replace(locked, event=event), counted, speaker)
                turn.free(rules.resize(counted, sent.capacity, turn.line))
                await self.changes.save(conn, [turn])
                after_commit(conn, self.changes.lights.reload)
        except IntegrityError as error:
            raise SlugTaken from error
        return await self.one(event.slug)

    def _tell(self, speaker: Speaker, before: Event, event: Event, reason: str | None) -> None:
        """Says what others must know of the change."""
        data = details(event, self.public_url)
        if event.status == "called_off":
            speaker.event("event.called_off", data, reason=reason)
        elif event.status == "published" and before.status == "draft":
            speaker.event("event.published", data)
        elif event.status == "published":
            former = details(before, self.public_url)
            differs = [f for f in _TOLD if getattr(before, f) != getattr(event, f)]
            if former.waitlist != data.waitlist:
                differs.append("waitlist")
            if differs:
                announce = not ANNOUNCED.isdisjoint(differs)
                speaker.event("event.changed", data, changes=differs, announce=announce)

    async def _publish(self, conn: AsyncConnection, event: Event) -> None:
        """The first message of a new event."""
        turns = begin(await counters.lock_many(conn, [event.id]), self.clock.now())
        turn = turns[event.id]
        turn.speaker.event("event.published", details(event, self.public_url))
        turn.seats = replace(turn.seats, seq=turn.speaker.seq)
        await self.changes.save(conn, turns.values())
        after_commit(conn, self.changes.lights.reload)


def _out(found: Listed) -> EventOut:
    return for_operators(found.event, found.seats, found.light)


def _merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396, 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _patched(before: EventOut, patch: dict[str, Any]) -> EventIn:
    """The whole document after the patch. Raises Invalid."""
    whole = before.model_dump(mode="json", exclude={"id", "version", "light", "counts"})
    if "few_left" in patch:
        whole.pop("few_left")
    else:
        whole["few_left"] = {k: v for k, v in whole["few_left"].items() if v is not None}
    try:
        return EventIn.model_validate(_merge(whole, patch))
    except ValidationError as error:
        raise problem.of_validation(
            [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
        ) from error


def _check_step(before: str, after: str) -> None:
    """Draft, published, called off: never back."""
    if before == after:
        return
    if after == "called_off" and before != "published":
        raise NotPublished
    if after == "draft":
        raise NoWayBack
