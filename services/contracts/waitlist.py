"""`waitlist.v1`: what the line wishes. Registration decides whether it comes true."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from services.contracts.envelope import Message, Seats, Wire


class PromotedData(Wire):
    """`seats`: those of the party, or fewer where only a part can be had."""

    registration_id: UUID
    seats: Seats


class SeatsReleasedData(Wire):
    """Held seats that nobody in line takes."""

    seats: Seats


class PlaceMovedData(Wire):
    """Lines are in the order of `rank`; at first it is the `seq` of the entry."""

    registration_id: UUID
    rank: int


class Promoted(Message):
    """The next in line shall have held seats: given or offered, as the event's settings say."""

    type: Literal["waitlist.promoted"] = "waitlist.promoted"
    data: PromotedData


class SeatsReleased(Message):
    """Nobody takes them, or the line moves no more: held seats go back to the public."""

    type: Literal["waitlist.seats_released"] = "waitlist.seats_released"
    data: SeatsReleasedData


class PlaceMoved(Message):
    """An operator has given an entry another place in line."""

    type: Literal["waitlist.place_moved"] = "waitlist.place_moved"
    data: PlaceMovedData


WaitlistMessage = Annotated[Promoted | SeatsReleased | PlaceMoved, Field(discriminator="type")]
ADAPTER: TypeAdapter[WaitlistMessage] = TypeAdapter(WaitlistMessage)
