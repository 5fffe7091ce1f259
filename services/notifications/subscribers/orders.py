"""What operators do: ending a subscription, the suppression list, import and export.

Invariant: each order is a row of the journal with the operator's name and reason, committed with
what it does. An import is done in batches, each a transaction; done again, it changes nothing
more.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import Database
from services.notifications.subscribers.domain import files
from services.notifications.subscribers.domain.errors import (
    NotSubscribed,
    UnknownSubscriber,
    UnknownSuppression,
)
from services.notifications.subscribers.domain.files import Line, Skipped, Why
from services.notifications.subscribers.repository import (
    importing,
    listing,
    mails,
    people,
    suppression,
)

IMPORT_BATCH: Final = 500
EXPORT_BATCH: Final = 1_000
SKIPPED_SHOWN: Final = 1_000


async def unsubscribe(
    conn: AsyncConnection, subscriber_id: UUID, by: str, why: str, now: datetime
) -> None:
    """Ends a subscription as the person asked by another way. They may come back by themselves.
    Raises UnknownSubscriber, NotSubscribed."""
    found = await people.lock(conn, subscriber_id)
    if found is None:
        raise UnknownSubscriber
    if found.status not in ("active", "paused"):
        raise NotSubscribed
    await people.end(conn, found.id, "left", now)
    if await suppression.of_address(conn, found.digest) is None:
        await suppression.put(conn, found.digest, "left", now, by, why)
    await people.tell(conn, "left", found.digest, now, subscriber_id=found.id, by=by, why=why)


async def erase(
    conn: AsyncConnection, subscriber_id: UUID, by: str, why: str, now: datetime
) -> None:
    """Deletes all that is kept of a person, with the evidence and what mails say. The hash of the
    address stays on the suppression list, so that no import brings it back. Raises
    UnknownSubscriber."""
    found = await people.lock(conn, subscriber_id)
    if found is None:
        raise UnknownSubscriber
    if await suppression.of_address(conn, found.digest) is None:
        await suppression.put(conn, found.digest, "left", now, by, why)
    await mails.forget(conn, subscriber_id)
    await people.erase(conn, subscriber_id)
    await people.tell(conn, "erased", found.digest, now, by=by, why=why)


async def release(conn: AsyncConnection, number: int, by: str, why: str, now: datetime) -> None:
    """Takes an address off the suppression list, by the id of its row. Nothing is sent to it
    before the person asks for it and confirms. Raises UnknownSuppression."""
    found = await suppression.one(conn, number)
    if found is None:
        raise UnknownSuppression
    digest, there = found
    person = await people.lock_address(conn, digest)
    await suppression.take_off(conn, digest)
    if person is not None and person.status == "suppressed":
        await people.end(conn, person.id, "left", now)
    await people.tell(
        conn,
        "released",
        digest,
        now,
        subscriber_id=person.id if person is not None else None,
        by=by,
        why=why,
        details={"reason": there.reason},
    )


@dataclass(slots=True)
class Report:
    """What an import did. `taken` are subscribers now, `suppressed` addresses on the list now;
    `skipped` counts lines by why, and `lines` are the first of them."""

    taken: int = 0
    suppressed: int = 0
    skipped: Counter[Why] = field(default_factory=Counter)
    lines: list[Skipped] = field(default_factory=list)

    def skip(self, number: int, why: Why) -> None:
        """Counts a line that was not taken."""
        self.skipped[why] += 1
        if len(self.lines) < SKIPPED_SHOWN:
            self.lines.append(Skipped(number, why))


async def import_file(
    db: Database,
    text: str,
    *,
    locale: Locale,
    by: str,
    why: str,
    now: datetime,
) -> Report:
    """Takes a CSV file (domain.files). `locale`: of those whose language it does not say. `by`
    vouches for the consent of whom it names. Raises NotACsvFile."""
    report = Report()
    rows = files.read(text, locale)
    while batch := list(islice(rows, IMPORT_BATCH)):
        for one in batch:
            if isinstance(one, Skipped):
                report.skip(one.number, one.why)
        wanted = [one for one in batch if isinstance(one, Line)]
        async with db.transaction() as conn:
            await _take(conn, wanted, report, by, why, now)
    report.lines.sort(key=lambda line: line.number)
    return report


async def _take(
    conn: AsyncConnection,
    lines: Sequence[Line],
    report: Report,
    by: str,
    why: str,
    now: datetime,
) -> None:
    join = [one for one in lines if one.wish in ("active", "paused")]
    end = [one for one in lines if one.wish in ("left", "suppressed")]
    await suppression.hold_list(conn)
    taken = await importing.take(conn, join, now, by, why) if join else set()
    ended = await importing.suppress(conn, end, now, by, why) if end else set()
    report.taken += len(taken)
    report.suppressed += len(ended)
    rest = [one for one in lines if one.address.digest not in taken | ended]
    if rest:
        reasons = await importing.why_not(conn, [one.address.digest for one in rest])
        for one in rest:
            report.skip(one.number, reasons[one.address.digest])


async def export(db: Database) -> AsyncIterator[str]:
    """All subscribers as a CSV file, in parts, oldest first."""
    yield files.heading()
    after: UUID | None = None
    while True:
        async with db.read() as conn:
            found = await listing.for_export(conn, after, EXPORT_BATCH)
        if not found:
            return
        yield files.lines(found)
        after = found[-1][0].id


def report_lines(report: Report) -> Iterator[str]:
    """A report in words, a line each, for a terminal."""
    yield f"taken: {report.taken}"
    yield f"suppressed: {report.suppressed}"
    yield from _counts(report.skipped.items())
    for line in report.lines:
        yield f"  line {line.number}: {line.why}"


def _counts(found: Iterable[tuple[Why, int]]) -> Iterator[str]:
    for why, count in sorted(found):
        yield f"skipped, {why}: {count}"
