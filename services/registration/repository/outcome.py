"""Writing what a batch has decided, in one statement.

Invariant: nothing of an event is written unless its counters, its light and its settings are
still those that the decision was made from (a compare-and-swap under the row's lock).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.topics import REGISTRATION
from services.kit import outbox
from services.kit.db import driver
from services.registration.repository import registrations
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked, lock

# Taking this out too oversells; see LOCKS.
STILL: Final = """
    event.version = b.version AND seats.light IS NOT DISTINCT FROM b.light
    AND (seats.capacity, seats.confirmed, seats.held, seats.waiting, seats.line, seats.seq)
      = (b.capacity, b.confirmed, b.held, b.waiting, b.line, b.seq)
"""
_TURN: Final = """
    {new} MATERIALIZED (
        SELECT event_id
        FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[],
                    $8::bigint[], $9::text[])
            AS b (event_id, version, capacity, confirmed, held, waiting, line, seq, light)
        JOIN seats USING (event_id) JOIN event ON event.id = event_id
        WHERE {still} {guess}
        ORDER BY event_id {lock}
    )
"""
_SAVE: Final = """
    UPDATE seats SET confirmed = s.confirmed, held = s.held, waiting = s.waiting, line = s.line,
        seq = s.seq, capacity = s.capacity, light = s.light,
        light_at = CASE WHEN seats.light IS DISTINCT FROM s.light
                        THEN clock_timestamp() ELSE seats.light_at END
    FROM unnest($1::uuid[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[],
                $15::bigint[], $16::text[])
        AS s (event_id, capacity, confirmed, held, waiting, line, seq, light)
        JOIN turn USING (event_id)
    WHERE seats.event_id = s.event_id
    RETURNING seats.event_id, seats.light_at
"""
_SAY: Final = f"{_TURN}, said AS ({outbox.insert(17, turn='turn')}) {_SAVE}"
_MAKE: Final = (
    f"{_TURN}, said AS ({outbox.insert(17, turn='turn')}), "
    f"made AS ({registrations.insert('new', 'turn')}) {_SAVE}"
)
_NEW: Final = f"WITH new AS MATERIALIZED ({registrations.rows(21)}), turn AS"
_UNMET: Final = f"AND NOT ({registrations.MET})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written of events: as they are `before` and `after`, messages of
    `registration.v1`, each with its event, and new registrations."""

    before: Mapping[UUID, Locked]
    after: Mapping[UUID, Locked]
    said: Sequence[tuple[UUID, bytes]]
    new: Sequence[Registration]

    def arguments(self, conn: AsyncConnection) -> list[Any]:
        """The parameters of the statement, but for the new registrations."""
        before = [self.before[event_id] for event_id in self.after]
        return [
            list(self.after),
            [locked.event.version for locked in before],
            *_columns(before),
            *_columns(list(self.after.values())),
            *outbox.columns(conn, REGISTRATION, self.said),
        ]


def _columns(locked: Sequence[Locked]) -> list[list[Any]]:
    found = [one.seats for one in locked]
    return [
        [s.capacity for s in found],
        [s.confirmed for s in found],
        [s.held for s in found],
        [s.waiting for s in found],
        [s.line for s in found],
        [s.seq for s in found],
        [one.light for one in locked],
    ]


@cache
def _statement(template: str, new: str, guess: str, still: str, lock: str) -> str:
    return template.format(new=new, guess=guess, still=still, lock=lock)


async def write(conn: AsyncConnection, what: Outcome) -> dict[UUID, datetime]:
    """Writes what was decided under the lock of this transaction; since when each light is lit.
    Raises LookupError where an event is not as it was."""
    if not what.after:
        return {}
    raw, arguments = await driver(conn), what.arguments(conn)
    if what.new:
        statement = _MAKE.format(still=STILL, new=_NEW, guess="", lock=lock())
        rows = await raw.fetch(statement, *arguments, registrations.documents(what.new))
    else:
        rows = await raw.fetch(
            _SAY.format(still=STILL, new="WITH turn AS", guess="", lock=lock()), *arguments
        )
    if len(rows) != len(what.after):
        raise LookupError("an event is not as it was under the lock")
    return {row["event_id"]: row["light_at"] for row in rows}


async def guess(conn: AsyncConnection, what: Outcome) -> dict[UUID, datetime]:
    """Writes what was decided without a lock, of those events that are still as they were and
    that nobody has locked, unless one of the new is there already; since when each light is lit.
    """
    rows = await (await driver(conn)).fetch(
        _statement(_MAKE, _NEW, _UNMET, STILL, lock(skip=True)),
        *what.arguments(conn),
        registrations.documents(what.new),
    )
    return {row["event_id"]: row["light_at"] for row in rows}
