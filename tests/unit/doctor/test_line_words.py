"""What is said of a line that holds seats back against its own rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.doctor.compare import of_line
from services.doctor.findings import Check, Finding
from services.waitlist.audit import Line, Recount
from services.waitlist.domain.facts import LineRules
from services.waitlist.domain.idle import Head

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = LineRules("offer", "fill", 1)
LINE = Line(UUID(int=1), "seminar", "Seminar", free=2, waiting=4, length=2, rules=RULES)
HEAD = Head(seats=3, rank=5, whole=False, smallest=1)


def seen(line: Line, **changes: Any) -> Recount:
    found = Recount(
        line=line,
        seq=0,
        waiting=line.waiting,
        length=line.length,
        unanswered=1,
        entries=2,
        freed=line.free,
        promoted=0,
        released=0,
        joined=2,
        twice=0,
        head=HEAD,
        at=NOW,
        line_digest=Decimal(0),
        open_digest=Decimal(0),
    )
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("line", "head", "words"),
    [
        (LINE, HEAD, "2 seats are free, a smaller party may pass the first, and nobody moved up"),
        (
            LINE,
            replace(HEAD, seats=2),
            "the first in line wants 2 seats, 2 are free, and nobody moved up",
        ),
        (
            replace(LINE, rules=replace(RULES, policy="partial")),
            HEAD,
            "the first in line wants 3 seats, 2 are free, and nobody moved up",
        ),
        (
            replace(LINE, rules=replace(RULES, ends_at=NOW - timedelta(hours=1))),
            HEAD,
            "2 seats are held for a line whose end has come",
        ),
        (LINE, None, "2 seats are held for a line in which nobody waits"),
    ],
)
def test_idle_seats_are_told_and_can_be_mended(line: Line, head: Head | None, words: str) -> None:
    [found] = of_line(seen(line, head=head))
    assert isinstance(found, Finding)
    assert (found.check, found.words, found.mendable) == (Check.LINES, words, True)


def test_seats_that_are_held_by_the_rules_are_no_finding() -> None:
    for line in (
        replace(LINE, paused=True),
        replace(LINE, open=False),
        replace(LINE, passed_by=(9,)),
        replace(LINE, rules=replace(RULES, policy="strict")),
    ):
        assert list(of_line(seen(line))) == []


def test_of_a_line_that_is_over_no_answer_is_awaited() -> None:
    assert seen(LINE).awaited == 1
    assert seen(replace(LINE, open=False)).awaited == 0
    assert seen(replace(LINE, rules=replace(RULES, ends_at=NOW))).awaited == 0
