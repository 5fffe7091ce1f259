"""What the doctor found, for people and for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.doctor.findings import TITLES, Check, Verdict
from services.doctor.looking import Look
from services.doctor.repair import Mending
from services.doctor.words import parties
from services.registration.audit import Recount

_WHYS_SHOWN: Final = 3


def table(verdict: Verdict, details: bool) -> Iterator[str]:
    """A line a check; below it what is wrong, or why it cannot be told."""
    for check in Check:
        state = verdict.state(check)
        yield f"{state:<12}{TITLES[check]}"
        for found in (f for f in verdict.findings if f.check is check):
            yield f"              {found.subject}: {found.words}"
            if found.advice:
                yield f"                {found.advice}"
        unknown = [u for u in verdict.unknown if u.check is check]
        shown = unknown if details else unknown[:_WHYS_SHOWN]
        for why in shown if state == "cannot tell" or details else ():
            yield f"              {why.subject}: {why.words}"
        if state == "cannot tell" and len(shown) < len(unknown):
            yield f"              and {len(unknown) - len(shown)} more"


def event(look: Look, seen: Recount) -> Iterator[str]:
    """The numbers of one event as each service has them."""
    row, counted, key = seen.row, seen.counted, seen.event.id
    yield f"{seen.event.slug}, {seen.event.status}, light {seen.light or 'none'}"
    yield (
        f"  seats          {row.capacity} in all, {row.confirmed} confirmed, {row.held} held, "
        f"{row.free} free; {row.waiting} waited for by {parties(row.line)}"
    )
    yield (
        f"  registrations  {counted.confirmed} confirmed; {counted.waiting} waited for by "
        f"{parties(counted.line)}"
    )
    line = look.waitlist.lines.get(key) if look.waitlist else None
    if line is not None:
        yield (
            f"  line           {line.line.free} free; {line.line.waiting} waited for by "
            f"{parties(line.line.length)}; {line.unanswered} promoted and not answered"
        )
        yield (
            f"  ledger         {line.freed} freed, {line.promoted} promoted, {line.released} "
            f"released, {line.free} left"
        )
    told = look.notifications.events.get(key) if look.notifications else None
    if told is not None:
        yield f"  mails          {told.people} people, {told.missing} without their last mail"
    said, had = look.progress(seen)
    yield f"  messages       registration said {said} and heard {had} of {line.seq if line else 0}"
    for name, part in (("waitlist", look.waitlist), ("notifications", look.notifications)):
        if part is not None:
            yield f"                 {name} heard {part.messages.had.get(key, 0)}"


def as_json(
    verdict: Verdict, mended: Sequence[Mending] = (), answer: Sequence[str] = ()
) -> dict[str, Any]:
    """The same for programs: `healthy`, `checks`, `findings`, `unknown`, `mended`, `answer`."""
    return {
        "healthy": verdict.healthy,
        "checks": {check.value: verdict.state(check) for check in Check},
        "findings": [
            {
                "check": f.check.value,
                "subject": f.subject,
                "words": f.words,
                "advice": f.advice,
                "mendable": f.mendable,
            }
            for f in verdict.findings
        ],
        "unknown": [
            {"check": u.check.value, "subject": u.subject, "words": u.words}
            for u in verdict.unknown
        ],
        "mended": [{"subject": m.subject, "words": m.words, "done": m.done} for m in mended],
        "answer": list(answer),
    }
