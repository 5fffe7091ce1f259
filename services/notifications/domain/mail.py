"""A mail as the ledger keeps it.

Invariant: `MailContent` holds all that rendering needs, as it was when the mail was due; a mail
that is sent days later, or sent again, says the same as the first time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.contracts.envelope import Locale, Person
from services.contracts.notifications import MailKind
from services.contracts.registration import Day, EventDetails
from services.notifications.domain.broadcast import Words

SubscriberKind = Literal["newsletter_confirm"]
"""Of a mail to a subscriber of the newsletter: to confirm the address."""
AnyKind = Literal[MailKind, SubscriberKind]
MailStatus = Literal["pending", "sending", "sent", "failed", "withdrawn"]


class Priority(IntEnum):
    """Which of the mails that are due goes first; the lower number does.

    TURN: somebody's turn has come, and they may have to change their plans. ANSWER: what
    somebody did is answered. NEWS: all of an event are told something.
    """

    TURN = 0
    ANSWER = 1
    NEWS = 2


_PRIORITIES: Final[dict[AnyKind, Priority]] = {
    "confirmed": Priority.ANSWER,
    "waitlisted": Priority.ANSWER,
    "promoted": Priority.TURN,
    "cancelled": Priority.ANSWER,
    "offered": Priority.TURN,
    "offer_ended": Priority.ANSWER,
    "event_changed": Priority.NEWS,
    "event_called_off": Priority.NEWS,
    "message": Priority.NEWS,
    "reminder": Priority.NEWS,
    "newsletter_confirm": Priority.ANSWER,
}


class Offer(BaseModel):
    """Seats that are held out of the line until somebody has answered, or were.

    `seats` of the `party` that was asked for; fewer where only a part could be had. `until`: from
    then on it cannot be accepted. `end`: what became of it, None while it stands. `place`: where
    the person is in line after an offer that was not accepted (contracts: OfferEndedData).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    seats: int
    party: int
    until: AwareDatetime
    end: Literal["accepted", "declined", "expired"] | None = None
    place: Literal["lost", "kept", "end"] | None = None


class MailContent(BaseModel):
    """What a mail is made of.

    `seats`: those that the person has, or asked for. `holds_place`: they have (or, in a
    cancellation, had) them and not a place in line; only then an entry stands in their calendar.
    `position`: place in line, from 1. `offer`: the one that the mail is about or that stands
    meanwhile. `changes`: fields of `event` that differ from before. `former_days`: the days
    before the change. `reason`: why the event is called off. `texts`: what an operator wrote.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event: EventDetails
    person: Person
    seats: int
    holds_place: bool
    position: int | None = None
    offer: Offer | None = None
    changes: tuple[str, ...] = ()
    former_days: tuple[Day, ...] = ()
    reason: str | None = None
    texts: Mapping[Locale, Words] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the ledger with its content.

    `version` is the registration's revision or, for mails about a change of the event, the
    event's version; of what an operator wrote it is the broadcast's number, and of a reminder
    the reminder's. `sequence` orders the mails of one registration, see `sequence_of`.
    """

    id: UUID
    kind: MailKind
    registration_id: UUID
    version: int
    sequence: int
    created_at: datetime
    content: MailContent


@dataclass(frozen=True, slots=True)
class SubscriberMail:
    """A mail to be written to a subscriber, who need not have signed up for anything. `version`
    rises with each mail of a kind to one subscriber. `confirm_url` opens a page with a button
    and works until `valid_until`; it is a secret of whoever reads that mailbox."""

    kind: SubscriberKind
    subscriber_id: UUID
    version: int
    email: str
    locale: Locale
    confirm_url: str
    valid_until: datetime


class SubscriberContent(BaseModel):
    """What a mail to a subscriber is made of. Nothing of it but the address was typed by whoever
    asked for it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    email: str
    locale: Locale
    confirm_url: str
    valid_until: AwareDatetime


@dataclass(frozen=True, slots=True)
class SubscriberLetter:
    """A row of the ledger that goes to a subscriber, with its content."""

    id: UUID
    kind: SubscriberKind
    subscriber_id: UUID
    version: int
    created_at: datetime
    content: SubscriberContent


def priority_of(kind: AnyKind) -> Priority:
    """The priority of a mail of this kind. An earlier mail to the same registration takes over
    that of a later one, since it goes first."""
    return _PRIORITIES[kind]


def sequence_of(event_version: int, revision: int) -> int:
    """The place of a mail among those of its registration, from 1, and the iCalendar SEQUENCE.

    Whatever changes for a person follows a change of the event (its version rises) or of the
    registration (its revision rises), and neither ever falls. So their sum rises with every mail
    that changes a calendar, as RFC 5545, 3.8.7.4 asks of SEQUENCE. A mail that changes nothing
    has that of the mail before. The database adds them the same way.
    """
    return event_version + revision - 1
