"""`notifications.v1`: what became of the mails. It names no person and no address."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from services.contracts.envelope import Message, Wire

MailKind = Literal[
    "confirmed",
    "waitlisted",
    "promoted",
    "cancelled",
    "offered",
    "offer_ended",
    "event_changed",
    "event_called_off",
    "message",
    "reminder",
]
"""Of a mail to somebody who signed up. `message`: what an operator wrote to all of an event;
`reminder`: it begins soon."""


class MailData(Wire):
    """`attempts` counts the tries at the SMTP server, from 1."""

    mail_id: UUID
    registration_id: UUID
    kind: MailKind
    attempts: Annotated[int, Field(ge=1)]


class MailFailedData(MailData):
    """`smtp_code` is the reply code of RFC 5321, or none where no server answered."""

    smtp_code: int | None = None


class MailSent(Message):
    """An SMTP server took the mail."""

    type: Literal["mail.sent"] = "mail.sent"
    data: MailData


class MailFailed(Message):
    """The mail was given up."""

    type: Literal["mail.failed"] = "mail.failed"
    data: MailFailedData


NotificationsMessage = Annotated[MailSent | MailFailed, Field(discriminator="type")]
ADAPTER: TypeAdapter[NotificationsMessage] = TypeAdapter(NotificationsMessage)
