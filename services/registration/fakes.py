"""Registration in memory: the same rules without servers, for tests of pages and of the API.

Invariant: it decides by the rules of `domain/` that the real service has, and answers and raises
the same. It also plays the waitlist's part: freed seats go to the line at once, first in, first
out, and where the policy is `partial`, in part. An offer runs out when `run_out` is called.
Nothing is kept beyond the process, and nobody is sent anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Literal, cast
from uuid import UUID

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import FieldError, Invalid, NotFound
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox, matches
from services.registration.actions import What
from services.registration.board import Board
from services.registration.domain import form, light
from services.registration.domain import seats as rules
from services.registration.domain.errors import (
    AlreadyRegistered,
    CancellationClosed,
    EventFull,
    NothingOffered,
    NotInLine,
    OfferExpired,
    PartyFixed,
    PartyNotSmaller,
    RegistrationClosed,
)
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.domain.light import Light
from services.registration.domain.offer import offered_until
from services.registration.domain.seats import Seats
from services.registration.lights import Lights
from services.registration.repository.registrations import ACTIVE, Status, Via
from services.registration.service import SignedUp
from services.registration.standing import MOVED_UP_DAYS, Offer, Other, Standing


class MemoryBoard(Board):
    """A board that is told of events instead of reading them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(cast(Database, None), cast(Lights, None), clock)

    def put(self, event: Event, lamp: Light | None, now: datetime) -> None:
        """Shows an event with its lamp, and tells the open streams."""
        self._lamps[event.slug] = (event, lamp, now)
        self._show()

    def refresh(self) -> None:
        """Looks at the clock again."""
        self._show()


@dataclass(slots=True)
class _Counted:
    event: Event
    seats: Seats
    lamp: Light | None = None


@dataclass(slots=True)
class _Kept:
    """One registration; the list's order is the order of sign-ups."""

    id: UUID
    slug: str
    sent: SignUp
    status: Status
    via: Via | None
    seats: int
    digest: bytes
    key: str | None
    answer: SignedUp
    rank: int
    bundle: UUID | None = None
    offered: int = 0
    until: datetime | None = None
    whole: bool = False
    moved_at: datetime | None = None
    wanted_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.status in ACTIVE


@dataclass(slots=True)
class MemoryService:
    """`service.Service` in memory. `failure`, where set, is raised by the next sign-up."""

    board: MemoryBoard
    clock: Clock
    public_url: str = "http://localhost"
    failure: Exception | None = None
    _tokens: TokenBox = field(default_factory=lambda: TokenBox(bytes(32)))
    _events: dict[str, _Counted] = field(default_factory=dict)
    _kept: list[_Kept] = field(default_factory=list)
    _ranks: Iterator[int] = field(default_factory=count)

    @property
    def signed_up(self) -> list[SignUp]:
        """The forms that were taken, in order."""
        return [kept.sent for kept in self._kept]

    @property
    def answers(self) -> list[SignedUp]:
        """What they were answered."""
        return [kept.answer for kept in self._kept]

    def put(self, event: Event, counters: Seats) -> None:
        """Adds an event, or changes it and its counters."""
        self._events[event.slug] = _Counted(event, counters)
        self._count(self._events[event.slug], counters)

    async def sign_up(
        self, slug: str, sent: SignUp, idempotency_key: str | None, client: str
    ) -> SignedUp:
        """As `Service.sign_up`, of several for the first that has a place, else for the first;
        `client` counts for nothing, since there are no limits here."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        counted = self._events.get(slug)
        if counted is None or counted.event.status == "draft":
            raise NotFound
        if errors := form.check(sent, counted.event) or self._check_also(sent, counted.event):
            raise Invalid(errors)
        for kept in self._kept:
            if idempotency_key is not None and (kept.slug, kept.key) == (slug, idempotency_key):
                return kept.answer
        if counted.event.phase(self.clock.now()) != "open":
            raise RegistrationClosed
        self._refuse_twice(slug, sent)
        return self._join_one(
            [counted, *(self._events[other] for other in sent.also)], sent, idempotency_key
        )

    def _check_also(self, sent: SignUp, event: Event) -> list[FieldError]:
        there = [self._events.get(slug) for slug in sent.also]
        return [
            FieldError(f"#/also/{number}", "not_of_the_series", "This is no such event.")
            for number, other in enumerate(there)
            if other is None
            or event.series is None
            or other.event.series != event.series
            or form.check(sent, other.event)
        ]

    async def registration(self, registration_id: UUID, token: str) -> Standing:
        """As `Service.registration`."""
        return self._standing(self._own(registration_id, token))

    async def act(self, registration_id: UUID, token: str, what: What, seats: int = 0) -> Standing:
        """As `Service.act`; those who wait move up at once."""
        kept = self._own(registration_id, token)
        counted = self._events[kept.slug]
        match what:
            case "cancel" if kept.active:
                if not self._may_leave(kept, counted.event):
                    raise CancellationClosed
                self._cancel(counted, kept)
            case "accept" if kept.status != "confirmed":
                self._accept(counted, kept)
            case "decline" if kept.status not in ("cancelled", "waitlisted"):
                if kept.status != "offered":
                    raise NothingOffered
                self._end_offer(counted, kept, "kept" if kept.offered < kept.seats else "lost")
            case "reduce":
                self._reduce(counted, kept, seats)
            case "still_wanted":
                if kept.status != "waitlisted":
                    raise NotInLine
                kept.wanted_at = self.clock.now()
        return self._standing(kept)

    def run_out(self) -> None:
        """Ends the offers whose time is over, as the scheduler does."""
        for kept in self._kept:
            if kept.until is not None and kept.until <= self.clock.now():
                counted = self._events[kept.slug]
                self._end_offer(counted, kept, "end", expired=True)

    def _cancel(self, counted: _Counted, kept: _Kept) -> None:
        if kept.status == "offered":
            self._end_offer(counted, kept, "lost")
        elif kept.status == "waitlisted":
            self._leave(kept)
            self._leave_others(kept)
            self._promote(counted)
        else:
            kept.status = "cancelled"
            line = counted.event.line(self.clock.now())
            self._count(counted, rules.cancel(counted.seats, kept.seats, line).seats)
            self._promote(counted)

    def _leave(self, kept: _Kept) -> None:
        counted = self._events[kept.slug]
        kept.status = "cancelled"
        self._count(counted, rules.leave(counted.seats, kept.seats))

    def _leave_others(self, kept: _Kept) -> None:
        for other in self._bundled(kept):
            if other.status == "waitlisted":
                self._leave(other)

    def _end_offer(
        self,
        counted: _Counted,
        kept: _Kept,
        place: Literal["lost", "kept", "end"],
        *,
        expired: bool = False,
    ) -> None:
        line = counted.event.line(self.clock.now())
        if line.over or (place == "end" and counted.event.waitlist.after == "out"):
            place = "lost"
        seats, kept.offered, kept.until = kept.offered, 0, None
        after = counted.seats
        if place == "lost":
            kept.status = "expired" if expired else "cancelled"
        else:
            kept.status, kept.whole = "waitlisted", kept.whole or place == "kept"
            kept.rank = kept.rank if place == "kept" else next(self._ranks)
            after = rules.rejoin(after, kept.seats)
        self._count(counted, rules.give_back(after, seats, line).seats)
        self._promote(counted)

    def _accept(self, counted: _Counted, kept: _Kept) -> None:
        if kept.status == "expired":
            raise OfferExpired
        if kept.status != "offered" or kept.until is None or counted.event.status != "published":
            raise NothingOffered
        if self.clock.now() >= kept.until:
            raise OfferExpired
        kept.status, kept.via, kept.until = "confirmed", "waitlist", None
        kept.seats, kept.offered, kept.moved_at = kept.offered, 0, self.clock.now()
        self._count(counted, rules.accept(counted.seats, kept.seats))

    def _reduce(self, counted: _Counted, kept: _Kept, party: int) -> None:
        if kept.status not in ("confirmed", "waitlisted"):
            raise PartyFixed
        if party == kept.seats:
            return
        if not 1 <= party < kept.seats:
            raise PartyNotSmaller
        if not self._may_leave(kept, counted.event):
            raise CancellationClosed
        was: Literal["confirmed", "waitlisted"] = (
            "confirmed" if kept.status == "confirmed" else "waitlisted"
        )
        line = counted.event.line(self.clock.now())
        freed = rules.reduce(counted.seats, kept.seats - party, was, line)
        kept.seats = party
        self._count(counted, freed.seats)
        self._promote(counted)

    def _refuse_twice(self, slug: str, sent: SignUp) -> None:
        key = form.email_key(form.clean_email(sent.email))
        for kept in self._kept:
            same = form.email_key(form.clean_email(kept.sent.email)) == key
            if same and kept.slug == slug and kept.active:
                raise AlreadyRegistered

    def _join_one(self, wished: list[_Counted], sent: SignUp, key: str | None) -> SignedUp:
        """The first that has a place, or a place in each line."""
        now = self.clock.now()
        decided = [
            (one, rules.sign_up(one.seats, sent.seats, one.event.line(now))) for one in wished
        ]
        for one, outcome in decided:
            if isinstance(outcome, rules.Confirmed):
                return self._join(one, outcome, sent, key, None)
        bundle = uuid7() if len(decided) > 1 else None
        answers = [
            self._join(one, outcome, sent, key, bundle)
            for one, outcome in decided
            if isinstance(outcome, rules.Waitlisted)
        ]
        if not answers:
            raise EventFull
        return answers[0]

    def _join(
        self,
        counted: _Counted,
        decided: rules.Confirmed | rules.Waitlisted,
        sent: SignUp,
        key: str | None,
        bundle: UUID | None,
    ) -> SignedUp:
        new_id = uuid7()
        token = self._tokens.issue(new_id)
        waits = isinstance(decided, rules.Waitlisted)
        answer = SignedUp(
            id=new_id,
            event=counted.event.slug,
            status="waitlisted" if waits else "confirmed",
            seats=sent.seats,
            position=decided.position if isinstance(decided, rules.Waitlisted) else None,
            manage_url=f"{self.public_url}/registrations/{new_id}/{token.clear}",
        )
        self._kept.append(
            _Kept(
                id=new_id,
                slug=counted.event.slug,
                sent=sent,
                status=answer.status,
                via=None if waits else "direct",
                seats=sent.seats,
                digest=token.digest,
                key=key,
                answer=answer,
                rank=next(self._ranks),
                bundle=bundle,
            )
        )
        self._count(counted, decided.seats)
        return answer

    def _promote(self, counted: _Counted) -> None:
        event, now = counted.event, self.clock.now()
        offers = (kept.offered for kept in self._kept if kept.slug == event.slug)
        free = counted.seats.held - sum(offers)
        line = event.line(now)
        for kept in self._line(event.slug) if not line.over else ():
            seats = min(free, kept.seats)
            if seats == 0 or (
                seats < kept.seats and (event.waitlist.policy != "partial" or kept.whole)
            ):
                break
            free -= seats
            self._leave_others(kept)
            self._seat(counted, kept, seats)
        if free and (line.over or not counted.seats.waiting):
            self._count(counted, rules.give_back(counted.seats, free, line).seats)

    def _seat(self, counted: _Counted, kept: _Kept, seats: int) -> None:
        event, now = counted.event, self.clock.now()
        until = offered_until(event.waitlist, now, event.line_ends, event.zone)
        if seats < kept.seats:
            until = until or event.line_ends
        elif event.waitlist.promotion == "automatic":
            until = None
        if until is not None:
            kept.status, kept.offered, kept.until = "offered", seats, until
            self._count(counted, rules.leave(counted.seats, kept.seats))
        else:
            kept.status, kept.via, kept.moved_at = "confirmed", "waitlist", now
            self._count(counted, rules.promote(counted.seats, kept.seats))

    def _line(self, slug: str) -> list[_Kept]:
        waits = [kept for kept in self._kept if kept.slug == slug and kept.status == "waitlisted"]
        return sorted(waits, key=lambda kept: kept.rank)

    def _bundled(self, kept: _Kept) -> list[_Kept]:
        """What else the same person waits for, or has waited for, at once."""
        if kept.bundle is None:
            return []
        return [one for one in self._kept if one.bundle == kept.bundle and one is not kept]

    def _position(self, kept: _Kept) -> int | None:
        waits = kept.status == "waitlisted"
        return self._line(kept.slug).index(kept) + 1 if waits else None

    def _moved_up(self, slug: str) -> int:
        since = self.clock.now() - timedelta(days=MOVED_UP_DAYS)
        return sum(
            kept.seats
            for kept in self._kept
            if kept.slug == slug and kept.status == "confirmed"
            if kept.moved_at is not None and kept.moved_at >= since
        )

    def _count(self, counted: _Counted, after: Seats) -> None:
        event = counted.event
        counted.seats = replace(after)
        counted.lamp = light.show(after, event.line(self.clock.now()), event.few_left, counted.lamp)
        if event.status != "draft":
            self.board.put(event, counted.lamp, self.clock.now())

    def _own(self, registration_id: UUID, token: str) -> _Kept:
        for kept in self._kept:
            if kept.id == registration_id and matches(token, kept.digest):
                return kept
        raise NotFound

    def _may_leave(self, kept: _Kept, event: Event) -> bool:
        until = event.cancels if kept.status == "confirmed" else event.begins
        return kept.active and event.status == "published" and self.clock.now() < until

    def _standing(self, kept: _Kept) -> Standing:
        event = self._events[kept.slug].event
        return Standing(
            id=kept.id,
            status=kept.status,
            seats=kept.seats,
            position=self._position(kept),
            name=form.clean_name(kept.sent.name),
            event=event,
            may_cancel=self._may_leave(kept, event),
            via=kept.via,
            moved_up=self._moved_up(kept.slug) if kept.status == "waitlisted" else 0,
            offer=Offer(kept.offered, kept.seats, kept.until) if kept.until else None,
            wanted_at=kept.wanted_at,
            others=[
                Other(self._events[one.slug].event, one.status, self._position(one))
                for one in self._bundled(kept)
            ],
        )
