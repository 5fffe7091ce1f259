"""The messages of `registration.v1`, made from what is decided.

Invariant: every message of an event takes the next `seq` of its locked counters.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from services.contracts import registration as wire
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from services.registration.domain.event import Event
from services.registration.repository.registrations import Registration, Via

# contracts.envelope.Person, as JSON has it.
Person = dict[str, str]


@dataclass(slots=True)
class Speaker:
    """Collects the messages of one event, in order. `seq` is the last number given.

    The messages are written as JSON at once: all in them is ours and was checked where it came
    in. tests/unit/registration/test_messages.py holds each to its model in services.contracts.
    """

    event_id: UUID
    seq: int
    now: datetime
    said: list[tuple[UUID, bytes]] = field(default_factory=list)
    _frame: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        at = orjson.dumps(self.now, option=orjson.OPT_UTC_Z).decode()
        # What each message of this event begins with.
        self._frame = (
            f'{{"id":"%s","event_id":"{self.event_id}","seq":%d,"occurred_at":{at},"version":1,'
            f'"type":"%s","data":%s}}'
        )

    def say(self, kind: str, data: dict[str, Any]) -> None:
        """The next message."""
        self.seq += 1
        message = self._frame % (uuid7(), self.seq, kind, orjson.dumps(data).decode())
        self.said.append((self.event_id, message.encode()))

    def event(
        self,
        kind: Literal["event.published", "event.changed", "event.called_off"],
        event: wire.EventDetails,
        **more: Any,
    ) -> None:
        """Says what became of the event itself."""
        self.say(kind, {"event": event.model_dump(mode="json"), **more})

    def confirmed(self, who: Registration, via: Via, person: Person) -> None:
        """Says that a person has a place."""
        about = _about(who, who.revision, person)
        self.say("registration.confirmed", {**about, "via": via, **_wish(who)})

    def waitlisted(self, who: Registration, position: int, person: Person) -> None:
        """Says that a person joined the line."""
        about = _about(who, who.revision, person)
        self.say("registration.waitlisted", {**about, "position": position, **_wish(who)})

    def cancelled(
        self,
        who: Registration,
        was: Literal["confirmed", "waitlisted"],
        person: Person,
        *,
        lapsed: bool = False,
    ) -> None:
        """Says that a person gave the place back or left the line; `who` as it is now."""
        about = _about(who, who.revision, person)
        self.say("registration.cancelled", {**about, "was": was, "lapsed": lapsed})

    def offered(self, who: Registration, person: Person) -> None:
        """Says that seats are held for a person, who may accept them."""
        assert who.offered_seats is not None
        assert who.offered_until is not None
        about = {**_about(who, who.revision, person), "seats": who.offered_seats}
        until = who.offered_until.isoformat()
        self.say("registration.offered", {**about, "party": who.seats, "until": until})

    def offer_ended(
        self,
        who: Registration,
        seats: int,
        reason: Literal["declined", "expired"],
        place: Literal["lost", "kept", "end"],
        position: int | None,
        person: Person,
    ) -> None:
        """Says that an offer of `seats` was not accepted; `who` as it is now."""
        about = {**_about(who, who.revision, person), "seats": seats}
        said = {**about, "reason": reason, "place": place, "position": position}
        self.say("registration.offer_ended", said)

    def reduced(self, who: Registration, was: Literal["confirmed", "waitlisted"]) -> None:
        """Says that a party is smaller now."""
        about = {"registration_id": str(who.id), "revision": who.revision, "seats": who.seats}
        self.say("registration.party_reduced", {**about, "was": was})

    def still_wanted(self, who: Registration) -> None:
        """Says that somebody who waits still wants a place."""
        self.say("registration.still_wanted", {"registration_id": str(who.id)})

    def freed(self, seats: int) -> None:
        """Says that seats are held for the line, if any are."""
        if seats:
            self.say("registration.seats_freed", {"seats": seats})


def _about(who: Registration, revision: int, person: Person) -> dict[str, Any]:
    return {
        "registration_id": str(who.id),
        "revision": revision,
        "seats": who.seats,
        "person": person,
    }


def _wish(who: Registration) -> dict[str, bool]:
    return {"newsletter": True} if who.newsletter else {}


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
        waitlist=wire.LineDetails(
            enabled=event.waitlist.enabled,
            promotion=event.waitlist.promotion,
            policy=event.waitlist.policy,
            passes=event.waitlist.passes,
            ends_at=event.line_ends,
        ),
    )


@dataclass(frozen=True, slots=True)
class Links:
    """Opens the sealed tokens to make people's own links."""

    tokens: TokenBox
    public_url: str

    def url(self, registration_id: UUID, token: str) -> str:
        """The person's own page; whoever has the link may act for the person."""
        return f"{self.public_url}/registrations/{registration_id}/{token}"

    def manage_url(self, of: Registration) -> str:
        """The same, once more."""
        return of.manage_url or self.url(of.id, self.tokens.open(of.token_sealed, of.id))

    def person(self, of: Registration) -> Person:
        """The block with personal data (contracts.envelope.Person)."""
        return {
            "name": of.name,
            "email": of.email,
            "locale": of.locale,
            "manage_url": self.manage_url(of),
        }
