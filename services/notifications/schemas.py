"""What the API of notifications answers. It names registrations, never persons."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from services.contracts.notifications import MailKind
from services.notifications.domain.mail import MailStatus
from services.notifications.repository.ledger import LedgerRow
from services.notifications.service import LedgerPage


class MailView(BaseModel):
    """One mail of the ledger."""

    id: UUID
    kind: MailKind
    registration_id: UUID
    version: Annotated[
        int,
        Field(
            ge=1,
            description="The registration's revision or, for a mail about the event, the event's "
            "version that it tells of.",
        ),
    ]
    event_id: UUID
    event: Annotated[str, Field(description="The event's slug.")]
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
