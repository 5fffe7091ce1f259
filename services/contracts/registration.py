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


class LineDetails(Wire):
    """How an event's waiting list moves (docs/waitlist.md).

    `enabled`: it takes newcomers; whoever waits already goes on waiting. `promotion`: a place is
    given at once, or offered for a while. `policy`: what happens where the head's party does not
    fit; `passes`: how often an entry may be passed by smaller parties. From `ends_at` on nothing
    moves any more.
    """

    enabled: bool
    promotion: Literal["automatic", "offer"]
    policy: Literal["strict", "fill", "partial"]
    passes: Annotated[int, Field(ge=0)]
    ends_at: AwareDatetime


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
    waitlist: LineDetails | None = None


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
    """`revision` counts the changes of one registration, from 1. `newsletter`: with this sign-up
    the person asked for the newsletter."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    via: Literal["direct", "waitlist"]
    newsletter: bool = False
    person: Person


class WaitlistedData(Wire):
    """`position` is the place in line at the moment of joining, from 1. `newsletter`: with this
    sign-up the person asked for the newsletter."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    position: Annotated[int, Field(ge=1)]
    newsletter: bool = False
    person: Person


class CancelledData(Wire):
    """`lapsed`: the person waited for one of several events, and another one had a place."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    was: Literal["confirmed", "waitlisted"]
    lapsed: bool = False
    person: Person


class OfferedData(Wire):
    """`seats` are held for the person until `until`; `party` are those that were asked for,
    more than `seats` where only a part can be had."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    party: Seats
    until: AwareDatetime
    person: Person


class OfferEndedData(Wire):
    """An offer of `seats` that was not accepted. `place`: the person is out of the line
    (`lost`), waits where they waited before (`kept`), or at the `end`; then `position` is the
    place in line, from 1, and the `seq` of this message orders the line."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    reason: Literal["declined", "expired"]
    place: Literal["lost", "kept", "end"]
    position: Annotated[int, Field(ge=1)] | None = None
    person: Person


class PartyReducedData(Wire):
    """The party is `seats` from now on, fewer than before."""

    registration_id: UUID
    revision: Annotated[int, Field(ge=1)]
    seats: Seats
    was: Literal["confirmed", "waitlisted"]


class StillWantedData(Wire):
    registration_id: UUID


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


class RegistrationOffered(Message):
    """Seats are held for a person out of the line, who may accept or decline them."""

    type: Literal["registration.offered"] = "registration.offered"
    data: OfferedData


class OfferEnded(Message):
    """An offer was declined, or its time ran out."""

    type: Literal["registration.offer_ended"] = "registration.offer_ended"
    data: OfferEndedData


class PartyReduced(Message):
    """A party became smaller."""

    type: Literal["registration.party_reduced"] = "registration.party_reduced"
    data: PartyReducedData


class StillWanted(Message):
    """Somebody who waits said that they still want a place."""

    type: Literal["registration.still_wanted"] = "registration.still_wanted"
    data: StillWantedData


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
    | RegistrationOffered
    | OfferEnded
    | PartyReduced
    | StillWanted
    | SeatsFreed,
    Field(discriminator="type"),
]
ADAPTER: TypeAdapter[RegistrationMessage] = TypeAdapter(RegistrationMessage)
