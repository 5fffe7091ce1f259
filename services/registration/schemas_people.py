"""The JSON API's documents of people: signing up, and where a registration stands."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from services.contracts.envelope import Locale
from services.kit.text import kept
from services.registration.domain.form import SignUp
from services.registration.repository.registrations import Status
from services.registration.schemas import Slug, Strict
from services.registration.service import SignedUp
from services.registration.standing import MOVED_UP_DAYS, Standing


class SignUpIn(Strict):
    """A sign-up. `locale` is the language of the mails. `also`: slugs of other events of the same
    series; the first of all that has a place counts, and where none has, one waits for all.
    `newsletter`: asks for the newsletter too; a mail then asks to confirm the address."""

    name: Annotated[str, Field(max_length=1000), AfterValidator(kept)]
    email: Annotated[str, Field(max_length=1000), AfterValidator(kept)]
    seats: int = Field(default=1, ge=1, le=1000)
    answers: dict[str, Any] = Field(default_factory=dict)
    terms_accepted: bool = False
    locale: Locale = "de"
    also: Annotated[tuple[Slug, ...], Field(max_length=10)] = ()
    newsletter: bool = False

    def form(self) -> SignUp:
        """The sign-up of the domain, not yet checked."""
        return SignUp(
            self.name,
            self.email,
            self.seats,
            self.answers,
            self.terms_accepted,
            self.locale,
            self.also,
            self.newsletter,
        )


class SignedUpOut(BaseModel):
    """The answer to a sign-up for `event`. `position` in line, from 1, only where one waits;
    whoever has `manage_url` may act for the person."""

    id: UUID
    event: str
    status: Literal["confirmed", "waitlisted"]
    seats: int
    position: int | None = None
    manage_url: str

    @classmethod
    def of(cls, done: SignedUp) -> "SignedUpOut":
        """The document of an answer."""
        return SignedUpOut.model_construct(
            id=done.id,
            event=done.event,
            status=done.status,
            seats=done.seats,
            position=done.position,
            manage_url=done.manage_url,
        )


class OfferOut(BaseModel):
    """A place that may be accepted: `seats` of the `party` that was asked for."""

    seats: int
    party: int
    until: datetime


class MovedUpOut(BaseModel):
    """`seats` that have gone to people from the line in the last `days`. It promises nothing."""

    seats: int
    days: int


class OtherOut(BaseModel):
    """Another event that the same person waits for at once: who gets a place there leaves here."""

    event: str = Field(description="slug of the event")
    status: Status
    position: int | None = None


class StandingOut(BaseModel):
    """Where a registration stands. `position` in line, from 1, and `moved_up` only where one
    waits; `offer` only where a place may be accepted. `others`: further events that the same
    person waits for, of which the first that has a place counts."""

    id: UUID
    status: Status
    seats: int
    position: int | None = None
    moved_up: MovedUpOut | None = None
    offer: OfferOut | None = None
    others: list[OtherOut] | None = None
    event: str = Field(description="slug of the event")
    may_cancel: bool

    @classmethod
    def of(cls, found: Standing) -> "StandingOut":
        """The document of a standing."""
        waits = found.status == "waitlisted"
        return cls(
            id=found.id,
            status=found.status,
            seats=found.seats,
            position=found.position,
            moved_up=MovedUpOut(seats=found.moved_up, days=MOVED_UP_DAYS) if waits else None,
            offer=found.offer
            and OfferOut(seats=found.offer.seats, party=found.offer.party, until=found.offer.until),
            others=[
                OtherOut(event=one.event.slug, status=one.status, position=one.position)
                for one in found.others
            ]
            or None,
            event=found.event.slug,
            may_cancel=found.may_cancel,
        )


class PartyIn(Strict):
    """The size of the party from now on."""

    seats: Annotated[int, Field(ge=1, le=1000)]
