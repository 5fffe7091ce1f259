"""In which steps a batch of messages is taken.

Invariant: the plan keeps the order of the messages wherever it matters: what becomes of the
registrations is gathered into one step only between two messages about events, because a mail
about an event goes to those who are signed up at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.contracts.notifications import MailKind
from services.contracts.registration import (
    EventCalledOff,
    EventChanged,
    EventDetails,
    EventPublished,
    OfferEnded,
    PartyReduced,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationOffered,
    RegistrationWaitlisted,
    SeatsFreed,
    StillWanted,
)
from services.notifications.domain.standing import AboutSomebody


@dataclass(frozen=True, slots=True)
class Registrations:
    """What becomes of registrations, in order; one of them may come more than once."""

    messages: tuple[AboutSomebody, ...]


@dataclass(frozen=True, slots=True)
class EventStep:
    """An event's new details since the moment `at` and, where `announce` names a mail, whom it
    goes to: everybody who has a place, is offered one or waits for one."""

    event_id: UUID
    event: EventDetails
    at: datetime
    announce: MailKind | None = None
    changes: tuple[str, ...] = ()
    reason: str | None = None


Step = Registrations | EventStep


def plan(messages: Sequence[RegistrationMessage]) -> list[Step]:
    """The steps to take, in order. Pure: the same messages give the same steps."""
    steps: list[Step] = []
    gathered: list[AboutSomebody] = []
    for message in messages:
        # The most frequent first: that an object is not of a model's class takes a while to say.
        match message:
            case RegistrationConfirmed() | RegistrationWaitlisted() | RegistrationCancelled():
                gathered.append(message)
            case SeatsFreed() | StillWanted():
                pass
            case RegistrationOffered() | OfferEnded() | PartyReduced():
                gathered.append(message)
            case EventPublished() | EventChanged() | EventCalledOff():
                if gathered:
                    steps.append(Registrations(tuple(gathered)))
                    gathered = []
                steps.append(_event(message))
    if gathered:
        steps.append(Registrations(tuple(gathered)))
    return steps


def _event(message: EventPublished | EventChanged | EventCalledOff) -> EventStep:
    of = (message.event_id, message.data.event, message.occurred_at)
    match message:
        case EventChanged(data=data) if data.announce:
            return EventStep(*of, "event_changed", changes=data.changes)
        case EventCalledOff(data=data):
            return EventStep(*of, "event_called_off", reason=data.reason)
        case _:
            return EventStep(*of)
