"""Mending counters, each by the service that owns them.

Invariant: nobody's lot is decided here. The line's counters follow its entries and ledger, then
the line's own rule is asked; registration's follow its registrations under the event's lock, and
what comes free while somebody waits is held and said through the outbox. Registrations, entries
and ledgers are never written. Held seats are left alone while a message that may be about them
is on its way or set aside, since its person would be passed over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from services.doctor.findings import Check, Finding
from services.doctor.sources import Sources
from services.doctor.words import seats
from services.kit import audit as tables
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.registration.changes import Changes
from services.registration.domain.recount import CannotMend, Row
from services.registration.lights import Lights
from services.waitlist import audit as waitlist


@dataclass(frozen=True, slots=True)
class Mending:
    """What was done about one event, or why nothing was."""

    subject: str
    words: str
    done: bool


async def lines(sources: Sources, findings: Sequence[Finding]) -> list[Mending]:
    """Mends the lines that the findings are about."""
    done = []
    for event_id, slug in _events(findings, (Check.LINES, Check.LEDGER)):
        try:
            mended = await waitlist.mend_counters(sources.waitlist, sources.clock, event_id)
        except (LookupError, ValueError, DBAPIError, OSError) as error:
            done.append(Mending(slug, f"line not mended: {_reason(error)}", False))
            continue
        before, after = mended.before, mended.counted
        words = _differences(
            (name, getattr(before, name), getattr(after, name))
            for name in ("free", "waiting", "length")
        )
        done.append(Mending(slug, f"line: {words or 'counters right, its rule was asked'}", True))
    return done


async def counters(sources: Sources, findings: Sequence[Finding]) -> list[Mending]:
    """Mends registration's counters and lights of the events that the findings are about."""
    checks = (Check.COUNTERS, Check.KEPT_FREE, Check.LIGHT, Check.HELD, Check.MESSAGES)
    lights = Lights(sources.redis_url)
    lights.channel.start()
    try:
        return [
            await _counters(sources, Changes(lights), event_id, slug)
            for event_id, slug in _events(findings, checks)
        ]
    finally:
        await lights.channel.stop()


async def _counters(sources: Sources, changes: Changes, event_id: UUID, slug: str) -> Mending:
    async def ask(said: int, had: int) -> tuple[int | None, int]:
        line = await waitlist.standing(sources.waitlist, event_id)
        async with sources.notifications.read() as conn:
            told = (await tables.had(conn, notifications.CONSUMER)).get(event_id, 0)
        if line is None:
            return (0 if said == 0 else None), told
        rests = line.had == said and line.seq == had and not line.letters
        rests = rests and not line.awaited
        return (line.line.free if rests else None), max(line.had, told)

    try:
        mended = await registration.mend_counters(
            sources.registration, changes, sources.clock, event_id, ask
        )
    except (CannotMend, LookupError, AssertionError, DBAPIError, OSError) as error:
        return Mending(slug, f"seats not mended: {_reason(error)}", False)
    words = _differences(
        (name, getattr(mended.before, name), getattr(mended.after, name))
        for name in Row.__dataclass_fields__
    )
    freed = f"; {seats(mended.freed)} freed for the line" if mended.freed else ""
    return Mending(slug, f"seats: {words or 'counters right'}{freed}", True)


def _events(findings: Sequence[Finding], checks: Sequence[Check]) -> list[tuple[UUID, str]]:
    """The events that the mendable findings of these checks are about, each once."""
    found = {
        UUID(one.key.split()[0]): one.subject
        for one in findings
        if one.mendable and one.check in checks
    }
    return sorted(found.items())


def _differences(pairs: Iterable[tuple[str, int, int]]) -> str:
    return ", ".join(f"{name} {was} -> {now}" for name, was, now in pairs if was != now)


def _reason(error: Exception) -> str:
    """Why, without what a database quotes of a row."""
    return type(error).__name__ if isinstance(error, DBAPIError) else str(error)
