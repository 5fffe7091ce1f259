"""The messages of `registration.v1`, made from what is decided.

Invariant: every message of an event takes the next `seq` of its locked counters.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.contracts import registration as wire
from services.contracts.envelope import Message, Person
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from services.registration.domain.event import Event
from services.registration.repository.registrations import Registration, Via


@dataclass(slots=True)
class Speaker:
    """Collects the messages of one event, in order. `seq` is the last number given."""

    event_id: UUID
    seq: int
    now: datetime
    said: list[Message] = field(default_factory=list)

    def say(self, kind: type[Message], data: Any) -> None:
        """The next message."""
        self.seq += 1
        self.said.append(
            kind(
                id=uuid7(),
                event_id=self.event_id,
                seq=self.seq,
                occurred_at=self.now,
                data=data,
            )
        )

    def confirmed(self, who: Registration, via: Via, person: Person) -> None:
        """Says that a person has a place."""
        data = wire.ConfirmedData(
            registration_id=who.id, revision=who.revision, seats=who.seats, via=via, person=person
        )
        self.say(wire.RegistrationConfirmed, data)

    def waitlisted(self, who: Registration, position: int, person: Person) -> None:
        """Says that a person joined the line."""
        data = wire.WaitlistedData(
            registration_id=who.id,
            revision=who.revision,
            seats=who.seats,
            position=position,
            person=person,
        )
        self.say(wire.RegistrationWaitlisted, data)

    def cancelled(
        self, who: Registration, was: Literal["confirmed", "waitlisted"], person: Person
    ) -> None:
        """Says that a person gave the place back or left the line; `who` as it was before."""
        data = wire.CancelledData(
            registration_id=who.id,
            revision=who.revision + 1,
            seats=who.seats,
            was=was,
            person=person,
        )
        self.say(wire.RegistrationCancelled, data)

    def freed(self, seats: int) -> None:
        """Says that seats are held for the line, if any are."""
        if seats:
            self.say(wire.SeatsFreed, wire.SeatsFreedData(seats=seats))


def event_url(public_url: str, event: Event) -> str:
    """The event's public page."""
    return f"{public_url}/events/{event.slug}"


def details(event: Event, public_url: str) -> wire.EventDetails:
    """What other services may know of an event."""
    return wire.EventDetails(
        slug=event.slug,
        title=event.title,
        summary=event.summary,
        days=tuple(
            wire.Day(date=d.date, starts_at=d.starts_at, ends_at=d.ends_at) for d in event.days
        ),
        timezone=event.timezone,
        place=event.place,
        contact=event.contact,
        cancel_until=event.cancels,
        status="called_off" if event.status == "called_off" else "published",
        version=event.version,
        url=event_url(public_url, event),
    )


@dataclass(frozen=True, slots=True)
class Links:
    """Opens the sealed tokens to make people's own links."""

    tokens: TokenBox
    public_url: str

    def manage_url(self, of: Registration) -> str:
        """The person's own page; whoever has the link may act for the person."""
        token = self.tokens.open(of.token_sealed, of.id)
        return f"{self.public_url}/registrations/{of.id}/{token}"

    def person(self, of: Registration) -> Person:
        """The block with personal data."""
        return Person(
            name=of.name, email=of.email, locale=of.locale, manage_url=self.manage_url(of)
        )
