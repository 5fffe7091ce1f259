"""What registration tells, as messages in order, for the tests of notifications."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.contracts.envelope import Locale, Person
from services.contracts.registration import (
    CancelledData,
    ConfirmedData,
    Day,
    EventCalledOff,
    EventCalledOffData,
    EventChanged,
    EventChangedData,
    EventData,
    EventDetails,
    EventPublished,
    OfferedData,
    OfferEnded,
    OfferEndedData,
    PartyReduced,
    PartyReducedData,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationOffered,
    RegistrationWaitlisted,
    SeatsFreed,
    SeatsFreedData,
    StillWanted,
    StillWantedData,
    WaitlistedData,
)
from services.kit.ids import uuid7

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=24)
"""When the offers run out."""


@dataclass
class Story:
    """One event's messages; each method tells the next one."""

    event_id: UUID = field(default_factory=uuid7)
    seq: int = 0
    details: EventDetails = field(
        default_factory=lambda: EventDetails(
            slug="stadt",
            title="Die digitale Stadt, gemeinsam",
            days=(Day(date=date(2026, 8, 28)), Day(date=date(2026, 8, 29))),
            timezone="Europe/Berlin",
            place="Rathaus, Münster",
            status="published",
            version=1,
            url="https://einlass.test/events/stadt",
        )
    )

    def published(self) -> EventPublished:
        return EventPublished(**self._next(), data=EventData(event=self.details))

    def changed(self, *, announce: bool = True, **changes: Any) -> EventChanged:
        self._change(**changes)
        data = EventChangedData(event=self.details, changes=tuple(changes), announce=announce)
        return EventChanged(**self._next(), data=data)

    def called_off(self, reason: str | None = None) -> EventCalledOff:
        self._change(status="called_off")
        return EventCalledOff(
            **self._next(), data=EventCalledOffData(event=self.details, reason=reason)
        )

    def confirmed(
        self,
        registration_id: UUID,
        revision: int = 1,
        via: Literal["direct", "waitlist"] = "direct",
        seats: int = 1,
        **person: Any,
    ) -> RegistrationConfirmed:
        data = ConfirmedData(
            registration_id=registration_id,
            revision=revision,
            seats=seats,
            via=via,
            person=someone(registration_id, **person),
        )
        return RegistrationConfirmed(**self._next(), data=data)

    def waitlisted(
        self, registration_id: UUID, position: int = 1, seats: int = 1, **person: Any
    ) -> RegistrationWaitlisted:
        data = WaitlistedData(
            registration_id=registration_id,
            revision=1,
            seats=seats,
            position=position,
            person=someone(registration_id, **person),
        )
        return RegistrationWaitlisted(**self._next(), data=data)

    def cancelled(
        self,
        registration_id: UUID,
        revision: int = 2,
        was: Any = "confirmed",
        lapsed: bool = False,
    ) -> RegistrationCancelled:
        data = CancelledData(
            registration_id=registration_id,
            revision=revision,
            seats=1,
            was=was,
            lapsed=lapsed,
            person=someone(registration_id),
        )
        return RegistrationCancelled(**self._next(), data=data)

    def offered(
        self, registration_id: UUID, revision: int = 2, seats: int = 1, party: int = 1
    ) -> RegistrationOffered:
        data = OfferedData(
            registration_id=registration_id,
            revision=revision,
            seats=seats,
            party=party,
            until=UNTIL,
            person=someone(registration_id),
        )
        return RegistrationOffered(**self._next(), data=data)

    def offer_ended(
        self,
        registration_id: UUID,
        revision: int = 3,
        seats: int = 1,
        reason: Any = "expired",
        place: Any = "lost",
        position: int | None = None,
    ) -> OfferEnded:
        data = OfferEndedData(
            registration_id=registration_id,
            revision=revision,
            seats=seats,
            reason=reason,
            place=place,
            position=position,
            person=someone(registration_id),
        )
        return OfferEnded(**self._next(), data=data)

    def reduced(
        self, registration_id: UUID, revision: int = 2, seats: int = 1, was: Any = "waitlisted"
    ) -> PartyReduced:
        data = PartyReducedData(
            registration_id=registration_id, revision=revision, seats=seats, was=was
        )
        return PartyReduced(**self._next(), data=data)

    def still_wanted(self, registration_id: UUID) -> StillWanted:
        return StillWanted(**self._next(), data=StillWantedData(registration_id=registration_id))

    def freed(self) -> SeatsFreed:
        return SeatsFreed(**self._next(), data=SeatsFreedData(seats=1))

    def _change(self, **changes: Any) -> None:
        version = self.details.version + 1
        self.details = self.details.model_copy(update={**changes, "version": version})

    def _next(self) -> dict[str, Any]:
        self.seq += 1
        return {"id": uuid7(), "event_id": self.event_id, "seq": self.seq, "occurred_at": NOW}


def someone(registration_id: UUID, locale: Locale = "de", name: str = "Ayşe Öztürk") -> Person:
    """The person of a registration."""
    return Person(
        name=name,
        email=f"{registration_id.hex}@example.org",
        locale=locale,
        manage_url=f"https://einlass.test/registrations/{registration_id}/geheim",
    )
