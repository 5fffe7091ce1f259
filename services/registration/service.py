"""Signing up, standing, cancelling: what people do.

Invariant: one transaction a call, under the lock of the event's seats, committed before the
answer. What others must learn goes into the outbox of the same transaction.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import tokens
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import EinlassError, Invalid, NotFound
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from services.registration.changes import Changes
from services.registration.domain import batch, form, seats
from services.registration.domain.errors import CancellationClosed
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.limits import Limits
from services.registration.messages import Links, Speaker
from services.registration.repository import events, registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration, Via
from services.registration.repository.seats import Locked


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


@dataclass(frozen=True, slots=True)
class Service:
    """Registration as people see it."""

    db: Database
    limits: Limits
    clock: Clock
    links: Links
    changes: Changes

    @property
    def tokens(self) -> TokenBox:
        return self.links.tokens

    async def sign_up(
        self, slug: str, sent: SignUp, idempotency_key: str | None, client: str
    ) -> SignedUp:
        """Signs a person up; the same key with the same form gets the same answer.

        Raises NotFound, Invalid, RegistrationClosed, EventFull, AlreadyRegistered,
        IdempotencyMismatch, TooManyRequests.
        """
        await self.limits.check(client, sent.email)
        async with self.db.transaction() as conn:
            locked = await counters.lock_by_slug(conn, slug)
            if locked is None or locked.event.status == "draft":
                raise NotFound
            now = self.clock.now()
            new = self._registration(locked.event, sent, idempotency_key, now)
            (outcome,) = await self._admit(conn, locked, [new], now)
        if isinstance(outcome, EinlassError):
            raise outcome
        assert outcome.first_status != "cancelled"
        return SignedUp(
            id=outcome.id,
            status=outcome.first_status,
            seats=outcome.seats,
            position=outcome.first_position,
            manage_url=self.links.manage_url(outcome),
        )

    def _registration(
        self, event: Event, sent: SignUp, idempotency_key: str | None, now: datetime
    ) -> Registration:
        """The registration that the form asks for, not yet decided. Raises Invalid."""
        if errors := form.check(sent, event):
            raise Invalid(errors)
        email = form.clean_email(sent.email)
        new_id = uuid7()
        token = self.tokens.issue(new_id)
        key = hashlib.sha256(idempotency_key.encode()).digest() if idempotency_key else None
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
            idempotency_digest=key,
            request_digest=sent.digest(),
            first_status="confirmed",
            first_position=None,
            revision=1,
            created_at=now,
            updated_at=now,
        )

    async def _admit(
        self, conn: AsyncConnection, locked: Locked, new: Sequence[Registration], now: datetime
    ) -> list[Registration | EinlassError]:
        """Decides new registrations of one locked event and writes what follows."""
        event = locked.event
        keys = [r.idempotency_digest for r in new if r.idempotency_digest]
        found = await registrations.known(conn, event.id, keys, [r.email_key for r in new])
        known = list({r.id: r for r in found}.values())
        after, outcomes = batch.decide(
            locked.seats,
            event.line,
            event.phase(now) == "open",
            [(r, r.status != "cancelled") for r in known],
            new,
        )
        speaker = Speaker(event.id, locked.seats.seq, now)
        all_known = list(known)
        answers: list[Registration | EinlassError] = []
        for outcome in outcomes:
            if isinstance(outcome, batch.Joined):
                all_known.append(self._joined(speaker, outcome))
                answers.append(all_known[-1])
            elif isinstance(outcome, batch.Repeated):
                answers.append(all_known[outcome.index])
            else:
                answers.append(outcome)
        await registrations.insert_many(conn, all_known[len(known) :])
        await self.changes.save(conn, {event.id: locked}, {event.id: (after, speaker)})
        return answers

    def _joined(self, speaker: Speaker, joined: batch.Joined[Registration]) -> Registration:
        """The registration as decided; says so."""
        seq, waits = speaker.seq + 1, joined.position is not None
        made = replace(
            joined.applicant,
            seq=seq,
            status="waitlisted" if waits else "confirmed",
            via=None if waits else "direct",
            first_status="waitlisted" if waits else "confirmed",
            first_position=joined.position,
        )
        person = self.links.person(made)
        if joined.position is None:
            speaker.confirmed(made, "direct", person)
        else:
            speaker.waitlisted(made, joined.position, person)
            speaker.freed(joined.freed)
        return made

    async def registration(self, registration_id: UUID, token: str) -> Standing:
        """Where a registration stands. Raises NotFound for an unknown id as for a wrong token."""
        async with self.db.read() as conn:
            found = await self._own(conn, registration_id, token)
            return await self._standing(conn, found, await events.by_id(conn, found.event_id))

    async def cancel(self, registration_id: UUID, token: str) -> Standing:
        """Cancels; once cancelled, does nothing more. Raises NotFound, CancellationClosed."""
        async with self.db.transaction() as conn:
            event_id = (await self._own(conn, registration_id, token)).event_id
            locked = (await counters.lock_many(conn, [event_id]))[event_id]
            # Read again: what was read before the lock may have changed.
            found = await self._own(conn, registration_id, token)
            now = self.clock.now()
            if found.status != "cancelled":
                if not _may_cancel(locked.event, now):
                    raise CancellationClosed
                await self._cancel(conn, locked, found, now)
                found = replace(found, status="cancelled", revision=found.revision + 1)
            return await self._standing(conn, found, locked.event)

    async def _cancel(
        self, conn: AsyncConnection, locked: Locked, found: Registration, now: datetime
    ) -> None:
        assert found.status != "cancelled"
        freed = seats.cancel(locked.seats, found.seats, found.status)
        speaker = Speaker(found.event_id, locked.seats.seq, now)
        speaker.cancelled(found, found.status, self.links.person(found))
        speaker.freed(freed.freed)
        await registrations.move(conn, [found.id], "cancelled", now)
        await self.changes.save(
            conn, {found.event_id: locked}, {found.event_id: (freed.seats, speaker)}
        )

    async def _own(self, conn: AsyncConnection, registration_id: UUID, token: str) -> Registration:
        found = await registrations.by_id(conn, registration_id)
        if found is None or not tokens.matches(token, found.token_digest):
            raise NotFound
        return found

    async def _standing(self, conn: AsyncConnection, found: Registration, event: Event) -> Standing:
        waits = found.status == "waitlisted"
        return Standing(
            id=found.id,
            status=found.status,
            seats=found.seats,
            position=(
                await registrations.position(conn, found.event_id, found.seq) if waits else None
            ),
            name=found.name,
            event=event,
            may_cancel=found.status != "cancelled" and _may_cancel(event, self.clock.now()),
            via=found.via,
        )


def _may_cancel(event: Event, now: datetime) -> bool:
    return event.status == "published" and now < event.cancels
