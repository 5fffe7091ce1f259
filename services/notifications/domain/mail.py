"""A mail as the ledger keeps it.

Invariant: `MailContent` holds all that rendering needs, as it was when the mail was due; a mail
that is sent days later, or sent again, says the same as the first time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.contracts.envelope import Person
from services.contracts.notifications import MailKind
from services.contracts.registration import Day, EventDetails

MailStatus = Literal["pending", "sending", "sent", "failed"]


class MailContent(BaseModel):
    """What a mail is made of.

    `holds_place`: the person has (or, in a cancellation, had) seats and not a place in line; only
    then an entry stands in their calendar. `position`: place in line, from 1. `changes`: fields
    of `event` that differ from before. `former_days`: the days before the change. `reason`: why
    the event is called off.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event: EventDetails
    person: Person
    seats: int
    holds_place: bool
    position: int | None = None
    changes: tuple[str, ...] = ()
    former_days: tuple[Day, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the ledger with its content.

    `version` is the registration's revision or, for mails about a change of the event, the
    event's version. `sequence` orders the mails of one registration, see `sequence_of`.
    """

    id: UUID
    kind: MailKind
    registration_id: UUID
    version: int
    sequence: int
    created_at: datetime
    content: MailContent


def sequence_of(event_version: int, revision: int) -> int:
    """The place of a mail among those of its registration, from 1, and the iCalendar SEQUENCE.

    Whatever is told to a person follows a change of the event (its version rises) or of the
    registration (its revision rises), and neither ever falls. So their sum rises with every
    mail, as RFC 5545, 3.8.7.4 asks of SEQUENCE. The database adds them the same way.
    """
    return event_version + revision - 1
