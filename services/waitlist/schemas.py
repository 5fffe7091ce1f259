"""What the waitlist's API takes and answers. It names registrations, never persons."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.waitlist.domain.facts import LineRules, Policy, Promotion
from services.waitlist.domain.line import Actor, Entry, Kind, Line, Reason, State
from services.waitlist.domain.model import LedgerRow
from services.waitlist.domain.why import Since, WaitsFor
from services.waitlist.service import LedgerPage, LinePage
from services.waitlist.why import Answer

PRIORITIES: Final = 1000

_Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
    Field(description="Why, in the operator's words; it stands in the ledger for good."),
]


class OrderIn(BaseModel):
    """An operator's order."""

    model_config = ConfigDict(extra="forbid")

    reason: _Reason


class PriorityIn(OrderIn):
    """Another priority of an entry."""

    priority: Annotated[
        int,
        Field(
            ge=-PRIORITIES,
            le=PRIORITIES,
            description="Higher before lower, and 0 at first; of one priority, who joined first.",
        ),
    ]


class RulesView(BaseModel):
    """How the line moves; set at the event."""

    promotion: Annotated[
        Promotion, Field(description="A place is given at once, or offered for a while.")
    ]
    policy: Annotated[
        Policy,
        Field(
            description="Where the party of the first does not fit: nobody moves up (`strict`), "
            "smaller parties may pass it (`fill`), or it is offered a part (`partial`)."
        ),
    ]
    passes: Annotated[int, Field(ge=0, description="How often a party may be passed.")]
    ends_at: Annotated[
        datetime | None, Field(description="From then on nobody moves up; null: never.")
    ]

    @classmethod
    def of(cls, rules: LineRules) -> "RulesView":
        return cls(
            promotion=rules.promotion,
            policy=rules.policy,
            passes=rules.passes,
            ends_at=rules.ends_at,
        )


class EntryView(BaseModel):
    """One party that ever stood in line."""

    place: Annotated[
        int | None, Field(ge=1, description="Place in line, from 1; null where it does not wait.")
    ]
    registration_id: UUID
    state: State
    seats: Annotated[int, Field(ge=1)]
    seq: Annotated[int, Field(description="The number under which it joined.")]
    rank: Annotated[int, Field(description="The number by which the line is ordered.")]
    priority: Annotated[int, Field(description="As operators set it; 0 at first.")]
    whole: Annotated[
        bool, Field(description="It declined a part of its party and is not offered one again.")
    ]
    joined_at: datetime
    until: Annotated[datetime | None, Field(description="When its offer runs out.")]

    @classmethod
    def of(cls, entry: Entry, place: int | None = None) -> "EntryView":
        return cls(
            place=place,
            registration_id=entry.registration_id,
            state=entry.state,
            seats=entry.seats,
            seq=entry.seq,
            rank=entry.rank,
            priority=entry.priority,
            whole=entry.whole,
            joined_at=entry.joined_at,
            until=entry.until,
        )


class LineView(BaseModel):
    """A line and part of its entries, from the head."""

    event_id: UUID
    slug: str | None
    title: str | None
    status: Annotated[
        Literal["published", "called_off"],
        Field(description="Of a called-off event nobody moves up."),
    ]
    rules: RulesView
    paused: Annotated[
        bool, Field(description="Nobody moves up, and what is free stays held, until it goes on.")
    ]
    over: Annotated[bool, Field(description="The line's end has come; nobody moves up any more.")]
    free: Annotated[int, Field(ge=0, description="Seats held until somebody may have them.")]
    waiting: Annotated[int, Field(ge=0, description="Seats wanted by all who wait.")]
    length: Annotated[int, Field(ge=0, description="Parties that wait.")]
    entries: Annotated[list[EntryView], Field(description="Who waits, in order.")]
    called_up: Annotated[
        list[EntryView],
        Field(description="Who is promoted or offered a place and has not answered; 500 at most."),
    ]
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
            status=_status(line),
            rules=RulesView.of(line.rules),
            paused=line.paused,
            over=page.over,
            free=line.free,
            waiting=line.waiting,
            length=line.length,
            entries=[EntryView.of(one.entry, one.place) for one in page.places],
            called_up=[EntryView.of(one) for one in page.called_up],
            next_after=page.next_after,
        )


def _status(line: Line) -> Literal["published", "called_off"]:
    return "published" if line.open else "called_off"


class RecordView(BaseModel):
    """One row of the ledger."""

    id: Annotated[int, Field(description="Rises in the order in which things became known.")]
    at: Annotated[datetime, Field(description="When it happened.")]
    kind: Kind
    seats: Annotated[int, Field(ge=0, description="0 where no seats moved.")]
    registration_id: UUID | None
    reason: Reason | None
    actor: Annotated[Actor, Field(description="Whose decision it was.")]
    number: Annotated[
        int | None,
        Field(
            description="Of `priority` the new priority; of `skipped` how often the first in line "
            "has been passed now."
        ),
    ]
    by: Annotated[str | None, Field(description="The operator's name.")]
    why: Annotated[str | None, Field(description="The operator's reason.")]

    @classmethod
    def of(cls, row: LedgerRow) -> "RecordView":
        record = row.record
        return cls(
            id=row.id,
            at=record.at,
            kind=record.kind,
            seats=record.seats,
            registration_id=record.registration_id,
            reason=record.reason,
            actor=record.actor,
            number=record.number,
            by=record.by,
            why=record.why,
        )


class LedgerView(BaseModel):
    """Part of a ledger, newest first."""

    records: list[RecordView]
    next_before: Annotated[
        int | None, Field(description="`before` of the next part; null at the end.")
    ]

    @classmethod
    def of(cls, page: LedgerPage) -> "LedgerView":
        return cls(records=[RecordView.of(row) for row in page.rows], next_before=page.next_before)


class MeanwhileView(BaseModel):
    """What became of seats while it waited."""

    freed: Annotated[int, Field(ge=0, description="Seats freed for the line.")]
    promoted: Annotated[int, Field(ge=0, description="Seats that others moved up with.")]
    parties: Annotated[int, Field(ge=0, description="Parties that moved up with them.")]
    later: Annotated[int, Field(ge=0, description="Those of them that had joined later.")]
    released: Annotated[int, Field(ge=0, description="Seats given back to the public.")]

    @classmethod
    def of(cls, since: Since) -> "MeanwhileView":
        return cls(
            freed=since.freed,
            promoted=since.promoted,
            parties=since.parties,
            later=since.later,
            released=since.released,
        )


class WhyView(BaseModel):
    """Why somebody was or was not promoted."""

    because: Annotated[str, Field(description="The answer in one sentence.")]
    waits_for: Annotated[WaitsFor, Field(description="What must happen next.")]
    missing: Annotated[
        int, Field(ge=0, description="Seats to be freed until its party fits, were it the first.")
    ]
    before: Annotated[int, Field(ge=0, description="Parties that wait before it.")]
    seats_before: Annotated[int, Field(ge=0, description="Seats that these want.")]
    entry: EntryView
    meanwhile: MeanwhileView
    records: Annotated[list[RecordView], Field(description="Its rows of the ledger, oldest first.")]

    @classmethod
    def of(cls, answer: Answer) -> "WhyView":
        story = answer.story
        return cls(
            because=answer.because.sentence,
            waits_for=answer.because.waits_for,
            missing=answer.missing,
            before=story.before if answer.place else 0,
            seats_before=story.seats_before if answer.place else 0,
            entry=EntryView.of(story.entry, answer.place),
            meanwhile=MeanwhileView.of(story.since),
            records=[RecordView.of(row) for row in story.ledger],
        )
