"""Looks until what is on its way has arrived, or until patience is at its end.

Invariant: only what every look of a row shows is reported, so that something that was seen
half-way is not. What keeps moving is told as "cannot tell", with the reason.
"""

import asyncio
import time
from dataclasses import replace
from typing import Final
from uuid import UUID

from services.doctor import compare, looking, plumbing
from services.doctor.findings import Check, Finding, Unknown, Verdict
from services.doctor.looking import Look
from services.doctor.sources import Sources, address, unreachable
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.waitlist import audit as waitlist

PATIENCE_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.5
SHOWN: Final = 10


async def examine(
    sources: Sources, event_id: UUID | None = None, patience: float = PATIENCE_SECONDS
) -> tuple[Verdict, Look]:
    """What is wrong, and the last look. Looks twice at least where anything is or may be."""
    until = time.monotonic() + patience
    before: Look | None = None
    kept: set[tuple[Check, str, str]] | None = None
    while True:
        look = await looking.look(sources, event_id)
        verdict = _verdict(look, before)
        seen = {found.same for found in verdict.findings}
        # What only a second look can show is new in it.
        kept = seen if kept is None else (kept & seen) | {s for s in seen if s[0] is Check.MESSAGES}
        verdict = replace(verdict, findings=[f for f in verdict.findings if f.same in kept])
        if not _moves(verdict) and (before is not None or not verdict.findings):
            break
        if before is not None and time.monotonic() > until:
            break
        before = look
        await asyncio.sleep(PAUSE_SECONDS)
    servers = [*address(sources.public_url), *await unreachable(sources)]
    findings = [*servers, *[await _explained(sources, found) for found in verdict.findings]]
    return replace(verdict, findings=findings), look


def _verdict(look: Look, before: Look | None) -> Verdict:
    results = [*plumbing.check(look), *compare.check(look, before)]
    return Verdict(
        findings=[one for one in results if isinstance(one, Finding)],
        unknown=[one for one in results if isinstance(one, Unknown)],
    )


def _moves(verdict: Verdict) -> bool:
    return any(one.check in (Check.ORDER, Check.PEOPLE) for one in verdict.unknown)


async def _explained(sources: Sources, found: Finding) -> Finding:
    """The finding with the registrations that it is about."""
    if found.check not in (Check.ORDER, Check.PEOPLE, Check.MAILS):
        return found
    try:
        event_id = UUID(found.key)
    except ValueError:
        return found
    if found.check is Check.MAILS:
        ids = await notifications.without_mail(sources.notifications, event_id, SHOWN)
        return replace(found, words=f"{found.words}: {', '.join(map(str, ids))}")
    told = _in_line if found.check is Check.ORDER else _in_mails
    differences = await told(sources, event_id)
    return replace(found, words="; ".join([found.words, *differences[:SHOWN]]))


async def _in_line(sources: Sources, event_id: UUID) -> list[str]:
    ours = {one.id: one for one in await registration.line(sources.registration, event_id)}
    theirs = {
        one.registration_id: one for one in await waitlist.entries(sources.waitlist, event_id)
    }
    told = [f"{one} waits and does not stand in the line" for one in ours.keys() - theirs.keys()]
    told += [f"{one} stands in the line and does not wait" for one in theirs.keys() - ours.keys()]
    for one in ours.keys() & theirs.keys():
        here, there = ours[one], theirs[one]
        if (here.rank, here.seats) != (there.rank, there.seats):
            told.append(
                f"{one} has rank {here.rank} with {here.seats} seats here, and "
                f"{there.rank} with {there.seats} there"
            )
    return sorted(told)


async def _in_mails(sources: Sources, event_id: UUID) -> list[str]:
    ours = await registration.states(sources.registration, event_id)
    theirs = await notifications.states(sources.notifications, event_id)
    told = [f"{one} is not known to notifications" for one in ours.keys() - theirs.keys()]
    told += [f"{one} is known to notifications alone" for one in theirs.keys() - ours.keys()]
    for one in ours.keys() & theirs.keys():
        here, there = ours[one], theirs[one]
        if (here.status, here.revision, here.seats) != (there.status, there.revision, there.seats):
            told.append(
                f"{one} is {here.status} (revision {here.revision}), and notifications says "
                f"{there.status} (revision {there.revision})"
            )
    return sorted(told)
