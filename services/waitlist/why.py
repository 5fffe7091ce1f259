"""Why somebody was or was not promoted: the rows looked up, and the answer in plain lines.

Invariant: everything is read at one moment, so that place and counts belong together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.waitlist import recount, service
from services.waitlist.domain.errors import UnknownEntry
from services.waitlist.domain.line import Line, State
from services.waitlist.domain.why import Because, Story, because, meanwhile, missing, told
from services.waitlist.domain.words import seats


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of somebody in line. `place` is None where they do not wait; `missing` are
    the seats that their party lacks."""

    line: Line
    story: Story
    because: Because
    place: int | None
    missing: int


async def why(conn: AsyncConnection, slug: str, registration_id: UUID, now: datetime) -> Answer:
    """The answer about one registration; `conn` reads in one snapshot.

    Raises UnknownLine, UnknownEntry.
    """
    line = await service.line_of(conn, slug)
    story = await recount.story(conn, line, registration_id)
    if story is None:
        raise UnknownEntry
    waits = story.entry.state is State.WAITING
    return Answer(
        line,
        story,
        because(line, story, now),
        story.before + 1 if waits else None,
        missing(line, story.entry),
    )


def lines(answer: Answer) -> Iterator[str]:
    """The answer in plain words, a sentence or a row of the ledger a line."""
    entry = answer.story.entry
    place = f", at place {answer.place}" if answer.place else ""
    yield f"Registration {entry.registration_id}: {entry.state.value}, {seats(entry.seats)}{place}."
    yield answer.because.sentence
    yield meanwhile(answer.story.since)
    for row in answer.story.ledger:
        yield f"  {told(row.record)}"
