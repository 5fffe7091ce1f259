"""A line against its plain model, in any order of events; see machine.py.

A failing run prints the blob that repeats it (`@reproduce_failure`), and pytest the seed. With
`EINLASS_LONG=1` it runs many times as long.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.waitlist.domain import line as lines
from services.waitlist.domain import turn
from services.waitlist.domain.facts import Returned
from services.waitlist.domain.model import Line
from tests.unit.waitlist.machine import Waiting

LONG: Final = bool(os.environ.get("EINLASS_LONG"))

TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(
    max_examples=8000 if LONG else 250,
    stateful_step_count=70,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


# With one rule broken the machine finds it.
Break = Callable[[pytest.MonkeyPatch], None]


def _the_bound_is_one_too_high(patch: pytest.MonkeyPatch) -> None:
    right = turn.Turn.__init__

    def wrong(self: turn.Turn, line: Line, known: Any, now: datetime) -> None:
        rules = replace(line.rules, passes=line.rules.passes + 1)
        right(self, replace(line, rules=rules), known, now)

    patch.setattr(turn.Turn, "__init__", wrong)


def _who_passed_is_forgotten_at_once(patch: pytest.MonkeyPatch) -> None:
    right = turn.Turn._pass

    def wrong(self: turn.Turn, head: lines.Entry) -> bool:
        self.passed_by = ()
        return right(self, head)

    patch.setattr(turn.Turn, "_pass", wrong)


def _a_part_is_offered_again(patch: pytest.MonkeyPatch) -> None:
    right = turn.Turn._returned

    def wrong(self: turn.Turn, fact: Returned, entry: lines.Entry) -> None:
        right(self, replace(fact, whole=False), entry)

    patch.setattr(turn.Turn, "_returned", wrong)


def _a_pause_stops_nothing(patch: pytest.MonkeyPatch) -> None:
    right = turn.Turn.advance

    def wrong(self: turn.Turn) -> None:
        line = self.line
        self.line = replace(line, paused=False)
        right(self)
        self.line = line

    patch.setattr(turn.Turn, "advance", wrong)


def _an_end_moves_on_regardless(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Line, "over", lambda self, now: False)


def _a_priority_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turn, "PRIORITY_STEP", 0)


def _an_end_put_off_brings_nobody_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turn, "moves_end", lambda rules, fact: False)


def _too_few_small_parties_are_read(patch: pytest.MonkeyPatch) -> None:
    right = lines.needed

    def wrong(line: Line, facts: Any) -> lines.Needed:
        return replace(right(line, facts), sizes=0)

    patch.setattr(lines, "needed", wrong)


def _too_few_heads_are_read(patch: pytest.MonkeyPatch) -> None:
    right = lines.needed

    def wrong(line: Line, facts: Any) -> lines.Needed:
        found = right(line, facts)
        return replace(found, heads=min(1, found.heads), sizes=0)

    patch.setattr(lines, "needed", wrong)


BROKEN: Final[tuple[Break, ...]] = (
    _the_bound_is_one_too_high,
    _who_passed_is_forgotten_at_once,
    _a_part_is_offered_again,
    _a_pause_stops_nothing,
    _an_end_moves_on_regardless,
    _a_priority_is_forgotten,
    _an_end_put_off_brings_nobody_back,
    _too_few_small_parties_are_read,
    _too_few_heads_are_read,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__.strip("_"))
def test_a_broken_rule_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Waiting,
            settings=settings(
                max_examples=500,
                stateful_step_count=50,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
