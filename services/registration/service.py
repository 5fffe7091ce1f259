"""Signing up, standing, cancelling: what people do.

Invariant: whoever is answered can rely on it: what the answer says is committed. Many people
share a transaction (kit.groupcommit); what needs no database is decided before one is asked.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import tokens
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import Invalid, NotFound
from services.kit.groupcommit import GroupCommit
from services.kit.ids import uuid7
from services.registration.board import PublicEvent
from services.registration.cancellations import Cancellations, Wish, may_cancel
from services.registration.changes import Changes
from services.registration.domain import form
from services.registration.domain.errors import EventFull, RegistrationClosed
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.limits import Limits
from services.registration.messages import Links
from services.registration.repository import events, registrations
from services.registration.repository.registrations import Registration, Via
from services.registration.signups import Application, SignUps

# While one batch is with PostgreSQL the next can be made ready.
PARALLEL: Final = 2


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The answer to a sign-up; `position` in line, from 1, where the person waits."""

    id: UUID
    status: Literal["confirmed", "waitlisted"]
    seats: int
    position: int | None
    manage_url: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a registration stands now."""

    id: UUID
    status: registrations.Status
    seats: int
    position: int | None
    name: str
    event: Event
    may_cancel: bool
    via: Via | None


class Shown(Protocol):
    """What the service must know of the board."""

    def get(self, slug: str) -> PublicEvent | None:
        """The public event with this slug, as last seen."""
        ...


@dataclass(slots=True)
class Service:
    """Registration as people see it."""

    db: Database
    board: Shown
    limits: Limits
    clock: Clock
    links: Links
    changes: Changes
    _sign_ups: GroupCommit[UUID, Application, Registration] = field(init=False)
    _cancellations: GroupCommit[None, Wish, tuple[Registration, Event]] = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.db, self.clock, self.links, self.changes)
        self._sign_ups = GroupCommit("sign_up", SignUps(*parts).run, parallel=PARALLEL)
        self._cancellations = GroupCommit("cancel", Cancellations(*parts).run)

    async def drain(self) -> None:
        """Returns when nobody waits for an answer any more."""
        await self._sign_ups.drain()
        await self._cancellations.drain()

    async def sign_up(
        self, slug: str, sent: SignUp, idempotency_key: str | None, client: str
    ) -> SignedUp:
        """Signs a person up; the same key with the same form gets the same answer.

        Raises NotFound, Invalid, RegistrationClosed, EventFull, AlreadyRegistered,
        IdempotencyMismatch, TooManyRequests, Busy.
        """
        shown = self.board.get(slug)
        event = await self._unseen(slug) if shown is None else shown.event
        if errors := form.check(sent, event):
            raise Invalid(errors)
        if shown is not None and shown.state != "open" and idempotency_key is None:
            # Told from memory. With a key it may be a repeat, which gets its first answer again.
            raise EventFull if shown.state == "booked_up" else RegistrationClosed
        self.limits.check(client, slug, sent.email)
        new = self._registration(event, sent, idempotency_key)
        made = await self._sign_ups.submit(event.id, Application(new, sent, event))
        assert made.first_status != "cancelled"
        return SignedUp(
            id=made.id,
            status=made.first_status,
            seats=made.seats,
            position=made.first_position,
            manage_url=self.links.manage_url(made),
        )

    async def _unseen(self, slug: str) -> Event:
        """An event that was published just now. Raises NotFound."""
        async with self.db.read() as conn:
            found = await events.by_slug(conn, slug)
        if found is None or found.event.status == "draft":
            raise NotFound
        return found.event

    def _registration(self, event: Event, sent: SignUp, key: str | None) -> Registration:
        """The registration that a checked form asks for, not yet decided."""
        now = self.clock.now()
        email = form.clean_email(sent.email)
        new_id = uuid7()
        token = self.links.tokens.issue(new_id)
        return Registration(
            id=new_id,
            event_id=event.id,
            seq=0,
            status="confirmed",
            via="direct",
            seats=sent.seats,
            name=form.clean_name(sent.name),
            email=email,
            email_key=form.email_key(email),
            locale=sent.locale,
            answers=sent.answers,
            terms_version=form.TERMS_VERSION,
            terms_agreed_at=now,
            token_digest=token.digest,
            token_sealed=token.sealed,
            idempotency_digest=hashlib.sha256(key.encode()).digest() if key else None,
            request_digest=sent.digest(),
            first_status="confirmed",
            first_position=None,
            revision=1,
            created_at=now,
            updated_at=now,
            manage_url=self.links.url(new_id, token.clear),
        )

    async def registration(self, registration_id: UUID, token: str) -> Standing:
        """Where a registration stands. Raises NotFound for an unknown id as for a wrong token."""
        async with self.db.read() as conn:
            found = await registrations.by_id(conn, registration_id)
            if found is None or not tokens.matches(token, found.token_digest):
                raise NotFound
            event = await events.by_id(conn, found.event_id)
            return await self._standing(conn, found, event)

    async def cancel(self, registration_id: UUID, token: str) -> Standing:
        """Cancels; once cancelled, does nothing more. Raises NotFound, CancellationClosed, Busy."""
        gone, event = await self._cancellations.submit(None, Wish(registration_id, token))
        return _standing(gone, event, None, self.clock.now())

    async def _standing(self, conn: AsyncConnection, found: Registration, event: Event) -> Standing:
        position = None
        if found.status == "waitlisted":
            position = await registrations.position(conn, found.event_id, found.seq)
        return _standing(found, event, position, self.clock.now())


def _standing(found: Registration, event: Event, position: int | None, now: datetime) -> Standing:
    return Standing(
        id=found.id,
        status=found.status,
        seats=found.seats,
        position=position,
        name=found.name,
        event=event,
        may_cancel=found.status != "cancelled" and may_cancel(event, now),
        via=found.via,
    )
