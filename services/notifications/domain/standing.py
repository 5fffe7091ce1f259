"""How somebody stands, and which mail says so.

Invariant: pure. How a person stands follows from how they stood before and from the next
message; some messages say only what is new (a smaller party has no name in it, the end of an
offer no party), and what was known before gives the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.contracts.envelope import Person
from services.contracts.notifications import MailKind
from services.contracts.registration import (
    ConfirmedData,
    OfferedData,
    OfferEnded,
    OfferEndedData,
    PartyReduced,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationOffered,
    RegistrationWaitlisted,
)
from services.notifications.domain.errors import UnknownRegistration
from services.notifications.domain.mail import Offer

ParticipantStatus = Literal["confirmed", "waitlisted", "offered", "cancelled"]
AboutSomebody = (
    RegistrationConfirmed
    | RegistrationWaitlisted
    | RegistrationCancelled
    | RegistrationOffered
    | OfferEnded
    | PartyReduced
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands. `seats`: those they have, or the party that waits or is asked.
    `offer`: the one that stands, exactly while the status is `offered`. `confirmed_at`: since when
    they have their place, where they have one."""

    status: ParticipantStatus
    seats: int
    person: Person
    offer: Offer | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegistrationStep:
    """One registration's new standing, and the mail that says so; None where none does.

    `offer`: what the mail tells of one. `held`: the person had a place until now.
    """

    kind: MailKind | None
    event_id: UUID
    registration_id: UUID
    revision: int
    standing: Standing
    position: int | None = None
    offer: Offer | None = None
    held: bool = False

    @property
    def holds_place(self) -> bool:
        """Whether the mail is about a place that the person has, or had."""
        return self.held or self.standing.status == "confirmed"


def asks_before(message: AboutSomebody) -> bool:
    """Whether following this message takes what was known before."""
    match message:
        case RegistrationConfirmed(data=data):
            return data.via == "waitlist"
        case OfferEnded() | PartyReduced():
            return True
        case _:
            return False


def follow(
    messages: Sequence[AboutSomebody], known: Mapping[UUID, Standing]
) -> list[RegistrationStep]:
    """The steps that messages mean, in order. `known`: how those stood before of whom a message
    `asks_before`. Raises UnknownRegistration."""
    standings = dict(known)
    steps: list[RegistrationStep] = []
    for message in messages:
        step = _step(message, standings.get(message.data.registration_id))
        standings[step.registration_id] = step.standing
        steps.append(step)
    return steps


def _step(message: AboutSomebody, before: Standing | None) -> RegistrationStep:
    ids = (message.event_id, message.data.registration_id, message.data.revision)
    match message:
        case RegistrationConfirmed(data=data):
            at = message.occurred_at
            now = Standing("confirmed", data.seats, data.person, confirmed_at=at)
            if data.via == "direct":
                return RegistrationStep("confirmed", *ids, now)
            return RegistrationStep("promoted", *ids, now, offer=_accepted(data, before))
        case RegistrationWaitlisted(data=data):
            now = Standing("waitlisted", data.seats, data.person)
            return RegistrationStep("waitlisted", *ids, now, position=data.position)
        case RegistrationCancelled(data=data):
            # That another event had a place is told by the mail about that place.
            kind: MailKind | None = None if data.lapsed else "cancelled"
            now = Standing("cancelled", data.seats, data.person)
            return RegistrationStep(kind, *ids, now, held=data.was == "confirmed")
        case RegistrationOffered(data=data):
            offer = _offer(data)
            now = Standing("offered", data.party, data.person, offer)
            return RegistrationStep("offered", *ids, now, offer=offer)
        case OfferEnded(data=data):
            offer = _ended(data, before, message.occurred_at)
            status: ParticipantStatus = "cancelled" if data.place == "lost" else "waitlisted"
            now = Standing(status, offer.party, data.person)
            return RegistrationStep("offer_ended", *ids, now, data.position, offer)
        case PartyReduced(data=data):
            if before is None:
                raise UnknownRegistration
            # The person's page has said so at once.
            now = replace(before, seats=data.seats)
            return RegistrationStep(None, *ids, now)


def _offer(data: OfferedData) -> Offer:
    return Offer(seats=data.seats, party=data.party, until=data.until)


def _accepted(data: ConfirmedData, before: Standing | None) -> Offer | None:
    """The offer that led to this place; None where the place was given."""
    if before is None or before.offer is None:
        return None
    return before.offer.model_copy(update={"seats": data.seats, "end": "accepted"})


def _ended(data: OfferEndedData, before: Standing | None, at: datetime) -> Offer:
    offer = before.offer if before is not None else None
    return Offer(
        seats=data.seats,
        party=before.seats if before is not None else data.seats,
        until=offer.until if offer is not None else at,
        end=data.reason,
        place=data.place,
    )
