"""Signing up and what follows: what people do.

Invariant: whoever is answered can rely on it: what the answer says is committed. Many people
share a transaction (kit.groupcommit); what needs no database is decided before one is asked.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol
from uuid import UUID

from services.kit import tokens
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import FieldError, Invalid, NotFound
from services.kit.groupcommit import GroupCommit
from services.kit.ids import uuid7
from services.registration import standing
from services.registration.actions import Action, Actions, What
from services.registration.board import PublicEvent
from services.registration.changes import Changes
from services.registration.domain import form
from services.registration.domain.errors import EventFull, RegistrationClosed
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.limits import Limits
from services.registration.messages import Links
from services.registration.repository import events, registrations
from services.registration.repository.registrations import Registration
from services.registration.several import Several
from services.registration.signups import Application, SignUps
from services.registration.standing import Standing

# While one batch is with PostgreSQL the next can be made ready.
PARALLEL: Final = 2
_NOT_ALSO: Final = "This is no event of the same series that takes this sign-up."


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The answer to a sign-up; `position` in line, from 1, where the person waits. `event`: slug
    of the event, which of several is the one that had a place."""

    id: UUID
    event: str
    status: Literal["confirmed", "waitlisted"]
    seats: int
    position: int | None
    manage_url: str


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
    _several: Several = field(init=False)
    _actions: GroupCommit[None, Action, tuple[Registration, Event]] = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.db, self.clock, self.links, self.changes)
        sign_ups = SignUps(*parts)
        self._sign_ups = GroupCommit("sign_up", sign_ups.run, parallel=PARALLEL)
        self._several = Several(sign_ups)
        self._actions = GroupCommit("act", Actions(*parts).run)

    async def drain(self) -> None:
        """Returns when nobody waits for an answer any more."""
        await self._sign_ups.drain()
        await self._actions.drain()

    async def sign_up(
        self, slug: str, sent: SignUp, idempotency_key: str | None, client: str
    ) -> SignedUp:
        """Signs a person up; the same key with the same form gets the same answer. Where the form
        names other events of the same series, the first of all that has a place counts, and
        where none has, the person waits for all.

        Raises NotFound, Invalid, RegistrationClosed, EventFull, AlreadyRegistered,
        IdempotencyMismatch, TooManyRequests, Busy.
        """
        shown = self.board.get(slug)
        event = await self._unseen(slug) if shown is None else shown.event
        if errors := form.check(sent, event):
            raise Invalid(errors)
        if sent.also:
            return await self._sign_up_for_one(event, sent, idempotency_key, client)
        if shown is not None and shown.state != "open" and idempotency_key is None:
            # Told from memory. With a key it may be a repeat, which gets its first answer again.
            raise EventFull if shown.state == "booked_up" else RegistrationClosed
        self.limits.check(client, slug, sent.email)
        new = self._registration(event, sent, idempotency_key)
        made = await self._sign_ups.submit(event.id, Application(new, sent, event))
        return self._signed_up(made, slug)

    async def _sign_up_for_one(
        self, event: Event, sent: SignUp, key: str | None, client: str
    ) -> SignedUp:
        events = {event.slug: event}
        errors = []
        for number, slug in enumerate(sent.also):
            shown = self.board.get(slug)
            if (
                shown is None
                or shown.event.series is None
                or shown.event.series != event.series
                or form.check(sent, shown.event)
            ):
                errors.append(FieldError(f"#/also/{number}", "not_of_the_series", _NOT_ALSO))
            else:
                events.setdefault(slug, shown.event)
        if errors:
            raise Invalid(errors)
        self.limits.check(client, event.slug, sent.email)
        made = await self._several.sign_up(
            [Application(self._registration(one, sent, key), sent, one) for one in events.values()]
        )
        slugs = {one.id: slug for slug, one in events.items()}
        return self._signed_up(made, slugs[made.event_id])

    def _signed_up(self, made: Registration, slug: str) -> SignedUp:
        assert made.first_status in ("confirmed", "waitlisted")
        return SignedUp(
            id=made.id,
            event=slug,
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
            newsletter=sent.newsletter,
        )

    async def registration(self, registration_id: UUID, token: str) -> Standing:
        """Where a registration stands. Raises NotFound for an unknown id as for a wrong token."""
        async with self.db.read() as conn:
            found = await registrations.by_id(conn, registration_id)
            if found is None or not tokens.matches(token, found.token_digest):
                raise NotFound
            return await standing.look(conn, found, self.clock.now())

    async def act(self, registration_id: UUID, token: str, what: What, seats: int = 0) -> Standing:
        """Does what a person wants about their registration (see actions.py); done twice, it does
        nothing more. Raises NotFound, Busy, and by what is wanted CancellationClosed,
        NothingOffered, OfferExpired, PartyNotSmaller, PartyFixed, NotInLine."""
        action = Action(registration_id, what, token, seats)
        found, event = await self._actions.submit(None, action)
        if found.active and found.status != "confirmed":
            return await self.registration(registration_id, token)
        return standing.stand(found, event, self.clock.now())
