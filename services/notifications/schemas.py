"""What the API of notifications answers. It names registrations, never persons."""

from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from services.kit.text import kept
from services.notifications.broadcasts import BroadcastPage, Order
from services.notifications.domain.broadcast import Audience
from services.notifications.domain.mail import AnyKind, MailStatus
from services.notifications.repository.broadcasts import Broadcast
from services.notifications.repository.ledger import LedgerRow
from services.notifications.service import LedgerPage

_ONE_LINE: Final = r"^[^\x00-\x1f\x7f]+$"
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_ONE_LINE),
    AfterValidator(kept),
    Field(description="Why, in the operator's words; it is kept for good."),
]


class MailView(BaseModel):
    """One mail of the ledger."""

    id: UUID
    kind: AnyKind
    registration_id: Annotated[
        UUID | None, Field(description="null of a mail to a subscriber of the newsletter.")
    ]
    version: Annotated[
        int,
        Field(
            ge=1,
            description="The registration's revision; for a mail about the event, the event's "
            "version that it tells of; else a number of its own.",
        ),
    ]
    event_id: Annotated[
        UUID | None, Field(description="null of a mail to a subscriber of the newsletter.")
    ]
    event: Annotated[
        str | None,
        Field(description="The event's slug; null of a mail to a subscriber of the newsletter."),
    ]
    status: MailStatus
    attempts: Annotated[int, Field(ge=0, description="Tries at the SMTP server.")]
    next_attempt_at: Annotated[
        datetime | None, Field(description="When it is tried next; null where it is not.")
    ]
    smtp_code: Annotated[
        int | None, Field(description="The SMTP server's last reply code, where it refused.")
    ]
    last_error: Annotated[
        str | None, Field(description="Why the last try failed; addresses are taken out.")
    ]
    message_id: Annotated[
        str | None, Field(description="The Message-ID, to look for in a mail server's log.")
    ]
    created_at: datetime
    sent_at: datetime | None
    resendable: Annotated[bool, Field(description="Whether its content is still kept.")]

    @classmethod
    def of(cls, row: LedgerRow) -> "MailView":
        return cls(
            id=row.id,
            kind=row.kind,
            registration_id=row.registration_id,
            version=row.version,
            event_id=row.event_id,
            event=row.event_slug,
            status=row.status,
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            smtp_code=row.smtp_code,
            last_error=row.last_error,
            message_id=row.message_id,
            created_at=row.created_at,
            sent_at=row.sent_at,
            resendable=row.status in ("sent", "failed") and not row.forgotten,
        )


class LedgerView(BaseModel):
    """Part of the ledger, newest first."""

    mails: list[MailView]
    next_before: Annotated[
        UUID | None, Field(description="`before` of the next part; null at the end.")
    ]

    @classmethod
    def of(cls, page: LedgerPage) -> "LedgerView":
        return cls(mails=[MailView.of(row) for row in page.rows], next_before=page.next_before)


class MessageDoc(BaseModel):
    """A mail in one language."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=150, pattern=_ONE_LINE),
        AfterValidator(kept),
        Field(description="One line; it heads the mail, too."),
    ]
    text: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000),
        AfterValidator(kept),
        Field(description="Plain text; a blank line ends a paragraph. Addresses become links."),
    ]


class TextsDoc(BaseModel):
    """The mail in each language that it is written in, one at least. People get it in their own
    language, or else in the other."""

    model_config = ConfigDict(extra="forbid")

    de: MessageDoc | None = None
    en: MessageDoc | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.de is None and self.en is None:
            raise ValueError("subject and text in one language at least")
        return self


class BroadcastIn(BaseModel):
    """What is to be written to whom."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str, Field(description="The event's slug.", max_length=200)]
    to: Annotated[
        Audience,
        Field(
            description="Whoever has a place (`confirmed`), whoever waits or is offered one "
            "(`waiting`), or both (`all`), at the moment of asking."
        ),
    ]
    texts: TextsDoc
    reason: Reason | None = None

    def order(self) -> Order:
        """The order; the same for the same body."""
        return Order(
            event=self.event,
            audience=self.to,
            texts=self.texts.model_dump(exclude_none=True),
            reason=self.reason,
            sent=self.model_dump_json().encode(),
        )


class CancellationIn(BaseModel):
    """Taking a broadcast back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = None


class BroadcastView(BaseModel):
    """A mail to all of an event, and how far it is."""

    id: UUID
    event: Annotated[str, Field(description="The event's slug.")]
    to: Audience
    texts: TextsDoc
    recipients: Annotated[
        int, Field(ge=1, description="To how many it goes; fixed when it was asked for.")
    ]
    pending: Annotated[int, Field(ge=0, description="Mails that wait or are being sent.")]
    sent: Annotated[int, Field(ge=0, description="Mails that a mail server took.")]
    failed: Annotated[int, Field(ge=0, description="Mails that were given up.")]
    withdrawn: Annotated[
        int, Field(ge=0, description="Mails that were taken back before they were sent.")
    ]
    asked_by: Annotated[str, Field(description="The operator's name.")]
    asked_at: datetime
    reason: str | None
    cancelled_by: Annotated[str | None, Field(description="Who took it back; null: nobody.")]
    cancelled_at: datetime | None
    cancel_reason: str | None

    @classmethod
    def of(cls, row: Broadcast) -> "BroadcastView":
        return cls(
            id=row.id,
            event=row.event_slug,
            to=row.audience,
            texts=TextsDoc.model_validate(row.texts),
            recipients=row.recipients,
            pending=row.pending,
            sent=row.sent,
            failed=row.failed,
            withdrawn=row.withdrawn,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            reason=row.reason,
            cancelled_by=row.cancelled_by,
            cancelled_at=row.cancelled_at,
            cancel_reason=row.cancel_reason,
        )


class BroadcastsView(BaseModel):
    """Some broadcasts, newest first."""

    broadcasts: list[BroadcastView]
    next_before: Annotated[
        UUID | None, Field(description="`before` of the next part; null at the end.")
    ]

    @classmethod
    def of(cls, page: BroadcastPage) -> "BroadcastsView":
        return cls(
            broadcasts=[BroadcastView.of(row) for row in page.broadcasts],
            next_before=page.next_before,
        )
