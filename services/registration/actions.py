"""What people do about their own registrations, of any events, many in one transaction.

Invariants:
- The events are locked in the order of their ids before anything is read that counts.
- Accepting an offer and its running out are decided here, once, under the lock: before
  `offered_until` it can be accepted, from then on it cannot, whoever comes first.
- Each action done twice changes nothing the second time, so an attempt whose commit was not
  answered is simply made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.kit import tokens
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import EinlassError, NotFound
from services.registration.changes import Changes, Turn, begin
from services.registration.domain import seats as rules
from services.registration.domain.errors import (
    CancellationClosed,
    NothingOffered,
    NotInLine,
    OfferExpired,
    PartyFixed,
    PartyNotSmaller,
)
from services.registration.domain.event import Event
from services.registration.messages import Links
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration

What = Literal["cancel", "accept", "decline", "reduce", "still_wanted", "run_out"]


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody with this token wants this. `seats`: the size of the party from now on, for
    `reduce`. Only the clock needs no token: it has offers `run_out`."""

    registration_id: UUID
    what: What
    token: str | None = None
    seats: int = 0


Outcome = tuple[Registration, Event] | EinlassError


@dataclass(slots=True)
class _Batch:
    turns: dict[UUID, Turn]
    people: dict[UUID, Registration]
    bundles: dict[UUID, list[UUID]]
    changed: dict[UUID, None] = field(default_factory=dict)

    def put(self, who: Registration) -> Registration:
        now = replace(who, revision=who.revision + 1)
        self.people[who.id] = now
        self.changed[who.id] = None
        return now


@dataclass(frozen=True, slots=True)
class Actions:
    """Decides batches; `run` is what kit.groupcommit calls."""

    db: Database
    clock: Clock
    links: Links
    changes: Changes

    async def run(self, items: Sequence[Action], *, again: bool, alone: bool) -> Sequence[Outcome]:
        """For each action the registration as it is then with its event, or why not; in order."""
        ids = [item.registration_id for item in items]
        async with self.db.transaction() as conn:
            known = await registrations.by_ids(conn, ids)
            bundles = {one.bundle for one in known.values() if one.bundle is not None}
            others = await registrations.bundled(conn, sorted(bundles))
            events = {one.event_id for one in (*known.values(), *others)}
            locked = await counters.lock_many(conn, sorted(events))
            people = await registrations.by_ids(conn, [*ids, *(one.id for one in others)])
            now = self.clock.now()
            of: dict[UUID, list[UUID]] = {}
            for one in others:
                if one.bundle is not None:
                    of.setdefault(one.bundle, []).append(one.id)
            batch = _Batch(begin(locked, now), people, of)
            outcomes = [self._act(batch, item, now) for item in items]
            await registrations.save(conn, [people[one] for one in batch.changed], now)
            await self.changes.save(conn, batch.turns.values())
        return outcomes

    def _act(self, batch: _Batch, item: Action, now: datetime) -> Outcome:
        who = batch.people.get(item.registration_id)
        if who is None:
            return NotFound()
        if item.what != "run_out" and not tokens.matches(item.token or "", who.token_digest):
            return NotFound()
        turn = batch.turns[who.event_id]
        try:
            match item.what:
                case "cancel":
                    who = self._cancel(batch, turn, who, now)
                case "accept":
                    who = self._accept(batch, turn, who, now)
                case "decline":
                    who = self._decline(batch, turn, who)
                case "run_out":
                    who = self._run_out(batch, turn, who, now)
                case "reduce":
                    who = self._reduce(batch, turn, who, item.seats, now)
                case "still_wanted":
                    who = self._still_wanted(batch, turn, who, now)
        except EinlassError as error:
            return error
        return who, turn.event

    def _cancel(self, batch: _Batch, turn: Turn, who: Registration, now: datetime) -> Registration:
        """Gives the place back, or leaves the line; with it those of the other events that the
        person waits for at once."""
        if not who.active:
            return who
        if not may_leave(who, turn.event, now):
            raise CancellationClosed
        if who.status == "offered":
            return self._end_offer(batch, turn, who, "declined", lost=True)
        if who.status == "waitlisted":
            for one in batch.bundles.get(who.bundle, ()) if who.bundle else (who.id,):
                self._leave(batch, batch.people[one])
            return batch.people[who.id]
        gone = batch.put(replace(who, status="cancelled"))
        freed = rules.cancel(turn.seats, who.seats, turn.line)
        turn.speaker.cancelled(gone, "confirmed", self.links.person(gone))
        turn.free(freed)
        return gone

    def _leave(self, batch: _Batch, who: Registration) -> None:
        if who.status != "waitlisted":
            return
        turn = batch.turns[who.event_id]
        turn.seats = rules.leave(turn.seats, who.seats)
        gone = batch.put(replace(who, status="cancelled"))
        turn.speaker.cancelled(gone, "waitlisted", self.links.person(gone))

    def _accept(self, batch: _Batch, turn: Turn, who: Registration, now: datetime) -> Registration:
        if who.status == "confirmed" and who.via == "waitlist":
            return who
        if who.status == "expired":
            raise OfferExpired
        if who.status != "offered" or turn.event.status != "published":
            raise NothingOffered
        assert who.offered_seats is not None
        assert who.offered_until is not None
        if now >= who.offered_until:
            raise OfferExpired
        turn.seats = rules.accept(turn.seats, who.offered_seats)
        taken = batch.put(
            replace(
                _settled(who),
                status="confirmed",
                via="waitlist",
                seats=who.offered_seats,
                moved_up_at=now,
            )
        )
        turn.speaker.confirmed(taken, "waitlist", self.links.person(taken))
        return taken

    def _decline(self, batch: _Batch, turn: Turn, who: Registration) -> Registration:
        """Out of the line; or, where only a part was offered, on in the same place."""
        if who.status in ("cancelled", "waitlisted"):
            return who
        if who.status != "offered":
            raise NothingOffered
        return self._end_offer(batch, turn, who, "declined")

    def _run_out(self, batch: _Batch, turn: Turn, who: Registration, now: datetime) -> Registration:
        if who.status != "offered" or who.offered_until is None or now < who.offered_until:
            return who
        return self._end_offer(batch, turn, who, "expired")

    def _end_offer(
        self,
        batch: _Batch,
        turn: Turn,
        who: Registration,
        reason: Literal["declined", "expired"],
        *,
        lost: bool = False,
    ) -> Registration:
        """Ends an offer; its seats go to the next in line, or to the public. Where the line is
        over there is no place to go back to."""
        assert who.offered_seats is not None
        seats, then = who.offered_seats, _settled(who)
        place: Literal["lost", "kept", "end"] = "lost"
        if not lost and not turn.line.over:
            if reason == "declined" and seats < who.seats:
                place = "kept"
            elif reason == "expired" and turn.event.waitlist.after == "end":
                place = "end"
        position = None
        if place == "lost":
            then = replace(then, status="expired" if reason == "expired" else "cancelled")
            turn.seats = replace(turn.seats, seq=turn.seats.seq + 1)
        else:
            turn.seats = rules.rejoin(turn.seats, who.seats)
            rank = who.rank if place == "kept" else turn.seats.seq
            position = turn.seats.line if place == "end" else None
            then = replace(then, status="waitlisted", rank=rank)
        now = batch.put(then)
        turn.speaker.offer_ended(now, seats, reason, place, position, self.links.person(now))
        turn.free(rules.give_back(turn.seats, seats, turn.line))
        return now

    def _reduce(
        self, batch: _Batch, turn: Turn, who: Registration, seats: int, now: datetime
    ) -> Registration:
        if who.status not in ("confirmed", "waitlisted"):
            raise PartyFixed
        if seats == who.seats:
            return who
        if not 1 <= seats < who.seats:
            raise PartyNotSmaller
        if not may_leave(who, turn.event, now):
            raise CancellationClosed
        was: Literal["confirmed", "waitlisted"] = (
            "confirmed" if who.status == "confirmed" else "waitlisted"
        )
        smaller = batch.put(replace(who, seats=seats))
        freed = rules.reduce(turn.seats, who.seats - seats, was, turn.line)
        turn.speaker.reduced(smaller, was)
        turn.free(freed)
        return smaller

    def _still_wanted(
        self, batch: _Batch, turn: Turn, who: Registration, now: datetime
    ) -> Registration:
        if who.status != "waitlisted":
            raise NotInLine
        turn.seats = replace(turn.seats, seq=turn.seats.seq + 1)
        said = replace(who, wanted_at=now)
        batch.people[who.id] = said
        batch.changed[who.id] = None
        turn.speaker.still_wanted(said)
        return said


def _settled(who: Registration) -> Registration:
    """The same without an offer."""
    return replace(who, offered_seats=None, offered_until=None)


def may_leave(who: Registration, event: Event, now: datetime) -> bool:
    """Whether somebody who is signed up may cancel; who only waits, until the event begins."""
    if who.status == "confirmed":
        return may_cancel(event, now)
    return who.active and event.status == "published" and now < event.begins


def may_cancel(event: Event, now: datetime) -> bool:
    """Whether people who have a place may still cancel by themselves."""
    return event.status == "published" and now < event.cancels
