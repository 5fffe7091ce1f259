"""What the waitlist's API answers. It names registrations, never persons."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.waitlist.domain.line import Actor, Kind, Reason
from services.waitlist.service import LedgerPage, LinePage


class EntryView(BaseModel):
    """One party that waits."""

    place: Annotated[int, Field(ge=1, description="Place in line, from 1.")]
    registration_id: UUID
    seats: Annotated[int, Field(ge=1)]
    seq: Annotated[int, Field(description="The number by which the line is ordered.")]
    joined_at: datetime


class LineView(BaseModel):
    """A line and part of its entries, from the head."""

    event_id: UUID
    slug: str | None
    title: str | None
    status: Annotated[
        Literal["published", "called_off"],
        Field(description="Of a called-off event nobody moves up."),
    ]
    free: Annotated[int, Field(ge=0, description="Seats held until the head's party fits.")]
    waiting: Annotated[int, Field(ge=0, description="Seats wanted by all who wait.")]
    length: Annotated[int, Field(ge=0, description="Parties that wait.")]
    entries: list[EntryView]
    next_after: Annotated[
        int | None, Field(description="`after` of the next part; null at the end.")
    ]

    @classmethod
    def of(cls, page: LinePage) -> "LineView":
        line = page.line
        return cls(
            event_id=line.event_id,
            slug=line.slug,
            title=line.title,
            status="published" if line.open else "called_off",
            free=line.free,
            waiting=line.waiting,
            length=line.length,
            entries=[
                EntryView(
                    place=one.place,
                    registration_id=one.entry.registration_id,
                    seats=one.entry.seats,
                    seq=one.entry.seq,
                    joined_at=one.entry.joined_at,
                )
                for one in page.places
            ],
            next_after=page.next_after,
        )


class RecordView(BaseModel):
    """One row of the ledger."""

    id: Annotated[int, Field(description="Rises in the order in which things became known.")]
    at: Annotated[datetime, Field(description="When it happened.")]
    kind: Kind
    seats: Annotated[int, Field(ge=0, description="0 where no seats moved.")]
    registration_id: UUID | None
    reason: Reason | None
    actor: Annotated[Actor, Field(description="Whose decision it was.")]


class LedgerView(BaseModel):
    """Part of a ledger, newest first."""

    records: list[RecordView]
    next_before: Annotated[
        int | None, Field(description="`before` of the next part; null at the end.")
    ]

    @classmethod
    def of(cls, page: LedgerPage) -> "LedgerView":
        return cls(
            records=[
                RecordView(
                    id=row.id,
                    at=row.record.at,
                    kind=row.record.kind,
                    seats=row.record.seats,
                    registration_id=row.record.registration_id,
                    reason=row.record.reason,
                    actor=row.record.actor,
                )
                for row in page.rows
            ],
            next_before=page.next_before,
        )
