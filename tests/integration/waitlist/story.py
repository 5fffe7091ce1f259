"""What registration says of one event, for tests that listen."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.contracts import registration as wire
from services.contracts.envelope import Person
from services.kit.ids import uuid7

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOMEBODY = Person(
    name="Gast", email="gast@example.org", locale="de", manage_url="https://example.org/r/1/x"
)


@dataclass
class Story:
    """What registration says of one event, in order."""

    event_id: UUID = field(default_factory=uuid7)
    messages: list[wire.RegistrationMessage] = field(default_factory=list)
    parties: list[UUID] = field(default_factory=list)

    def _envelope(self) -> dict[str, Any]:
        return {
            "id": uuid7(),
            "event_id": self.event_id,
            "seq": len(self.messages) + 1,
            "occurred_at": NOW,
        }

    def _party(self, number: int, seats: int) -> dict[str, Any]:
        return {
            "registration_id": self.parties[number - 1],
            "revision": 1,
            "seats": seats,
            "person": SOMEBODY,
        }

    def published(
        self,
        slug: str = "seminar",
        status: wire.EventStatus = "published",
        rules: wire.LineDetails | None = None,
    ) -> None:
        event = wire.EventDetails(
            slug=slug,
            title=slug.title(),
            days=(wire.Day(date=date(2026, 8, 25)),),
            timezone="Europe/Berlin",
            status=status,
            version=1,
            url=f"https://example.org/events/{slug}",
            waitlist=rules,
        )
        if status == "called_off":
            data = wire.EventCalledOffData(event=event)
            self.messages.append(wire.EventCalledOff(**self._envelope(), data=data))
        else:
            self.messages.append(
                wire.EventPublished(**self._envelope(), data=wire.EventData(event=event))
            )

    def joined(self, seats: int = 1) -> None:
        self.parties.append(uuid7())
        data = wire.WaitlistedData(
            **self._party(len(self.parties), seats), position=len(self.parties)
        )
        self.messages.append(wire.RegistrationWaitlisted(**self._envelope(), data=data))

    def cancelled(
        self, number: int, seats: int = 1, *, was_confirmed: bool = False, lapsed: bool = False
    ) -> None:
        data = wire.CancelledData(
            **self._party(number, seats),
            was="confirmed" if was_confirmed else "waitlisted",
            lapsed=lapsed,
        )
        self.messages.append(wire.RegistrationCancelled(**self._envelope(), data=data))

    def freed(self, seats: int) -> None:
        self.messages.append(
            wire.SeatsFreed(**self._envelope(), data=wire.SeatsFreedData(seats=seats))
        )

    def confirmed(self, number: int, seats: int = 1) -> None:
        data = wire.ConfirmedData(**self._party(number, seats), via="waitlist")
        self.messages.append(wire.RegistrationConfirmed(**self._envelope(), data=data))

    def offered(self, number: int, seats: int, party: int) -> None:
        data = wire.OfferedData(
            **self._party(number, seats), party=party, until=NOW + timedelta(hours=24)
        )
        self.messages.append(wire.RegistrationOffered(**self._envelope(), data=data))

    def offer_ended(
        self,
        number: int,
        seats: int,
        reason: Literal["declined", "expired"],
        place: Literal["lost", "kept", "end"],
    ) -> None:
        data = wire.OfferEndedData(
            **self._party(number, seats),
            reason=reason,
            place=place,
            position=None if place == "lost" else 1,
        )
        self.messages.append(wire.OfferEnded(**self._envelope(), data=data))

    def reduced(
        self, number: int, seats: int, was: Literal["confirmed", "waitlisted"] = "waitlisted"
    ) -> None:
        data = wire.PartyReducedData(
            registration_id=self.parties[number - 1], revision=2, seats=seats, was=was
        )
        self.messages.append(wire.PartyReduced(**self._envelope(), data=data))

    def still_wanted(self, number: int) -> None:
        data = wire.StillWantedData(registration_id=self.parties[number - 1])
        self.messages.append(wire.StillWanted(**self._envelope(), data=data))

    def confirmed_directly(self) -> None:
        data = wire.ConfirmedData(
            registration_id=uuid7(), revision=1, seats=1, person=SOMEBODY, via="direct"
        )
        self.messages.append(wire.RegistrationConfirmed(**self._envelope(), data=data))


def rules(
    policy: Literal["strict", "fill", "partial"], ends_at: datetime = NOW + timedelta(days=30)
) -> wire.LineDetails:
    """A line's rules as an event tells them."""
    return wire.LineDetails(
        enabled=True, promotion="offer", policy=policy, passes=2, ends_at=ends_at
    )


def a_line_of_offers() -> Story:
    """Offers of every kind of end, parties that change, and somebody who passes."""
    story = Story()
    story.published(rules=rules("partial"))
    for seats in (3, 2, 1, 1, 2):
        story.joined(seats)
    story.freed(2)  # a part to 1
    story.offered(1, 2, 3)
    story.offer_ended(1, 2, "declined", "kept")
    story.freed(2)  # 2 passes 1
    story.offered(2, 2, 2)
    story.offer_ended(2, 2, "expired", "end")
    story.reduced(1, 2)
    story.freed(2)  # to 1
    story.offered(1, 2, 2)
    story.confirmed(1, 2)
    story.still_wanted(5)
    story.cancelled(3, lapsed=True)
    story.freed(1)  # to 4
    story.offered(4, 1, 1)
    story.offer_ended(4, 1, "expired", "lost")
    story.freed(1)  # a part to 5
    story.offered(5, 1, 2)
    story.confirmed(5, 1)
    story.freed(4)  # to 2 at the end, and two are nobody's
    story.offered(2, 2, 2)
    story.reduced(5, 1, was="confirmed")
    return story


def a_line_of_three() -> Story:
    """Three wait, seats come free, one leaves late, and in the end nobody waits."""
    story = Story()
    story.published()
    story.confirmed_directly()
    story.joined()
    story.joined(2)
    story.joined()
    story.freed(1)  # to 1
    story.confirmed(1)
    story.freed(1)  # 2 does not fit
    story.freed(1)  # to 2
    story.cancelled(2, 2)  # who has left meanwhile
    story.freed(2)  # to 3, and one is nobody's
    story.confirmed(3)
    story.cancelled(1, was_confirmed=True)
    return story
