"""The rules of the waitlist: what registration told goes in, wishes and ledger come out.

Invariant: of one event, the line, its entries, its ledger and the outbox change in one
transaction under the line's lock, and the outbox's `seq` is taken under that same lock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts import topics
from services.contracts.waitlist import (
    PlaceMoved,
    PlaceMovedData,
    Promoted,
    PromotedData,
    SeatsReleased,
    SeatsReleasedData,
    WaitlistMessage,
)
from services.kit import outbox
from services.kit.db import after_commit
from services.kit.ids import uuid7
from services.waitlist import repository
from services.waitlist.domain.errors import UnknownLine
from services.waitlist.domain.facts import Fact
from services.waitlist.domain.line import (
    Decision,
    Entry,
    Kind,
    Line,
    Move,
    Promote,
    Release,
    Wish,
    decide,
    mentioned,
    needed,
)
from services.waitlist.domain.model import LedgerRow
from services.waitlist.repository import Stored

log = structlog.get_logger(__name__)

PROMOTIONS = Counter("einlass_waitlist_promotions", "Parties promoted.")
RELEASED = Counter("einlass_waitlist_released_seats", "Seats given back to the public.")
PASSED = Counter("einlass_waitlist_passed", "Parties passed by a smaller one behind them.")
STRAYS = Counter("einlass_waitlist_stray_facts", "Facts that changed nothing.", ["fact"])

CALLED_UP_SHOWN: Final = 500


async def take(conn: AsyncConnection, facts: Mapping[UUID, Sequence[Fact]], now: datetime) -> None:
    """Draws the conclusions from `facts`, by event and in order.

    Reads of each line no more than these facts can move.
    """
    if not facts:
        return
    lines = await repository.lock_lines(conn, facts.keys())
    known = await repository.entries(
        conn,
        {party for told in facts.values() for party in mentioned(told)},
        {event_id: needed(lines[event_id].line, told) for event_id, told in facts.items()},
    )
    decisions = {
        event_id: decide(lines[event_id].line, known.get(event_id, {}).values(), told, now)
        for event_id, told in facts.items()
    }
    await _save(conn, lines, decisions)
    await outbox.add(conn, topics.WAITLIST, list(_messages(lines, decisions, now)))
    after_commit(conn, lambda: _observe(decisions))


async def _save(
    conn: AsyncConnection, lines: Mapping[UUID, Stored], decisions: Mapping[UUID, Decision]
) -> None:
    await repository.save_lines(
        conn,
        [
            Stored(decision.line, lines[event_id].seq + len(decision.wishes))
            for event_id, decision in decisions.items()
        ],
    )
    await repository.save_entries(
        conn, ((event_id, entry) for event_id, d in decisions.items() for entry in d.entries)
    )
    await repository.add_records(
        conn, ((event_id, record) for event_id, d in decisions.items() for record in d.records)
    )


def _messages(
    lines: Mapping[UUID, Stored], decisions: Mapping[UUID, Decision], now: datetime
) -> Iterator[WaitlistMessage]:
    for event_id, decision in decisions.items():
        for seq, wish in enumerate(decision.wishes, lines[event_id].seq + 1):
            yield _message(event_id, seq, wish, now)


def _message(event_id: UUID, seq: int, wish: Wish, now: datetime) -> WaitlistMessage:
    match wish:
        case Promote():
            return Promoted(
                id=uuid7(),
                event_id=event_id,
                seq=seq,
                occurred_at=now,
                data=PromotedData(registration_id=wish.registration_id, seats=wish.seats),
            )
        case Release():
            return SeatsReleased(
                id=uuid7(),
                event_id=event_id,
                seq=seq,
                occurred_at=now,
                data=SeatsReleasedData(seats=wish.seats),
            )
        case Move():
            return PlaceMoved(
                id=uuid7(),
                event_id=event_id,
                seq=seq,
                occurred_at=now,
                data=PlaceMovedData(registration_id=wish.registration_id, rank=wish.rank),
            )
        case _:
            assert_never(wish)


def _observe(decisions: Mapping[UUID, Decision]) -> None:
    wishes = [wish for decision in decisions.values() for wish in decision.wishes]
    PROMOTIONS.inc(sum(isinstance(wish, Promote) for wish in wishes))
    RELEASED.inc(sum(wish.seats for wish in wishes if isinstance(wish, Release)))
    for event_id, decision in decisions.items():
        PASSED.inc(sum(record.kind is Kind.SKIPPED for record in decision.records))
        for fact in decision.stray:
            name = type(fact).__name__.lower()
            STRAYS.labels(name).inc()
            log.warning("waitlist.stray_fact", event_id=str(event_id), fact=name)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry that waits and its place in line, from 1."""

    place: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class LinePage:
    """Part of a line from its head, and the first that were called up and have not answered.
    `over`: nothing moves any more. `next_after` asks for the next part; None at the end."""

    line: Line
    over: bool
    places: tuple[Place, ...]
    called_up: tuple[Entry, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Part of a ledger, newest first. `next_before` asks for the next part; None at the end."""

    rows: tuple[LedgerRow, ...]
    next_before: int | None


async def line_page(
    conn: AsyncConnection, slug: str, after: int | None, limit: int, now: datetime
) -> LinePage:
    """The `limit` entries behind the rank `after`, or from the head. Raises UnknownLine."""
    line = await line_of(conn, slug)
    before, found = await repository.waiting_after(conn, line.event_id, after, limit + 1)
    places = tuple(Place(number, one) for number, one in enumerate(found[:limit], before + 1))
    called_up = await repository.called_up(conn, line.event_id, CALLED_UP_SHOWN)
    next_after = places[-1].entry.rank if len(found) > limit else None
    return LinePage(line, line.over(now), places, tuple(called_up), next_after)


async def ledger_page(
    conn: AsyncConnection,
    slug: str,
    registration_id: UUID | None,
    before: int | None,
    limit: int,
) -> LedgerPage:
    """The `limit` newest rows below the id `before`, of one registration where it is given.
    Raises UnknownLine."""
    line = await line_of(conn, slug)
    found = await repository.records_before(conn, line.event_id, registration_id, before, limit + 1)
    rows = tuple(found[:limit])
    return LedgerPage(rows, rows[-1].id if len(found) > limit else None)


async def line_of(conn: AsyncConnection, slug: str) -> Line:
    """The line of the event of this slug. Raises UnknownLine."""
    line = await repository.line_of(conn, slug)
    if line is None:
        raise UnknownLine
    return line
