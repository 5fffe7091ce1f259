"""Why somebody was or was not promoted, in one sentence. Pure.

Invariant: it says only what the line and its ledger say, and names nobody but the operator who
gave an order, with the reason that they gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.waitlist.domain.model import Entry, Kind, LedgerRow, Line, Reason, Record, State
from services.waitlist.domain.words import many, moment, parties, seats


class WaitsFor(StrEnum):
    """What must happen next, seen from an entry."""

    TURN = "turn"
    SEATS = "seats"
    RESUME = "resume"
    MENDING = "mending"
    REGISTRATION = "registration"
    ANSWER = "answer"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Since:
    """What became of seats while somebody stood in line: `parties` moved up with `promoted` seats,
    `later` of them had joined after it."""

    freed: int
    promoted: int
    parties: int
    later: int
    released: int


@dataclass(frozen=True, slots=True)
class Story:
    """Somebody in line: the entry, how many parties wait before it and for how many seats, its
    rows of the ledger, what became of seats meanwhile, and the row of the pause, where the line is
    paused."""

    entry: Entry
    before: int
    seats_before: int
    ledger: Sequence[LedgerRow]
    since: Since
    pause: Record | None = None

    def last(self, kind: Kind) -> Record | None:
        """The newest of its rows of this kind."""
        found = [row.record for row in self.ledger if row.record.kind is kind]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Because:
    """The answer; `sentence` in English."""

    waits_for: WaitsFor
    sentence: str


def because(line: Line, story: Story, now: datetime) -> Because:
    """Why this entry stands where it stands."""
    match story.entry.state:
        case State.WAITING:
            return _waits(line, story, now)
        case State.PROMOTED:
            return _promoted(line, story, now)
        case State.OFFERED:
            return _offered(story)
        case State.CONFIRMED:
            return _confirmed(story)
        case State.LEFT:
            return Because(WaitsFor.NOTHING, _left(story))


def missing(line: Line, entry: Entry) -> int:
    """Seats that would have to be freed until its party fits, were it first in line."""
    return max(0, entry.seats - line.free) if entry.state is State.WAITING else 0


def meanwhile(since: Since) -> str:
    """What happened while it waited."""
    later = f", {since.later} of them joined later" if since.later else ""
    return (
        f"While it waited, {many(since.freed, 'seat was', 'seats were')} freed; "
        f"{parties(since.parties)} moved up with {seats(since.promoted)}{later}."
    )


def told(record: Record) -> str:
    """A row of the ledger in one line."""
    parts = [f"{moment(record.at)}  {record.kind.value.replace('_', ' ')}"]
    if record.seats:
        parts.append(seats(record.seats))
    if record.number is not None:
        parts.append(str(record.number))
    if record.reason:
        parts.append(record.reason.value.replace("_", " "))
    who = f"{record.actor.value} {record.by}: {record.why}" if record.by else record.actor.value
    return f"{', '.join(parts)} (by {who})"


def _waits(line: Line, story: Story, now: datetime) -> Because:
    if not line.open:
        return Because(WaitsFor.NOTHING, "The event is called off, so nobody moves up any more.")
    if line.rules.ends_at is not None and line.over(now):
        ended = moment(line.rules.ends_at)
        return Because(WaitsFor.NOTHING, f"The line ended on {ended}; nobody moves up any more.")
    if line.paused:
        return Because(WaitsFor.RESUME, _paused(story.pause))
    return _behind(line, story) if story.before else _first(line, story.entry)


def _paused(pause: Record | None) -> str:
    if pause is None:
        return "The line is paused."
    return f"The line is paused since {moment(pause.at)} by {pause.by}, because: {pause.why}"


def _behind(line: Line, story: Story) -> Because:
    entry, before = story.entry, many(story.before, "party is", "parties are")
    if not line.free or entry.seats > line.free:
        words = f"{before} before it, with {seats(story.seats_before)}."
    elif line.rules.policy == "strict":
        words = (
            f"{many(line.free, 'seat is', 'seats are')} free and it would fit, but {before} "
            "before it and the policy is strict: nobody is passed."
        )
    else:
        words = (
            f"{many(line.free, 'seat is', 'seats are')} free and it would fit, but {before} "
            f"before it, and the first has been passed {_times(line.rules.passes)}, "
            "which is the bound."
        )
    return Because(WaitsFor.TURN, words)


def _first(line: Line, entry: Entry) -> Because:
    policy = line.rules.policy
    if line.free >= entry.seats or (line.free and policy == "partial" and not entry.whole):
        return Because(
            WaitsFor.MENDING,
            f"It is first in line, {many(line.free, 'seat is', 'seats are')} free for it, and it "
            "was not promoted: that is a mistake, which `einlass doctor --repair` mends.",
        )
    if not line.free:
        words = "It is first in line and no seat is free; the next to be freed comes to it."
        return Because(WaitsFor.SEATS, words)
    free = f"{many(line.free, 'seat is', 'seats are')} free, the party needs {entry.seats}"
    if policy == "strict":
        words = f"{free} and the policy is strict: what is free stays held for it."
    else:
        passed = sum(rank > entry.rank for rank in line.passed_by)
        declined = ", and it has declined a part" if policy == "partial" else ""
        words = (
            f"{free}{declined}; smaller parties may pass it, which has happened {_times(passed)} "
            f"of {line.rules.passes}."
        )
    return Because(WaitsFor.SEATS, words)


def _times(count: int) -> str:
    return many(count, "time", "times")


def _promotion(story: Story) -> str | None:
    """When and how it was promoted last."""
    row = story.last(Kind.PROMOTED)
    if row is None:
        return None
    how = {
        Reason.FIRST_IN_LINE: "as the first in line",
        Reason.FITS_BEFORE_HEAD: "since its party fitted and the one before it did not",
        Reason.PART_OF_PARTY: f"for {row.seats} of its {seats(story.entry.seats)}",
        Reason.BY_HAND: f"by hand by {row.by} ({row.why})",
    }
    way = how.get(row.reason) if row.reason else None
    return f"It was promoted on {moment(row.at)}{f' {way}' if way else ''}"


def _promoted(line: Line, story: Story, now: datetime) -> Because:
    said = _promotion(story) or "It was promoted"
    if not line.open:
        words = f"{said}, but the event was called off before registration answered."
        return Because(WaitsFor.NOTHING, words)
    if line.over(now):
        words = f"{said}, but the line's end came before registration answered."
        return Because(WaitsFor.NOTHING, words)
    return Because(WaitsFor.REGISTRATION, f"{said}; registration has not answered yet.")


def _offered(story: Story) -> Because:
    said = _promotion(story) or "Registration offered it a place"
    row = story.last(Kind.OFFERED)
    count = row.seats if row else story.entry.seats
    until = f" until {moment(story.entry.until)}" if story.entry.until else ""
    held = many(count, "seat is", "seats are")
    return Because(WaitsFor.ANSWER, f"{said}, and {held} held for it{until}.")


def _confirmed(story: Story) -> Because:
    said = _promotion(story) or "Registration confirmed it"
    row = story.last(Kind.CONFIRMED)
    given = f" and was given {seats(row.seats)}" if row else ""
    return Because(WaitsFor.NOTHING, f"{said}{given}.")


def _left(story: Story) -> str:
    row = story.last(Kind.LEFT)
    if row is None:
        return "It has left the line."
    on = f"on {moment(row.at)}"
    said = _promotion(story)
    match row.reason:
        case Reason.LAPSED:
            return f"It left the line {on}, when another of its events had a place."
        case Reason.DECLINED:
            return f"{said or 'It was offered a place'}, and declined {on}."
        case Reason.EXPIRED:
            return f"{said or 'It was offered a place'}, and its offer ran out {on}."
        case Reason.LEFT_AFTER_PROMOTION:
            return f"{said or 'It was promoted'}, and left {on} before it had its seats."
        case _:
            return f"It left the line {on}."
