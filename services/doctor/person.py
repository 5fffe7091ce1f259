"""Why somebody was or was not promoted, from what registration and the line have written down.

Invariant: it answers by the registration's id and tells nothing else of the person; `explain` is
pure and says only what the rows say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from services.doctor.sources import Sources
from services.doctor.words import many, parties, seats
from services.registration import audit as registration
from services.registration.audit import Person, Recount
from services.waitlist import audit as waitlist
from services.waitlist.audit import Line, Story
from services.waitlist.domain.line import Kind, State


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one registration; `line` and `story` are None where the waitlist
    knows nothing."""

    person: Person
    event: Recount
    line: Line | None
    story: Story | None


async def case(sources: Sources, registration_id: UUID) -> Case | None:
    """What is known, or None where there is no such registration."""
    found = await registration.person(sources.registration, registration_id)
    if found is None:
        return None
    person, event = found
    line, story = await waitlist.story(sources.waitlist, person.event_id, registration_id)
    return Case(person, event, line, story)


def explain(of: Case) -> list[str]:
    """The answer, a sentence a line."""
    return [*_standing(of), *_reason(of), *_meanwhile(of), *_ledger(of)]


def _standing(of: Case) -> Iterator[str]:
    who = of.person
    wanted = seats(who.seats)
    yield f"Registration {who.id} for {of.event.event.slug}: {who.status}, {wanted}."
    if who.first_status == "waitlisted":
        yield (
            f"Signed up at {who.created_at:%Y-%m-%d %H:%M:%S} UTC, number {who.seq} of the "
            f"event's messages, and joined the line at place {who.first_position}."
        )
    else:
        yield f"Signed up at {who.created_at:%Y-%m-%d %H:%M:%S} UTC and had a place at once."


def _reason(of: Case) -> Iterator[str]:
    who, story, line = of.person, of.story, of.line
    if who.first_status != "waitlisted":
        yield "Never stood in the line, so there was nothing to be promoted to."
    elif who.status == "confirmed":
        yield "Promoted: was first in line when enough held seats were free."
    elif who.status == "cancelled":
        promoted = story is not None and any(
            row.record.kind is Kind.PROMOTED for row in story.ledger
        )
        yield (
            "Was promoted, and cancelled then or before the promotion arrived."
            if promoted
            else "Not promoted: left before enough seats were freed."
        )
    elif story is None:
        yield (
            "Not promoted: the waitlist does not know this registration. Its message is on its "
            "way, was set aside (`einlass dead-letters list waitlist`) or was lost."
        )
    else:
        yield from _waiting(of, story, line)


def _waiting(of: Case, story: Story, line: Line | None) -> Iterator[str]:
    who = of.person
    free = line.free if line else 0
    if of.event.event.status == "called_off":
        yield "Not promoted: the event is called off, and its line is closed."
    elif story.entry.state is State.PROMOTED:
        yield (
            "The line has promoted this party and registration has not answered yet: the message "
            "is on its way or was set aside (`einlass dead-letters list registration`)."
        )
    elif story.entry.state is not State.WAITING:
        yield (
            f"Not promoted: the line takes this party for {story.entry.state.value}, registration "
            "for waiting. The two must agree; see `einlass doctor`."
        )
    elif who.before:
        yield (
            f"Not promoted: at place {who.before + 1} now, behind {parties(who.before)} with "
            f"{seats(who.seats_before)}. Nobody is passed over."
        )
    elif free >= who.seats:
        yield (
            f"First in line, {many(free, 'seat is', 'seats are')} free for it, and it was not "
            "promoted: that is a mistake, which `einlass doctor --repair` mends."
        )
    else:
        yield (
            f"Not promoted: first in line, wants {seats(who.seats)}, and "
            f"{many(free, 'is', 'are')} held for it. The next to be freed comes to it."
        )


def _meanwhile(of: Case) -> Iterator[str]:
    if of.story is None:
        return
    since = of.story.since
    yield (
        f"While it waited, {many(since.freed, 'seat was', 'seats were')} freed; "
        f"{parties(since.parties)} moved up with {seats(since.promoted)}."
    )


def _ledger(of: Case) -> Iterator[str]:
    if of.story is None:
        return
    for row in of.story.ledger:
        record = row.record
        reason = f" ({record.reason.value.replace('_', ' ')})" if record.reason else ""
        yield (
            f"  {record.at:%Y-%m-%d %H:%M:%S}  {record.kind.value:9}  {seats(record.seats)}, "
            f"by {record.actor.value}{reason}"
        )
