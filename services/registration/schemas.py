"""The JSON API's documents. Public ones hold no number of seats of an event."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import jsonschema
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)

from services.kit.text import can_be_kept
from services.registration.domain.event import Day, Event
from services.registration.domain.event import Status as EventStatus
from services.registration.domain.light import FewLeft, Light, State
from services.registration.domain.offer import AfterOffer, Policy, Promotion, Quiet, Rules
from services.registration.domain.seats import Seats

OneLine = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Slug = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
# Some years from either end of the calendar, so that the day after one and its moment in
# another time zone exist too.
Date = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2999, 12, 31))]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC)),
]
NO_NUL: Final = r"^[^\x00]*$"


class Strict(BaseModel):
    """Unknown members are refused, so that a mistyped one is noticed."""

    model_config = ConfigDict(extra="forbid")


class DayDoc(Strict):
    """A day; times are wall-clock times in the event's time zone, such as `18:00`."""

    date: Date
    starts_at: time | None = None
    ends_at: time | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_at is not None and self.starts_at is None:
            raise ValueError("ends_at needs starts_at")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at comes after starts_at")
        if any(t is not None and t.tzinfo is not None for t in (self.starts_at, self.ends_at)):
            raise ValueError("times have no time zone")
        return self


class FewLeftDoc(Strict):
    """From when on the light is yellow: so many free seats, or such a share of the capacity."""

    seats: Count | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.seats is None) == (self.share is None):
            raise ValueError("either seats or share")
        return self


class WindowDoc(Strict):
    """Sign-up is open from `opens_at` (at once) until `closes_at` (the first day's begin);
    people may cancel until `cancel_until` (the first day's begin)."""

    opens_at: Moment | None = None
    closes_at: Moment | None = None
    cancel_until: Moment | None = None


class QuietDoc(Strict):
    """Hours in which no offer runs out, as wall-clock times of the event; none where both are the
    same."""

    begins: time = time(22)
    ends: time = time(8)


class WaitlistDoc(Strict):
    """The waiting list (docs/waitlist.md).

    `enabled`: it takes newcomers; who waits already goes on waiting. `limit`: seats that may wait
    at most. `promotion`: a place is given at once, or offered for `offer_hours` at most; who lets
    an offer run out is `out` of the line, or goes to its `end`. `policy`: where the first party
    does not fit, all wait (`strict`), smaller ones may pass it `passes` times (`fill`), or it is
    offered a part (`partial`, only with offers). From `until` on nothing moves any more; that is
    when the event begins, where it is not set.
    """

    enabled: bool = True
    limit: Count | None = None
    promotion: Promotion = "automatic"
    policy: Policy = "strict"
    passes: Annotated[int, Field(ge=0, le=100)] = 3
    offer_hours: Annotated[int, Field(ge=1, le=720)] = 24
    after_offer: AfterOffer = "out"
    quiet_hours: QuietDoc = QuietDoc()
    until: Moment | None = None

    @model_validator(mode="after")
    def _asks_first(self) -> Self:
        if self.policy == "partial" and self.promotion != "offer":
            raise ValueError("policy partial needs promotion offer")
        return self

    def rules(self) -> Rules:
        """The rules of the domain."""
        return Rules(
            enabled=self.enabled,
            limit=self.limit,
            promotion=self.promotion,
            policy=self.policy,
            passes=self.passes,
            hours=self.offer_hours,
            after=self.after_offer,
            quiet=Quiet(self.quiet_hours.begins, self.quiet_hours.ends),
            until=self.until,
        )

    @classmethod
    def of(cls, rules: Rules) -> "WaitlistDoc":
        """The document of rules."""
        return cls(
            enabled=rules.enabled,
            limit=rules.limit,
            promotion=rules.promotion,
            policy=rules.policy,
            passes=rules.passes,
            offer_hours=rules.hours,
            after_offer=rules.after,
            quiet_hours=QuietDoc(begins=rules.quiet.begins, ends=rules.quiet.ends),
            until=rules.until,
        )


class PublicWaitlistOut(BaseModel):
    """What those who join the line are told of it."""

    enabled: bool
    promotion: Promotion
    policy: Policy
    passes: int


def _refers(value: Any) -> bool:
    """Whether a schema asks for another one (`$ref`, `$dynamicRef`, `$schema`), which would be
    fetched, or found missing, when people sign up."""
    if isinstance(value, dict):
        return any(key.startswith("$") or _refers(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_refers, value))


class PublicEventOut(BaseModel):
    """An event as the public sees it: its light, and no number of seats."""

    slug: str
    title: str
    summary: str
    description: str
    days: list[DayDoc]
    timezone: str
    place: str | None
    contact: str | None
    max_party: int
    registration: WindowDoc
    questions: dict[str, Any]
    waitlist: PublicWaitlistOut
    series: str | None
    light: Light | None
    state: State
    url: str


class LightOut(BaseModel):
    """One light."""

    slug: str
    light: Light | None
    state: State


class EventIn(Strict):
    """An event as an operator writes it. `description` is Markdown (CommonMark). `questions`:
    JSON Schema properties with a `title` each, and `required: true` where they must be
    answered. Of events with the same `series` (the same seminar on other dates) people may wait
    for several at once, and get the first that has a place."""

    slug: Slug
    title: OneLine
    summary: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] = ""
    description: Annotated[str, Field(max_length=50_000, pattern=NO_NUL)] = ""
    days: Annotated[list[DayDoc], Field(min_length=1, max_length=60)]
    timezone: str | None = None
    place: OneLine | None = None
    contact: OneLine | None = None
    capacity: Count
    few_left: FewLeftDoc = FewLeftDoc(share=0.1)
    max_party: Annotated[int, Field(ge=1, le=100)] = 1
    registration: WindowDoc = WindowDoc()
    waitlist: WaitlistDoc = WaitlistDoc()
    series: Slug | None = None
    questions: dict[str, dict[str, Any]] = Field(default_factory=dict)
    status: EventStatus = "draft"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("unknown time zone")
        return value

    @field_validator("days")
    @classmethod
    def _sorted(cls, value: list[DayDoc]) -> list[DayDoc]:
        return sorted(value, key=lambda d: (d.date, d.starts_at or time.min))

    @field_validator("questions")
    @classmethod
    def _schemas(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if not can_be_kept(value):
            raise ValueError("a text holds a character that cannot be kept")
        if _refers(value):
            raise ValueError("a question refers to no other schema")
        for name, schema in value.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ValueError("a question's name is small letters, digits and _")
            if schema.get("type") not in ("string", "boolean", "integer"):
                raise ValueError("a question is of type string, boolean or integer")
            if not schema.get("title"):
                raise ValueError("a question has a title")
            try:
                jsonschema.Draft202012Validator.check_schema(
                    {k: v for k, v in schema.items() if k != "required"}
                )
            except jsonschema.SchemaError as error:
                raise ValueError("not a JSON Schema") from error
        return value

    @model_validator(mode="after")
    def _window(self) -> Self:
        opens, closes = self.registration.opens_at, self.registration.closes_at
        if opens and closes and closes <= opens:
            raise ValueError("closes_at comes after opens_at")
        if self.max_party > self.capacity:
            raise ValueError("max_party is larger than the capacity")
        return self

    def event(self, event_id: UUID, zone: ZoneInfo, version: int = 1) -> Event:
        """The event of the domain; `zone` where the document names none."""
        return Event(
            id=event_id,
            slug=self.slug,
            title=self.title,
            days=tuple(Day(d.date, d.starts_at, d.ends_at) for d in self.days),
            timezone=self.timezone or zone.key,
            few_left=FewLeft(self.few_left.seats, self.few_left.share),
            summary=self.summary,
            description=self.description,
            place=self.place,
            contact=self.contact,
            max_party=self.max_party,
            opens_at=self.registration.opens_at,
            closes_at=self.registration.closes_at,
            cancel_until=self.registration.cancel_until,
            waitlist=self.waitlist.rules(),
            series=self.series,
            questions=self.questions,
            status=self.status,
            version=version,
        )


class EventPatch(RootModel[dict[str, Any]]):
    """Some members of an event, as a merge patch (RFC 7396); `reason` goes with
    `"status": "called_off"` and is told to those who signed up."""

    @model_validator(mode="after")
    def _reason(self) -> Self:
        reason = self.root.get("reason")
        if reason is None:
            return self
        if not isinstance(reason, str) or len(reason) > 1000 or not can_be_kept(reason):
            raise ValueError("reason is a text of up to 1000 characters")
        return self


class CountsOut(BaseModel):
    """Seats; `waiting` are seats asked for in line."""

    capacity: int
    confirmed: int
    held: int
    waiting: int


class EventOut(EventIn):
    """An event with its counts, for operators."""

    id: UUID
    version: int
    light: Light | None
    counts: CountsOut


def days_of(event: Event) -> list[DayDoc]:
    """The event's days as a document."""
    return [DayDoc(date=d.date, starts_at=d.starts_at, ends_at=d.ends_at) for d in event.days]


def window_of(event: Event) -> WindowDoc:
    """The event's window as it was set."""
    return WindowDoc(
        opens_at=event.opens_at, closes_at=event.closes_at, cancel_until=event.cancel_until
    )


def public(event: Event, light: Light | None, state: State, url: str) -> PublicEventOut:
    """The event as the public sees it."""
    return PublicEventOut(
        slug=event.slug,
        title=event.title,
        summary=event.summary,
        description=event.description,
        days=days_of(event),
        timezone=event.timezone,
        place=event.place,
        contact=event.contact,
        max_party=event.max_party,
        registration=window_of(event),
        questions=event.questions,
        waitlist=PublicWaitlistOut(
            enabled=event.waitlist.enabled,
            promotion=event.waitlist.promotion,
            policy=event.waitlist.policy,
            passes=event.waitlist.passes,
        ),
        series=event.series,
        light=light,
        state=state,
        url=url,
    )


def for_operators(event: Event, seats: Seats, light: Light | None) -> EventOut:
    """The event as operators see it."""
    return EventOut(
        id=event.id,
        slug=event.slug,
        title=event.title,
        summary=event.summary,
        description=event.description,
        days=days_of(event),
        timezone=event.timezone,
        place=event.place,
        contact=event.contact,
        capacity=seats.capacity,
        few_left=FewLeftDoc(seats=event.few_left.seats, share=event.few_left.share),
        max_party=event.max_party,
        registration=window_of(event),
        waitlist=WaitlistDoc.of(event.waitlist),
        series=event.series,
        questions=event.questions,
        status=event.status,
        version=event.version,
        light=light,
        counts=CountsOut(
            capacity=seats.capacity,
            confirmed=seats.confirmed,
            held=seats.held,
            waiting=seats.waiting,
        ),
    )
