"""Why somebody was or was not promoted: every case in a sentence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.waitlist.domain.facts import LineRules
from services.waitlist.domain.line import Actor, Entry, Kind, Line, Reason, Record, State
from services.waitlist.domain.model import LedgerRow
from services.waitlist.domain.why import (
    Since,
    Story,
    WaitsFor,
    because,
    meanwhile,
    missing,
    told,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO = UUID(int=2)
LINE = Line(UUID(int=1), "seminar", "Seminar", free=2, waiting=9, length=5)
ENTRY = Entry(WHO, 7, 3, NOW, 7)
NOTHING = Since(0, 0, 0, 0, 0)


def row(kind: Kind, **changes: Any) -> LedgerRow:
    """A row of its ledger."""
    record = Record(kind, 3, NOW, Actor.LINE, WHO)
    return LedgerRow(1, replace(record, **changes))


def story(*rows: LedgerRow, before: int = 0, **changes: Any) -> Story:
    return Story(replace(ENTRY, **changes), before, 2 * before, rows, NOTHING)


def rules(policy: Any, **changes: Any) -> LineRules:
    return replace(LineRules("offer", policy), **changes)


def answer(line: Line, story: Story) -> tuple[WaitsFor, str]:
    found = because(line, story, NOW)
    return found.waits_for, found.sentence


PROMOTED = row(Kind.PROMOTED, reason=Reason.FIRST_IN_LINE)


@pytest.mark.parametrize(
    ("line", "changes", "waits_for", "sentence"),
    [
        (
            replace(LINE, open=False, paused=True),
            {},
            WaitsFor.NOTHING,
            "The event is called off, so nobody moves up any more.",
        ),
        (
            replace(LINE, paused=True, rules=rules("strict", ends_at=NOW)),
            {},
            WaitsFor.NOTHING,
            "The line ended on 1 March 2026, 12:00 UTC; nobody moves up any more.",
        ),
        (
            replace(LINE, free=0),
            {"before": 4},
            WaitsFor.TURN,
            "4 parties are before it, with 8 seats.",
        ),
        (
            replace(LINE, free=0),
            {"before": 1},
            WaitsFor.TURN,
            "1 party is before it, with 2 seats.",
        ),
        (
            LINE,
            {"before": 4, "seats": 2},
            WaitsFor.TURN,
            "2 seats are free and it would fit, but 4 parties are before it and the policy is "
            "strict: nobody is passed.",
        ),
        (
            replace(LINE, rules=rules("fill")),
            {"before": 1, "seats": 1},
            WaitsFor.TURN,
            "2 seats are free and it would fit, but 1 party is before it, and the first has been "
            "passed 3 times, which is the bound.",
        ),
        (
            replace(LINE, free=0),
            {},
            WaitsFor.SEATS,
            "It is first in line and no seat is free; the next to be freed comes to it.",
        ),
        (
            LINE,
            {},
            WaitsFor.SEATS,
            "2 seats are free, the party needs 3 and the policy is strict: what is free stays "
            "held for it.",
        ),
        (
            replace(LINE, rules=rules("fill"), passed_by=(3, 9)),
            {},
            WaitsFor.SEATS,
            "2 seats are free, the party needs 3; smaller parties may pass it, which has happened "
            "1 time of 3.",
        ),
        (
            replace(LINE, free=1, rules=rules("partial")),
            {"whole": True},
            WaitsFor.SEATS,
            "1 seat is free, the party needs 3, and it has declined a part; smaller parties may "
            "pass it, which has happened 0 times of 3.",
        ),
        (
            replace(LINE, rules=rules("partial")),
            {},
            WaitsFor.MENDING,
            "It is first in line, 2 seats are free for it, and it was not promoted: that is a "
            "mistake, which `einlass doctor --repair` mends.",
        ),
        (
            replace(LINE, free=3),
            {},
            WaitsFor.MENDING,
            "It is first in line, 3 seats are free for it, and it was not promoted: that is a "
            "mistake, which `einlass doctor --repair` mends.",
        ),
        (replace(LINE, paused=True), {}, WaitsFor.RESUME, "The line is paused."),
    ],
)
def test_who_waits(line: Line, changes: dict[str, Any], waits_for: WaitsFor, sentence: str) -> None:
    assert answer(line, story(**changes)) == (waits_for, sentence)


def test_who_waits_in_a_paused_line_is_told_by_whom_and_why() -> None:
    pause = Record(Kind.PAUSED, 0, NOW, Actor.OPERATOR, by="Ada", why="the hall is not sure")
    paused = replace(story(before=2), pause=pause)
    assert answer(replace(LINE, paused=True), paused) == (
        WaitsFor.RESUME,
        "The line is paused since 1 March 2026, 12:00 UTC by Ada, because: the hall is not sure",
    )


@pytest.mark.parametrize(
    ("reason", "changes", "how"),
    [
        (Reason.FIRST_IN_LINE, {}, "as the first in line"),
        (
            Reason.FITS_BEFORE_HEAD,
            {},
            "since its party fitted and the one before it did not",
        ),
        (Reason.PART_OF_PARTY, {"seats": 1}, "for 1 of its 3 seats"),
        (Reason.BY_HAND, {"by": "Ada", "why": "a speaker"}, "by hand by Ada (a speaker)"),
    ],
)
def test_who_was_promoted_is_told_how(reason: Reason, changes: dict[str, Any], how: str) -> None:
    promoted = row(Kind.PROMOTED, reason=reason, **changes)
    assert answer(LINE, story(promoted, state=State.PROMOTED)) == (
        WaitsFor.REGISTRATION,
        f"It was promoted on 1 March 2026, 12:00 UTC {how}; registration has not answered yet.",
    )


@pytest.mark.parametrize(
    ("line", "end"),
    [
        (replace(LINE, open=False), "the event was called off before registration answered."),
        (
            replace(LINE, rules=rules("strict", ends_at=NOW)),
            "the line's end came before registration answered.",
        ),
    ],
)
def test_a_promotion_may_have_come_too_late(line: Line, end: str) -> None:
    assert answer(line, story(PROMOTED, state=State.PROMOTED)) == (
        WaitsFor.NOTHING,
        f"It was promoted on 1 March 2026, 12:00 UTC as the first in line, but {end}",
    )


def test_an_offer_waits_for_an_answer() -> None:
    until = NOW + timedelta(hours=20)
    offer = row(Kind.OFFERED, seats=2, actor=Actor.REGISTRATION)
    assert answer(LINE, story(PROMOTED, offer, state=State.OFFERED, until=until)) == (
        WaitsFor.ANSWER,
        "It was promoted on 1 March 2026, 12:00 UTC as the first in line, and 2 seats are held "
        "for it until 2 March 2026, 08:00 UTC.",
    )


def test_who_was_confirmed_has_what_it_was_given() -> None:
    given = row(Kind.CONFIRMED, seats=3)
    assert answer(LINE, story(PROMOTED, given, state=State.CONFIRMED)) == (
        WaitsFor.NOTHING,
        "It was promoted on 1 March 2026, 12:00 UTC as the first in line and was given 3 seats.",
    )


def test_without_its_promotion_in_the_ledger_the_answer_says_what_it_can() -> None:
    assert answer(LINE, story(state=State.PROMOTED))[1] == (
        "It was promoted; registration has not answered yet."
    )
    assert answer(LINE, story(state=State.OFFERED))[1] == (
        "Registration offered it a place, and 3 seats are held for it."
    )
    assert answer(LINE, story(state=State.CONFIRMED))[1] == "Registration confirmed it."
    assert answer(LINE, story(state=State.LEFT))[1] == "It has left the line."


@pytest.mark.parametrize(
    ("reason", "rows", "sentence"),
    [
        (None, [], "It left the line on 1 March 2026, 12:00 UTC."),
        (
            Reason.LAPSED,
            [],
            "It left the line on 1 March 2026, 12:00 UTC, when another of its events had a place.",
        ),
        (
            Reason.DECLINED,
            [PROMOTED],
            "It was promoted on 1 March 2026, 12:00 UTC as the first in line, and declined on 1 "
            "March 2026, 12:00 UTC.",
        ),
        (
            Reason.EXPIRED,
            [],
            "It was offered a place, and its offer ran out on 1 March 2026, 12:00 UTC.",
        ),
        (
            Reason.LEFT_AFTER_PROMOTION,
            [],
            "It was promoted, and left on 1 March 2026, 12:00 UTC before it had its seats.",
        ),
    ],
)
def test_who_has_left(reason: Reason | None, rows: list[LedgerRow], sentence: str) -> None:
    gone = row(Kind.LEFT, reason=reason)
    assert answer(LINE, story(*rows, gone, state=State.LEFT)) == (WaitsFor.NOTHING, sentence)


def test_what_a_party_lacks_is_counted_while_it_waits() -> None:
    assert missing(LINE, ENTRY) == 1
    assert missing(LINE, replace(ENTRY, seats=2)) == 0
    assert missing(LINE, replace(ENTRY, state=State.PROMOTED)) == 0


def test_what_happened_meanwhile() -> None:
    assert meanwhile(Since(3, 2, 1, 0, 0)) == (
        "While it waited, 3 seats were freed; 1 party moved up with 2 seats."
    )
    assert meanwhile(Since(1, 4, 2, 1, 0)) == (
        "While it waited, 1 seat was freed; 2 parties moved up with 4 seats, 1 of them joined "
        "later."
    )


def test_a_row_of_the_ledger_in_words() -> None:
    skipped = row(Kind.SKIPPED, seats=0, reason=Reason.PASSED_BY_SMALLER, number=2)
    assert told(skipped.record) == (
        "1 March 2026, 12:00 UTC  skipped, 2, passed by smaller (by line)"
    )
    priority = Record(Kind.PRIORITY, 0, NOW, Actor.OPERATOR, WHO, None, 5, "Ada", "a speaker")
    assert told(priority) == "1 March 2026, 12:00 UTC  priority, 5 (by operator Ada: a speaker)"
    assert told(row(Kind.JOINED, actor=Actor.REGISTRATION).record) == (
        "1 March 2026, 12:00 UTC  joined, 3 seats (by registration)"
    )
