"""What the API of the subscribers takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.contracts.envelope import Locale
from services.notifications.subscribers.domain.files import Why
from services.notifications.subscribers.domain.model import (
    Consent,
    Kind,
    Person,
    Reason,
    Record,
    Source,
    Status,
    Subscriber,
    Suppression,
)
from services.notifications.subscribers.orders import Report

_Email = Annotated[str, StringConstraints(max_length=1000), Field(examples=["ada@example.org"])]
_Why = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
    Field(description="Why, in the operator's words; it stands in the journal for good."),
]


class SubscriptionIn(BaseModel):
    """A wish for the newsletter."""

    model_config = ConfigDict(extra="forbid")

    email: _Email
    locale: Annotated[Locale, Field(description="The language of the issues.")]


class SubscriptionOut(BaseModel):
    """The same for every address, whatever is known of it."""

    status: Annotated[
        Literal["asked"],
        Field(
            description="A mail that asks to confirm is on its way, unless the address gets the "
            "newsletter already, is suppressed, or was sent such a mail within 24 hours."
        ),
    ] = "asked"


class SubscriberSearchIn(BaseModel):
    """A search. It is a body, since an address must not stand in a log."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
        Field(description="An address or a part of one."),
    ]


class ReasonIn(BaseModel):
    """An operator's order."""

    model_config = ConfigDict(extra="forbid")

    reason: _Why


class SuppressionIn(ReasonIn):
    """An address that nothing shall be sent to."""

    email: _Email


class SubscriberView(BaseModel):
    """Somebody who gets the newsletter, asked for it, or got it once."""

    id: UUID
    email: str
    locale: Locale
    status: Annotated[Status, Field(description="Only `active` get issues.", examples=["active"])]
    source: Annotated[Source, Field(description="Where they asked.")]
    created_at: datetime
    confirmed_at: Annotated[
        datetime | None, Field(description="When they confirmed last; null: never.")
    ]
    paused_until: Annotated[
        datetime | None, Field(description="When a pause ends by itself.", examples=[None])
    ]
    ended_at: Annotated[
        datetime | None,
        Field(description="When they left or were suppressed.", examples=[None]),
    ]

    @classmethod
    def of(cls, found: Subscriber) -> "SubscriberView":
        return cls(
            id=found.id,
            email=found.email,
            locale=found.locale,
            status=found.status,
            source=found.source,
            created_at=found.created_at,
            confirmed_at=found.confirmed_at,
            paused_until=found.paused_until,
            ended_at=found.ended_at,
        )


class SubscribersView(BaseModel):
    """Part of the list, newest first."""

    subscribers: list[SubscriberView]
    next_before: Annotated[
        UUID | None, Field(description="`before` of the next part; null at the end.")
    ]


class FoundSubscribersView(BaseModel):
    """What a search found, newest first."""

    subscribers: list[SubscriberView]


class SubscriberCountsView(BaseModel):
    """How many there are of each status."""

    asked: int = 0
    active: int = 0
    paused: int = 0
    left: int = 0
    suppressed: int = 0


class ConsentView(BaseModel):
    """A consent. One by import has no wording of ours, and an operator vouches for it."""

    email: str
    locale: Locale
    source: Source
    wording_version: Annotated[str | None, Field(examples=["2026-11"])]
    wording: Annotated[
        str | None,
        Field(
            description="What they agreed to, word by word.",
            examples=["I agree that Example Foundation sends me its newsletter by e-mail."],
        ),
    ]
    asked_at: datetime | None
    confirmed_at: datetime
    by: Annotated[
        str | None, Field(description="The operator who vouches for an import.", examples=[None])
    ]

    @classmethod
    def of(cls, found: Consent) -> "ConsentView":
        return cls(
            email=found.email,
            locale=found.locale,
            source=found.source,
            wording_version=found.wording_version,
            wording=found.wording,
            asked_at=found.asked_at,
            confirmed_at=found.confirmed_at,
            by=found.by,
        )


class SubscriberRecordView(BaseModel):
    """Something that happened."""

    at: datetime
    kind: Kind
    by: Annotated[str | None, Field(description="The operator; null: the person or the system.")]
    why: str | None
    details: dict[str, Any] | None

    @classmethod
    def of(cls, found: Record) -> "SubscriberRecordView":
        details = dict(found.details) if found.details is not None else None
        return cls(at=found.at, kind=found.kind, by=found.by, why=found.why, details=details)


class SuppressionView(BaseModel):
    """An address that nothing is sent to. `email` is null where only its hash is known."""

    id: int
    reason: Reason
    at: datetime
    by: str | None
    why: str | None
    email: str | None
    subscriber_id: UUID | None

    @classmethod
    def of(cls, found: Suppression) -> "SuppressionView":
        return cls(
            id=found.id,
            reason=found.reason,
            at=found.at,
            by=found.by,
            why=found.why,
            email=found.email,
            subscriber_id=found.subscriber_id,
        )


class SuppressionsView(BaseModel):
    """Part of the suppression list, newest first."""

    suppressions: list[SuppressionView]
    next_before: Annotated[
        int | None, Field(description="`before` of the next part; null at the end.")
    ]


class EvidenceView(BaseModel):
    """All that is kept of one person: consents and what happened, oldest first."""

    subscriber: SubscriberView
    consents: list[ConsentView]
    history: list[SubscriberRecordView]
    suppression: SuppressionView | None

    @classmethod
    def of(cls, found: Person) -> "EvidenceView":
        there = found.suppression
        return cls(
            subscriber=SubscriberView.of(found.subscriber),
            consents=[ConsentView.of(one) for one in found.consents],
            history=[SubscriberRecordView.of(one) for one in found.journal],
            suppression=SuppressionView.of(there) if there is not None else None,
        )


class SkippedView(BaseModel):
    """A line of a file that was not taken."""

    line: Annotated[int, Field(ge=1, description="In the file; 1 is the heading.")]
    why: Why


class ImportView(BaseModel):
    """What an import did."""

    taken: Annotated[int, Field(ge=0, description="Subscribers now.")]
    suppressed: Annotated[int, Field(ge=0, description="Addresses put on the suppression list.")]
    skipped: Annotated[dict[Why, int], Field(description="Lines that were not taken, by why.")]
    lines: Annotated[list[SkippedView], Field(description="The first 1,000 of them.")]

    @classmethod
    def of(cls, report: Report) -> "ImportView":
        return cls(
            taken=report.taken,
            suppressed=report.suppressed,
            skipped=dict(report.skipped),
            lines=[SkippedView(line=one.number, why=one.why) for one in report.lines],
        )
