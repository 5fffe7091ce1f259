"""Registration in memory: the same rules without servers, for tests of pages and of the API.

Invariant: it decides by the rules of `domain/` that the real service has, and answers and raises
the same. It also plays the waitlist's part: freed seats go to the line at once, first in, first
out. Nothing is kept beyond the process, and nobody is sent anything.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import Invalid, NotFound
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox, matches
from services.registration.board import Board
from services.registration.domain import form, light, seats
from services.registration.domain.errors import (
    AlreadyRegistered,
    CancellationClosed,
    EventFull,
    RegistrationClosed,
)
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.domain.light import Light
from services.registration.domain.seats import Seats
from services.registration.lights import Lights
from services.registration.service import SignedUp, Standing


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
    status: Literal["confirmed", "waitlisted", "cancelled"]
    via: Literal["direct", "waitlist"] | None
    digest: bytes
    key: str | None
    answer: SignedUp


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

    @property
    def signed_up(self) -> list[SignUp]:
        """The forms that were taken, in order."""
        return [kept.sent for kept in self._kept]

    def put(self, event: Event, counters: Seats) -> None:
        """Adds an event, or changes it and its counters."""
        self._events[event.slug] = _Counted(event, counters)
        self._count(self._events[event.slug], counters)

    async def sign_up(
        self, slug: str, sent: SignUp, idempotency_key: str | None, client: str
    ) -> SignedUp:
        """As `Service.sign_up`; `client` counts for nothing, since there are no limits here."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        counted = self._events.get(slug)
        if counted is None or counted.event.status == "draft":
            raise NotFound
        if errors := form.check(sent, counted.event):
            raise Invalid(errors)
        for kept in self._kept:
            if idempotency_key is not None and (kept.slug, kept.key) == (slug, idempotency_key):
                return kept.answer
        if counted.event.phase(self.clock.now()) != "open":
            raise RegistrationClosed
        self._refuse_twice(slug, sent)
        return self._join(counted, sent, idempotency_key)

    async def registration(self, registration_id: UUID, token: str) -> Standing:
        """As `Service.registration`."""
        return self._standing(self._own(registration_id, token))

    async def cancel(self, registration_id: UUID, token: str) -> Standing:
        """As `Service.cancel`; those who wait move up at once."""
        kept = self._own(registration_id, token)
        if kept.status != "cancelled":
            counted = self._events[kept.slug]
            if not self._may_cancel(counted.event):
                raise CancellationClosed
            freed = seats.cancel(counted.seats, kept.sent.seats, kept.status)
            kept.status = "cancelled"
            self._count(counted, freed.seats)
            self._promote(counted)
        return self._standing(kept)

    def _refuse_twice(self, slug: str, sent: SignUp) -> None:
        key = form.email_key(form.clean_email(sent.email))
        for kept in self._kept:
            same = form.email_key(form.clean_email(kept.sent.email)) == key
            if same and kept.slug == slug and kept.status != "cancelled":
                raise AlreadyRegistered

    def _join(self, counted: _Counted, sent: SignUp, key: str | None) -> SignedUp:
        decided = seats.sign_up(counted.seats, sent.seats, counted.event.line)
        if isinstance(decided, seats.Refused):
            raise EventFull
        new_id = uuid7()
        token = self._tokens.issue(new_id)
        waits = isinstance(decided, seats.Waitlisted)
        answer = SignedUp(
            id=new_id,
            status="waitlisted" if waits else "confirmed",
            seats=sent.seats,
            position=decided.position if isinstance(decided, seats.Waitlisted) else None,
            manage_url=f"{self.public_url}/registrations/{new_id}/{token.clear}",
        )
        self._kept.append(
            _Kept(
                id=new_id,
                slug=counted.event.slug,
                sent=sent,
                status=answer.status,
                via=None if waits else "direct",
                digest=token.digest,
                key=key,
                answer=answer,
            )
        )
        self._count(counted, decided.seats)
        return answer

    def _promote(self, counted: _Counted) -> None:
        for kept in self._line(counted.event.slug):
            if kept.sent.seats > counted.seats.held:
                break
            moved = seats.promote(counted.seats, kept.sent.seats, still_waits=True)
            kept.status, kept.via = "confirmed", "waitlist"
            self._count(counted, moved.seats)
        if counted.seats.held and not counted.seats.waiting:
            self._count(counted, seats.release(counted.seats, counted.seats.held).seats)

    def _line(self, slug: str) -> list[_Kept]:
        return [kept for kept in self._kept if kept.slug == slug and kept.status == "waitlisted"]

    def _count(self, counted: _Counted, after: Seats) -> None:
        event = counted.event
        counted.seats = replace(after)
        counted.lamp = light.show(after, event.line, event.few_left, counted.lamp)
        if event.status != "draft":
            self.board.put(event, counted.lamp, self.clock.now())

    def _own(self, registration_id: UUID, token: str) -> _Kept:
        for kept in self._kept:
            if kept.id == registration_id and matches(token, kept.digest):
                return kept
        raise NotFound

    def _may_cancel(self, event: Event) -> bool:
        return event.status == "published" and self.clock.now() < event.cancels

    def _standing(self, kept: _Kept) -> Standing:
        event = self._events[kept.slug].event
        waits = kept.status == "waitlisted"
        return Standing(
            id=kept.id,
            status=kept.status,
            seats=kept.sent.seats,
            position=self._line(kept.slug).index(kept) + 1 if waits else None,
            name=form.clean_name(kept.sent.name),
            event=event,
            may_cancel=kept.status != "cancelled" and self._may_cancel(event),
            via=kept.via,
        )
