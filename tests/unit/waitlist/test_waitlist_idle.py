"""Seats that a line would not hold back by its own rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.waitlist.domain.facts import LineRules
from services.waitlist.domain.idle import GRACE, Head, Idle, idle
from services.waitlist.domain.line import Line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINE = Line(UUID(int=1), free=2, waiting=4, length=2, rules=LineRules("offer", "fill", 1))
HEAD = Head(seats=3, rank=5, whole=False, smallest=1)


def ruled(**changes: Any) -> Line:
    return replace(LINE, rules=replace(LINE.rules, **changes))


@pytest.mark.parametrize(
    ("line", "head", "found"),
    [
        (LINE, HEAD, Idle.SMALLER),
        (LINE, replace(HEAD, smallest=3), None),
        (LINE, replace(HEAD, seats=2), Idle.HEAD),
        (LINE, None, Idle.NOBODY),
        (replace(LINE, free=0), HEAD, None),
        (replace(LINE, paused=True), None, None),
        (replace(LINE, open=False), None, None),
        (replace(LINE, passed_by=(9,)), HEAD, None),
        (replace(LINE, passed_by=(4,)), HEAD, Idle.SMALLER),
        (ruled(policy="strict"), HEAD, None),
        (ruled(policy="partial"), HEAD, Idle.PART),
        (ruled(policy="partial"), replace(HEAD, whole=True), Idle.SMALLER),
        (ruled(ends_at=NOW - GRACE), HEAD, Idle.OVER),
        (replace(ruled(ends_at=NOW - GRACE), paused=True), HEAD, Idle.OVER),
        (ruled(ends_at=NOW - GRACE + timedelta(seconds=1)), HEAD, None),
        (ruled(ends_at=NOW + GRACE), HEAD, Idle.SMALLER),
    ],
)
def test_what_the_free_seats_should_have_been_used_for(
    line: Line, head: Head | None, found: Idle | None
) -> None:
    assert idle(line, head, NOW) is found
