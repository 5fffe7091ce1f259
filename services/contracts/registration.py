"""`registration.v1`: what the arbiter of the seats has decided, and what became of the events."""

from datetime import date, time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, TypeAdapter

from services.contracts.envelope import Message, Person, Seats, Wire

EventStatus = Literal["published", "called_off"]


class Day(Wire):
    """One day of an event; times are wall-clock times in the event's `timezone`."""

    date: date
    starts_at: time | None = None
    ends_at: time | None = None


class EventDetails(Wire):
    """What other services may know of an event. It holds no number of seats.

    `version` rises with every change of the event; the iCalendar SEQUENCE of an invitation
    (RFC 5545, 3.8.7.4) is made of it and of the registration's `revision`.
    """

    slug: str
    title: str
    summary: str = ""
    days: tuple[Day, ...]
    timezone: str
    place: str | None = None
    contact: str | None = None
    cancel_until: AwareDatetime | None = None
    status: EventStatus
    version: Annotated[int, Field(ge=1)]
    url: str


class EventData(Wire):
    event: EventDetails


class EventChangedData(EventData):
    """`changes` names the fields of `event` that differ; `announce` is true where people who
    signed up must hear of it (title, days, place)."""

    changes: tuple[str, ...]
    announce: bool


class EventCalledOffData(EventData):
    reason: str | None = None


class ConfirmedData(Wire):
    """`revision` counts the changes of one registration, from 1."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    via: Literal["direct", "waitlist"]
    person: Person


class WaitlistedData(Wire):
    """`position` is the place in line at the moment of joining, from 1."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    position: Annotated[int, Field(ge=1)]
    person: Person


class CancelledData(Wire):
    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    was: Literal["confirmed", "waitlisted"]
    person: Person


class SeatsFreedData(Wire):
    """`seats` are held for the line until the waitlist promotes somebody or releases them."""

    seats: Seats


class EventPublished(Message):
    """An event is open to the public from now on."""

    type: Literal["event.published"] = "event.published"
    data: EventData


class EventChanged(Message):
    """A published event was changed."""

    type: Literal["event.changed"] = "event.changed"
    data: EventChangedData


class EventCalledOff(Message):
    """A published event does not take place."""

    type: Literal["event.called_off"] = "event.called_off"
    data: EventCalledOffData


class RegistrationConfirmed(Message):
    """A person has a place: at once, or out of the line."""

    type: Literal["registration.confirmed"] = "registration.confirmed"
    data: ConfirmedData


class RegistrationWaitlisted(Message):
    """A person joined the line; the order in line is the order of `seq`."""

    type: Literal["registration.waitlisted"] = "registration.waitlisted"
    data: WaitlistedData


class RegistrationCancelled(Message):
    """A person gave the place back, or left the line."""

    type: Literal["registration.cancelled"] = "registration.cancelled"
    data: CancelledData


class SeatsFreed(Message):
    """Seats are held for those who wait."""

    type: Literal["registration.seats_freed"] = "registration.seats_freed"
    data: SeatsFreedData


RegistrationMessage = Annotated[
    EventPublished
    | EventChanged
    | EventCalledOff
    | RegistrationConfirmed
    | RegistrationWaitlisted
    | RegistrationCancelled
    | SeatsFreed,
    Field(discriminator="type"),
]
ADAPTER: TypeAdapter[RegistrationMessage] = TypeAdapter(RegistrationMessage)
