"""`waitlist.v1`: what the line wishes. Registration decides whether it comes true."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from services.contracts.envelope import Message, Seats, Wire


class PromotedData(Wire):
    registration_id: UUID
    seats: Seats


class SeatsReleasedData(Wire):
    """Held seats that nobody in line takes."""

    seats: Seats


class Promoted(Message):
    """The next in line shall have held seats."""

    type: Literal["waitlist.promoted"] = "waitlist.promoted"
    data: PromotedData


class SeatsReleased(Message):
    """The line is empty: held seats go back to the public."""

    type: Literal["waitlist.seats_released"] = "waitlist.seats_released"
    data: SeatsReleasedData


WaitlistMessage = Annotated[Promoted | SeatsReleased, Field(discriminator="type")]
ADAPTER: TypeAdapter[WaitlistMessage] = TypeAdapter(WaitlistMessage)
