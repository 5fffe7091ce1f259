"""What a batch of messages does to the projections and the ledger.

Invariant: the plan keeps the order of the messages wherever it matters: what becomes of the
registrations is gathered into one step only between two messages about events, because a mail
about an event goes to those who are signed up at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.contracts.envelope import Person
from services.contracts.notifications import MailKind
from services.contracts.registration import (
    EventCalledOff,
    EventChanged,
    EventDetails,
    EventPublished,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationWaitlisted,
    SeatsFreed,
)

ParticipantStatus = Literal["confirmed", "waitlisted", "cancelled"]


@dataclass(frozen=True, slots=True)
class RegistrationStep:
    """One registration's new state and the mail that says so."""

    kind: MailKind
    event_id: UUID
    registration_id: UUID
    status: ParticipantStatus
    revision: int
    seats: int
    holds_place: bool
    position: int | None
    person: Person


@dataclass(frozen=True, slots=True)
class Registrations:
    """New states of registrations, in order; one registration may come more than once."""

    steps: tuple[RegistrationStep, ...]


@dataclass(frozen=True, slots=True)
class EventStep:
    """An event's new details and, where `announce` names a mail, whom it goes to: everybody
    who has a place or waits for one."""

    event_id: UUID
    event: EventDetails
    announce: MailKind | None = None
    changes: tuple[str, ...] = ()
    reason: str | None = None


Step = Registrations | EventStep


def plan(messages: Sequence[RegistrationMessage]) -> list[Step]:
    """The steps to take, in order. Pure: the same messages give the same steps."""
    steps: list[Step] = []
    gathered: list[RegistrationStep] = []
    for message in messages:
        # The most frequent first: that an object is not of a model's class takes a while to say.
        match message:
            case RegistrationConfirmed() | RegistrationWaitlisted() | RegistrationCancelled():
                gathered.append(_registration(message))
            case SeatsFreed():
                pass
            case EventPublished() | EventChanged() | EventCalledOff():
                if gathered:
                    steps.append(Registrations(tuple(gathered)))
                    gathered = []
                steps.append(_event(message))
    if gathered:
        steps.append(Registrations(tuple(gathered)))
    return steps


def _event(message: EventPublished | EventChanged | EventCalledOff) -> EventStep:
    event_id, event = message.event_id, message.data.event
    match message:
        case EventChanged(data=data) if data.announce:
            return EventStep(event_id, event, "event_changed", changes=data.changes)
        case EventCalledOff(data=data):
            return EventStep(event_id, event, "event_called_off", reason=data.reason)
        case _:
            return EventStep(event_id, event)


def _registration(
    message: RegistrationConfirmed | RegistrationWaitlisted | RegistrationCancelled,
) -> RegistrationStep:
    kind: MailKind
    status: ParticipantStatus
    position: int | None = None
    match message:
        case RegistrationConfirmed(data=data):
            kind = "confirmed" if data.via == "direct" else "promoted"
            status, holds_place = "confirmed", True
        case RegistrationWaitlisted(data=data):
            kind, status, holds_place = "waitlisted", "waitlisted", False
            position = data.position
        case RegistrationCancelled(data=data):
            kind, status = "cancelled", "cancelled"
            holds_place = data.was == "confirmed"
    return RegistrationStep(
        kind=kind,
        event_id=message.event_id,
        registration_id=message.data.registration_id,
        status=status,
        revision=message.data.revision,
        seats=message.data.seats,
        holds_place=holds_place,
        position=position,
        person=message.data.person,
    )
