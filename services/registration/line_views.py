"""What pages say of a waiting list and of the person in it: pure, with the time passed in.

Invariant: a place is called the person's own only where it is confirmed; of everything else the
pages say what is, and promise nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.contracts.envelope import Locale
from services.kit import dates
from services.registration.board import PublicEvent
from services.registration.domain.event import Day, Event
from services.registration.domain.light import Light, State
from services.registration.domain.offer import AfterOffer, Promotion
from services.registration.repository.registrations import Status
from services.registration.standing import MOVED_UP_DAYS, Standing
from services.registration.views import moment

Order = Literal["order", "strict", "fill", "partial"]
"""The policy as far as it makes a difference: where everybody comes alone, it is the order."""

Kind = Literal[
    "called_off",
    "cancelled",
    "left",
    "lapsed",
    "expired",
    "ran_out",
    "over",
    "never",
    "offered",
    "waiting",
    "line_over",
    "confirmed",
]
"""What a person's page is about. `left`: out of the line by the person's wish; `lapsed`: because
another of several events had a place. `ran_out`: an offer whose time is over, though nobody has
seen to it yet. `never`: the event is over and the person got no place. `line_over`: still in
line, but nothing moves any more."""

FOLLOWED: Final = frozenset({"offered", "ran_out", "waiting"})
"""Kinds that change by themselves, so that an open page asks again."""

MAX_DATES: Final = 10


@dataclass(frozen=True, slots=True)
class Moves:
    """How the line of an event moves. `quiet`: the hours in which no offer runs out, as people
    say them, or empty. `ends`: from when on nothing moves, empty where the event's begin is.
    `back`: until when a place can be given back, where the line moves for longer than that."""

    promotion: Promotion
    order: Order
    passes: int
    hours: int
    after: AfterOffer
    quiet: str
    ends: str
    back: str


@dataclass(frozen=True, slots=True)
class Date:
    """Another event of the same series for which one can wait too. `title` is empty where it is
    the same."""

    slug: str
    title: str
    when: str
    light: Light | None
    state: State


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another event that the same person waits for, or has got a place for."""

    slug: str
    title: str
    when: str
    status: Status
    position: int | None


@dataclass(frozen=True, slots=True)
class Own:
    """What a person's own page shows beside the event.

    `until` and `until_iso` are the end of an offer; `after` is what comes with it. `keeps`:
    whoever declines keeps the place in line. `wanted` is when the person last said that they
    still want the place; `sizes` are the parties that this one can become; `days` those that
    `Standing.moved_up` looks back.
    """

    kind: Kind
    moves: Moves
    deadline: str
    until: str
    until_iso: str
    after: AfterOffer
    keeps: bool
    wanted: str
    sizes: Sequence[int]
    elsewhere: Sequence[Elsewhere]
    days: int = MOVED_UP_DAYS

    @property
    def followed(self) -> bool:
        """Whether an open page looks again by itself."""
        return self.kind in FOLLOWED


def moves(event: Event, locale: Locale) -> Moves:
    """How the line of `event` moves."""
    rules = event.waitlist
    order: Order = rules.policy
    if event.max_party == 1:
        order = "order"
    elif rules.policy == "fill" and rules.passes == 0:
        order = "strict"
    quiet = Day(event.begins.date(), rules.quiet.begins, rules.quiet.ends)
    return Moves(
        promotion=rules.promotion,
        order=order,
        passes=rules.passes,
        hours=rules.hours,
        after=rules.after,
        quiet="" if rules.quiet.begins == rules.quiet.ends else dates.times(quiet, locale),
        ends=moment(event, event.line_ends, locale) if event.line_ends < event.begins else "",
        back=moment(event, event.cancels, locale) if event.cancels < event.line_ends else "",
    )


def own(standing: Standing, now: datetime, locale: Locale) -> Own:
    """All that a person's own page says."""
    event, offer = standing.event, standing.offer
    over = event.line(now).over
    until = offer.until if offer is not None else None
    late = until is not None and until >= event.line_ends
    return Own(
        kind=kind(standing, now),
        moves=moves(event, locale),
        deadline=moment(event, event.cancel_until, locale),
        until=moment(event, until, locale),
        until_iso=until.isoformat() if until is not None else "",
        after="out" if over or late else event.waitlist.after,
        keeps=offer is not None and offer.seats < offer.party and not over,
        wanted=moment(event, standing.wanted_at, locale),
        sizes=range(1, standing.seats) if standing.may_reduce else (),
        elsewhere=[
            Elsewhere(
                slug=other.event.slug,
                title=other.event.title,
                when=" · ".join(dates.schedule(other.event.days, locale)),
                status=other.status,
                position=other.position,
            )
            for other in standing.others
            if other.status != "cancelled"
        ],
    )


def kind(standing: Standing, now: datetime) -> Kind:
    """What the page is about."""
    event, status = standing.event, standing.status
    if event.status == "called_off":
        return "called_off"
    if status == "cancelled":
        return _gone(standing)
    if status == "expired":
        return "expired"
    if standing.offer is not None and now >= standing.offer.until:
        return "ran_out"
    if event.ends <= now:
        return "over" if status == "confirmed" else "never"
    if status == "waitlisted":
        return "line_over" if event.line(now).over else "waiting"
    return "offered" if status == "offered" else "confirmed"


def _gone(standing: Standing) -> Kind:
    """Whoever leaves one line leaves those of the other events too: where one of these was not
    left, it was its turn that ended this."""
    if standing.via is not None:
        return "cancelled"
    elsewhere = any(other.status != "cancelled" for other in standing.others)
    return "lapsed" if elsewhere else "left"


def dates_too(found: PublicEvent, programme: Iterable[PublicEvent], locale: Locale) -> list[Date]:
    """The next events of the same series that the same form fits, `MAX_DATES` at most."""
    event = found.event
    if event.series is None:
        return []
    fitting = [
        Date(
            slug=public.event.slug,
            title=public.event.title if public.event.title != event.title else "",
            when=" · ".join(dates.schedule(public.event.days, locale)),
            light=public.light,
            state=public.state,
        )
        for public in programme
        if public.event.series == event.series
        and public.event.slug != event.slug
        and public.state == "open"
        and public.event.questions == event.questions
    ]
    return fitting[:MAX_DATES]
