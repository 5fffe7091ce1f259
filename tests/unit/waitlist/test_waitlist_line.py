"""A strict line for itself, in examples that a reader can follow."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.waitlist.domain.facts import Described, Fact, LineRules, Resumed
from services.waitlist.domain.line import (
    Actor,
    Kind,
    Line,
    Needed,
    Promote,
    Reason,
    Release,
    State,
    needed,
)
from tests.unit.waitlist.table import (
    EARLIER,
    EVENT,
    NOW,
    Table,
    confirmed,
    freed,
    joined,
    left,
    party,
)

PUBLISHED = Described(EARLIER, "seminar", "Seminar", open=True)
CALLED_OFF = replace(PUBLISHED, open=False)


def test_a_freed_seat_goes_to_the_first_in_line() -> None:
    table = Table()
    table.take(joined(1), joined(2))
    decision = table.take(freed(1))

    assert decision.wishes == (Promote(party(1), 1),)
    assert [table.state(1), table.state(2)] == [State.PROMOTED, State.WAITING]
    assert (table.line.free, table.line.waiting, table.line.length) == (0, 1, 1)


def test_the_head_waits_until_its_party_fits_and_nobody_overtakes_it() -> None:
    table = Table(joined(1, seats=3), joined(2), freed(2))
    assert table.wishes == []
    assert table.line.free == 2

    table.take(freed(2))
    assert table.wishes == [Promote(party(1), 3), Promote(party(2), 1)]
    assert table.line.free == 0


def test_when_the_head_leaves_the_next_one_may_fit() -> None:
    table = Table(joined(1, seats=3), joined(2), freed(1), left(1))
    assert table.wishes == [Promote(party(2), 1)]


def test_seats_that_nobody_waits_for_are_released() -> None:
    table = Table(joined(1, seats=3), freed(2), left(1))
    assert table.wishes == [Release(2)]
    assert table.line == Line(EVENT)
    assert table.kinds() == [Kind.JOINED, Kind.FREED, Kind.LEFT, Kind.RELEASED]


def test_a_promoted_party_that_has_left_gives_its_seats_on_only_when_they_are_freed_again() -> None:
    table = Table(joined(1), joined(2), freed(1))
    decision = table.take(left(1))
    assert table.state(1) is State.LEFT
    assert table.line.free == 0
    assert decision.records[0].reason is Reason.LEFT_AFTER_PROMOTION

    table.take(freed(1))
    assert table.wishes == [Promote(party(1), 1), Promote(party(2), 1)]


def test_a_confirmed_party_is_done() -> None:
    table = Table(joined(1), freed(1), confirmed(1))
    assert table.state(1) is State.CONFIRMED
    table.take(left(1), confirmed(1))
    assert table.state(1) is State.CONFIRMED
    assert table.strays == 2


def test_registration_may_confirm_somebody_whom_the_line_still_sees_waiting() -> None:
    table = Table(joined(1), joined(2), confirmed(1), freed(1))
    assert table.state(1) is State.CONFIRMED
    assert table.wishes == [Promote(party(2), 1)]


def test_a_called_off_event_moves_nobody_for_good() -> None:
    table = Table(PUBLISHED, joined(1, seats=2), freed(1), CALLED_OFF, freed(1), joined(2))
    table.take(replace(PUBLISHED, title="Seminar, neu"), CALLED_OFF, left(1))
    assert table.wishes == []
    assert (table.line.free, table.line.length, table.line.open) == (2, 1, False)
    assert table.kinds().count(Kind.CLOSED) == 1


def test_a_called_off_event_with_an_empty_line_keeps_its_seats() -> None:
    table = Table(CALLED_OFF, freed(1))
    assert table.wishes == []
    assert table.line.free == 1


def test_an_entry_told_late_stands_where_its_number_puts_it() -> None:
    table = Table(joined(2), joined(3))
    table.take(joined(1))
    table.take(freed(1))
    assert table.wishes == [Promote(party(1), 1)]


def test_the_line_takes_the_event_s_name() -> None:
    table = Table(PUBLISHED, replace(PUBLISHED, slug="kurs", title="Kurs"))
    assert (table.line.slug, table.line.title) == ("kurs", "Kurs")
    assert table.kinds() == []


def test_a_message_that_tells_no_rules_leaves_them_as_they_were() -> None:
    rules = LineRules("offer", "fill", 2, NOW)
    table = Table(PUBLISHED)
    assert table.line.rules == LineRules("automatic", "strict", 3, None)
    table.take(replace(PUBLISHED, rules=rules), PUBLISHED)
    assert table.line.rules == rules


def test_records_say_when_and_who() -> None:
    table = Table(joined(1, seats=2))
    told, decided = table.take(freed(2)).records
    assert (told.kind, told.actor, told.at) == (Kind.FREED, Actor.REGISTRATION, EARLIER)
    assert (decided.kind, decided.actor, decided.at) == (Kind.PROMOTED, Actor.LINE, NOW)
    assert (decided.seats, decided.registration_id) == (2, party(1))
    assert table.entry(1).ended_at == NOW


FILL = LineRules(policy="fill", passes=3)


@pytest.mark.parametrize(
    ("line", "facts", "wanted"),
    [
        (Line(EVENT), [], Needed()),
        (Line(EVENT), [joined(7), left(1)], Needed()),
        (Line(EVENT), [freed(1)], Needed(1)),
        (Line(EVENT), [freed(2), left(1), confirmed(2), joined(9)], Needed(4)),
        (Line(EVENT, free=2), [joined(9)], Needed(2)),
        (Line(EVENT, free=5000, paused=True), [joined(9)], Needed()),
        (Line(EVENT, free=9, paused=True), [Resumed(NOW, "Ada", "the hall is found")], Needed(9)),
        (Line(EVENT, free=9, open=False), [freed(9)], Needed()),
        (Line(EVENT, rules=FILL), [freed(5000)], Needed(5000, 3, 5000)),
        (Line(EVENT, rules=FILL), [freed(2), left(1)], Needed(3, 3, 2)),
        (Line(EVENT, rules=replace(FILL, passes=0)), [freed(2)], Needed(2)),
    ],
)
def test_no_more_of_the_line_is_needed_than_can_move(
    line: Line, facts: Sequence[Fact], wanted: Needed
) -> None:
    assert needed(replace(line, waiting=100_000, length=100_000), facts) == wanted
