"""Why somebody was or was not promoted, from what registration and the line have written down.

Invariant: it answers by the registration's id and tells nothing else of the person; `explain` is
pure and says only what the rows say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from services.doctor.sources import Sources
from services.doctor.words import seats
from services.registration import audit as registration
from services.registration.audit import Person, Recount
from services.waitlist import audit as waitlist
from services.waitlist.audit import Line, Story
from services.waitlist.domain.line import State

# Where the line sees somebody of whom registration says so. Who was promoted when the line was
# closed or over waits on at registration.
_STANDS: Final[Mapping[str, frozenset[State]]] = {
    "waitlisted": frozenset({State.WAITING, State.PROMOTED}),
    "offered": frozenset({State.OFFERED}),
    "confirmed": frozenset({State.CONFIRMED}),
    "cancelled": frozenset({State.LEFT, State.CONFIRMED}),
    "expired": frozenset({State.LEFT}),
}


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
    who, story = of.person, of.story
    if who.first_status != "waitlisted":
        yield "Never stood in the line, so there was nothing to be promoted to."
    elif story is None or of.line is None:
        yield (
            "Not promoted: the waitlist does not know this registration. Its message is on its "
            "way, was set aside (`einlass dead-letters list waitlist`) or was lost."
        )
    elif story.entry.state not in _STANDS[who.status]:
        yield (
            f"The line takes this party for {story.entry.state.value}, registration for "
            f"{who.status}. The two must agree once messages have arrived; see `einlass doctor`."
        )
    else:
        takes_place = of.event.event.status != "called_off"
        line = replace(of.line, open=of.line.open and takes_place)
        yield waitlist.because(line, story, of.event.at).sentence


def _meanwhile(of: Case) -> Iterator[str]:
    if of.story is not None:
        yield waitlist.meanwhile(of.story.since)


def _ledger(of: Case) -> Iterator[str]:
    if of.story is not None:
        for row in of.story.ledger:
            yield f"  {waitlist.told(row.record)}"
