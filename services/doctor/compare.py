"""What is wrong with events, by one look. Pure.

Invariant: numbers of two services are compared only where nothing is on the way between them
(looking.Look.with_line, with_mails). What was said and not heard is called lost only when it is
in no outbox and not in Kafka either, and nothing has moved since the look before.
"""

from collections.abc import Iterator
from typing import Final

from services.doctor.findings import Check, Finding, Unknown
from services.doctor.looking import Look
from services.doctor.words import many, seats
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.registration.audit import Recount
from services.registration.domain import light as lights
from services.registration.domain.seats import Seats
from services.waitlist import audit as waitlist

_OWN: Final = (Check.OVERSOLD, Check.COUNTERS, Check.KEPT_FREE, Check.LIGHT)
_OF_LINE: Final = (Check.LINES, Check.LEDGER)
_BETWEEN: Final = (Check.MESSAGES, Check.ORDER, Check.HELD)
_REPAIR: Final = "`einlass doctor --repair` mends it"

Result = Iterator[Finding | Unknown]


def check(look: Look, before: Look | None) -> Result:
    """Everything that concerns events. `before` is an earlier look, where there was one."""
    if look.registration is None:
        yield from _cannot(look, "registration", (*_OWN, *_BETWEEN, Check.PEOPLE))
    else:
        for event in look.registration.events:
            yield from own(event)
    if look.waitlist is None:
        yield from _cannot(look, "waitlist", (*_OF_LINE, *_BETWEEN))
    else:
        for line in look.waitlist.lines.values():
            yield from of_line(line)
    if look.notifications is None:
        yield from _cannot(look, "notifications", (Check.MAILS, Check.PEOPLE))
    else:
        for told in look.notifications.events.values():
            if told.missing:
                words = (
                    f"of {told.people} people, {many(told.missing, 'lacks', 'lack')} the mail of "
                    "the last change"
                )
                advice = "see the dead letters of notifications"
                yield Finding(Check.MAILS, told.slug, words, advice, str(told.id))
    if look.registration is not None:
        for event in look.registration.events:
            yield from _between(look, before, event)


def _cannot(look: Look, part: str, checks: tuple[Check, ...]) -> Result:
    for one in checks:
        why = f"{part} could not be asked ({look.failed.get(part, 'not asked')})"
        yield Unknown(one, part, why)


def own(event: Recount) -> Result:
    """Registration's counters against its registrations."""
    row, counted, slug, key = event.row, event.counted, event.event.slug, str(event.event.id)
    if counted.confirmed > row.capacity or row.free < 0:
        given = max(counted.confirmed, row.confirmed + row.held)
        words = f"{many(given, 'seat is', 'seats are')} given or held, of {row.capacity}"
        advice = f"raise the capacity by {given - row.capacity}, or cancel as many"
        yield Finding(Check.OVERSOLD, slug, words, advice, key)
    wrong = [
        f"{name} says {says}, the registrations say {are}"
        for name, says, are in (
            ("confirmed", row.confirmed, counted.confirmed),
            ("waiting", row.waiting, counted.waiting),
            ("line", row.line, counted.line),
        )
        if says != are
    ]
    if counted.seq > row.seq:
        wrong.append(f"seq says {row.seq}, a registration has {counted.seq}")
    if wrong:
        yield Finding(Check.COUNTERS, slug, "; ".join(wrong), _REPAIR, key, mendable=True)
    if row.waiting and row.free > 0 and not event.line.over:
        words = (
            f"{many(row.free, 'seat is', 'seats are')} free to anybody while "
            f"{many(row.line, 'party waits', 'parties wait')}"
        )
        yield Finding(Check.KEPT_FREE, slug, words, _REPAIR, key, mendable=True)
    yield from _light(event)


def _light(event: Recount) -> Result:
    row = event.row
    try:
        counters = Seats(row.capacity, row.confirmed, row.held, row.waiting, row.line, row.seq)
    except AssertionError:
        yield Unknown(Check.LIGHT, event.event.slug, "the counters cannot be true")
        return
    should = lights.show(counters, event.line, event.event.few_left, event.light)
    if should != event.light:
        words = f"it shows {event.light or 'none'} and should show {should or 'none'}"
        key = str(event.event.id)
        yield Finding(Check.LIGHT, event.event.slug, words, _REPAIR, key, mendable=True)


def of_line(seen: waitlist.Recount) -> Result:
    """A line's counters against its entries and its ledger."""
    line, slug, key = seen.line, seen.line.slug or str(seen.line.event_id), str(seen.line.event_id)
    wrong = [
        f"{name} says {says}, the entries say {are}"
        for name, says, are in (
            ("waiting", line.waiting, seen.waiting),
            ("length", line.length, seen.length),
        )
        if says != are
    ]
    if wrong:
        yield Finding(Check.LINES, slug, "; ".join(wrong), _REPAIR, key, mendable=True)
    elif seen.idle is not None:
        yield Finding(Check.LINES, slug, _idle(seen, seen.idle), _REPAIR, key, mendable=True)
    if line.free != seen.free:
        words = (
            f"{many(seen.freed, 'seat was', 'seats were')} freed, {seen.promoted} promoted and "
            f"{seen.released} released, which leaves {seen.free}, and the line says {line.free}"
        )
        mendable = seen.free >= 0
        yield Finding(Check.LEDGER, slug, words, _REPAIR if mendable else "", key, mendable)
    if seen.twice:
        words = (
            f"{many(seen.twice, 'promotion was', 'promotions were')} of somebody promoted before"
        )
        yield Finding(Check.LEDGER, slug, words, "", f"{key} twice")
    if seen.joined != seen.entries:
        words = f"the ledger tells of {seen.joined} who joined, and there are {seen.entries}"
        yield Finding(Check.LEDGER, slug, words, "", f"{key} joined")


def _idle(seen: waitlist.Recount, idle: waitlist.Idle) -> str:
    """What should have become of a line's free seats."""
    free = seen.line.free
    held = many(free, "seat is", "seats are")
    match idle:
        case waitlist.Idle.NOBODY:
            return f"{held} held for a line in which nobody waits"
        case waitlist.Idle.OVER:
            return f"{held} held for a line whose end has come"
        case waitlist.Idle.SMALLER:
            return f"{held} free, a smaller party may pass the first, and nobody moved up"
        case waitlist.Idle.HEAD | waitlist.Idle.PART:
            wants = seats(seen.head.seats) if seen.head else "some"
            is_free = many(free, "is", "are")
            return f"the first in line wants {wants}, {is_free} free, and nobody moved up"


def _between(look: Look, before: Look | None, event: Recount) -> Result:
    if look.waitlist is not None:
        if look.with_line(event):
            letters = look.registration is not None and (
                look.registration.messages.letter_count + look.waitlist.messages.letter_count
            )
            line = look.waitlist.lines.get(event.event.id)
            yield from _line_against(event, line, set_aside=bool(letters))
        else:
            yield from _moving(look, before, event, waitlist.CONSUMER, _BETWEEN)
    if look.notifications is not None:
        if look.with_mails(event):
            told = look.notifications.events.get(event.event.id)
            if event.people_digest != (told.people_digest if told else 0):
                words = "notifications knows other people, or knows them to stand otherwise"
                yield Finding(Check.PEOPLE, event.event.slug, words, "", str(event.event.id))
        else:
            yield from _moving(look, before, event, notifications.CONSUMER, (Check.PEOPLE,))


def _line_against(event: Recount, seen: waitlist.Recount | None, *, set_aside: bool) -> Result:
    """The line at rest against registration's counters and people. Where messages are `set_aside`
    or a promotion was not answered, held seats may be somebody's and are not to be mended."""
    slug, key = event.event.slug, str(event.event.id)
    free = seen.line.free if seen else 0
    if event.row.held != free + event.counted.offered:
        offered = event.counted.offered
        words = f"registration holds {seats(event.row.held)} back, the line knows of {free}"
        words += f" and {many(offered, 'is', 'are')} offered" if offered else ""
        somebodys = set_aside or (seen is not None and seen.awaited > 0)
        advice = "replay the dead letters first" if somebodys else _REPAIR
        yield Finding(Check.HELD, slug, words, advice, key, mendable=not somebodys)
    called_off = event.event.status == "called_off"
    if seen is not None and seen.line.open == called_off:
        words = f"the line is {'open' if called_off else 'closed'}, the event is " + (
            "called off" if called_off else "not called off"
        )
        yield Finding(Check.ORDER, slug, words, "", f"{key} open")
    # Of an event called off or a line that is over, promotions on their way came back: those
    # parties wait as before.
    still = called_off or event.line.over
    ours = (seen.open_digest if still else seen.line_digest) if seen else 0
    if event.line_digest != ours:
        words = "not the same parties wait in registration and in the line, or not in one order"
        yield Finding(Check.ORDER, slug, words, "", key)
    if seen is not None and seen.awaited and not still:
        words = (
            f"{many(seen.awaited, 'party was', 'parties were')} promoted and registration "
            "never answered"
        )
        advice = "see the dead letters of registration and of the waitlist"
        yield Finding(Check.ORDER, slug, words, advice, f"{key} unanswered")


def _moving(
    look: Look, before: Look | None, event: Recount, listener: str, checks: tuple[Check, ...]
) -> Result:
    """Of an event that is not at rest: lost, or on its way."""
    slug, event_id = event.event.slug, event.event.id
    for one in checks:
        yield Unknown(one, slug, "messages are on their way")
    if before is None or not look.steady(event) or not _stood_still(look, before, event):
        return
    said, had = look.progress(event)
    heard = _heard(look, event, listener)
    name = "the waitlist" if listener == waitlist.CONSUMER else "notifications"
    if heard > said:
        words = f"{name} has heard message {heard}, and registration says that it said {said}"
        advice = f"was registration restored from a backup? {_REPAIR}"
        yield Finding(Check.MESSAGES, slug, words, advice, f"{event_id} {listener}", mendable=True)
    elif heard < said and look.under_way(event_id, listener) is False:
        words = (
            f"registration said message {said}, {name} has heard up to {heard}, none is on its way"
        )
        yield Finding(Check.MESSAGES, slug, words, _LOST, f"{event_id} {listener}")
    if listener != waitlist.CONSUMER or look.waitlist is None:
        return
    line = look.waitlist.lines.get(event_id)
    wished = line.seq if line else 0
    if had != wished and look.under_way(event_id, registration.CONSUMER) is False:
        words = (
            f"the waitlist said message {wished}, registration has heard up to {had}, none is on "
            "its way"
        )
        yield Finding(Check.MESSAGES, slug, words, _LOST, f"{event_id} {registration.CONSUMER}")


_LOST: Final = "messages were lost, or a database was restored from a backup: docs/runbook.md"


def _heard(look: Look, event: Recount, listener: str) -> int:
    seen = look.waitlist if listener == waitlist.CONSUMER else look.notifications
    return seen.messages.had.get(event.event.id, 0) if seen is not None else 0


def _stood_still(look: Look, before: Look, event: Recount) -> bool:
    """Whether no side has said or heard anything of the event since the look before."""
    if before.registration is None or before.positions.get(event.event.id) != look.progress(event):
        return False
    for listener in (waitlist.CONSUMER, notifications.CONSUMER):
        if _heard(before, event, listener) != _heard(look, event, listener):
            return False
    then = before.waitlist.lines.get(event.event.id) if before.waitlist else None
    now = look.waitlist.lines.get(event.event.id) if look.waitlist else None
    return (then.seq if then else 0) == (now.seq if now else 0)
