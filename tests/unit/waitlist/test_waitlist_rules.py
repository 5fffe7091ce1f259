"""Policies, offers, ends and operators' orders, in examples that a reader can follow."""

from datetime import timedelta
from typing import Any

import pytest

from services.waitlist.domain.facts import (
    Ended,
    Left,
    Paused,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
    StillWanted,
)
from services.waitlist.domain.line import (
    PRIORITY_STEP,
    Actor,
    Kind,
    Move,
    Promote,
    Reason,
    Release,
    State,
)
from tests.unit.waitlist.table import (
    EARLIER,
    LATER,
    NOW,
    Table,
    confirmed,
    freed,
    joined,
    left,
    offered,
    party,
    ruled,
)

PAUSED = Paused(EARLIER, "Ada", "the hall is not sure")
RESUMED = Resumed(EARLIER, "Ada", "the hall is found")


def first(number: int) -> PromotedByHand:
    return PromotedByHand(EARLIER, party(number), "Ada", "a speaker")


def priority(number: int, value: int) -> Prioritised:
    return Prioritised(EARLIER, party(number), value, "Ada", "a speaker")


def kept(number: int) -> Returned:
    return Returned(EARLIER, party(number), None, True, "declined")


# fill


def test_a_smaller_party_passes_where_the_first_does_not_fit() -> None:
    table = Table(ruled("fill"), joined(1, 3), joined(2, 3), joined(3, 2), joined(4), freed(2))
    assert table.wishes == [Promote(party(3), 2)]
    assert table.last(Kind.PROMOTED).reason is Reason.FITS_BEFORE_HEAD
    skipped = table.last(Kind.SKIPPED)
    assert (skipped.registration_id, skipped.reason) == (party(1), Reason.PASSED_BY_SMALLER)
    assert (skipped.number, skipped.actor) == (1, Actor.LINE)


def test_who_was_passed_as_often_as_the_bound_is_waited_for() -> None:
    table = Table(ruled("fill", passes=2), joined(1, 3), *[joined(n) for n in (2, 3, 4)], freed(2))
    table.take(freed(1))
    assert table.wishes == [Promote(party(2), 1), Promote(party(3), 1)]
    assert table.line.free == 1

    table.take(freed(2))
    assert table.wishes[2:] == [Promote(party(1), 3)]
    assert table.last(Kind.PROMOTED).reason is Reason.FIRST_IN_LINE


def test_the_next_first_has_been_passed_by_those_behind_it() -> None:
    table = Table(ruled("fill", passes=2), joined(1, 3), joined(2, 3), joined(3), joined(4))
    table.take(joined(5), freed(1), left(1), freed(1))
    assert table.wishes == [Promote(party(3), 1), Promote(party(4), 1)]
    table.take(freed(1))
    assert table.wishes[2:] == [], "4 and 3 have both passed 2"


def test_who_stands_before_the_next_first_has_not_passed_it() -> None:
    table = Table(ruled("fill", passes=1), joined(1, 3), joined(2), joined(3, 3), joined(4))
    table.take(freed(1), left(1), freed(1))
    assert table.wishes == [Promote(party(2), 1), Promote(party(4), 1)]


def test_no_passing_is_allowed_by_a_bound_of_none() -> None:
    table = Table(ruled("fill", passes=0), joined(1, 3), joined(2), freed(1))
    assert table.wishes == []


# partial


def test_the_first_is_offered_what_is_free() -> None:
    table = Table(ruled("partial"), joined(1, 3), joined(2), freed(2))
    assert table.wishes == [Promote(party(1), 2)]
    assert table.last(Kind.PROMOTED).reason is Reason.PART_OF_PARTY
    table.take(offered(1, 2), confirmed(1, 2))
    assert table.state(1) is State.CONFIRMED
    assert (table.line.waiting, table.line.length) == (1, 1)
    assert table.last(Kind.CONFIRMED).seats == 2


def test_who_declines_a_part_keeps_the_place_and_waits_for_the_whole_party() -> None:
    table = Table(ruled("partial"), joined(1, 3), joined(2), freed(1), offered(1, 1))
    assert table.entry(1).until == LATER
    table.take(kept(1), freed(1))
    assert table.order() == [1]
    assert table.wishes == [Promote(party(1), 1), Promote(party(2), 1)]
    assert table.entry(1).whole
    assert (table.entry(1).until, table.entry(1).ended_at) == (None, None)

    table.take(freed(3))
    assert table.wishes[2:] == [Promote(party(1), 3)]


def test_passings_are_not_forgotten_while_a_part_is_offered() -> None:
    table = Table(ruled("partial", passes=2), joined(1, 4), joined(2, 3), joined(3), joined(4))
    table.take(joined(5, 4), joined(6), joined(7), freed(1), offered(1), kept(1), freed(2))
    assert table.order() == [1, 2, 5, 6, 7], "3 and 4 have passed 1 and 2"
    table.take(left(1), freed(1), offered(2), freed(1), offered(5), kept(5), freed(1))
    assert table.order() == [5, 7], "6 has passed 5, while 2 had an offer"
    table.take(kept(2), freed(1))
    assert table.order() == [2, 5, 7], "2 had been passed twice before its offer"
    assert table.line.free == 1


# Offers


def test_who_declines_is_out_and_the_seats_come_by_themselves() -> None:
    table = Table(joined(1, 2), joined(2), freed(2), offered(1, 2))
    assert table.state(1) is State.OFFERED
    table.take(Left(EARLIER, party(1), "declined"))
    assert table.line.free == 0
    assert table.last(Kind.LEFT).reason is Reason.DECLINED
    table.take(freed(2))
    assert table.wishes[1:] == [Promote(party(2), 1), Release(1)]


def test_who_lets_an_offer_run_out_may_stand_at_the_end() -> None:
    table = Table(joined(1), joined(2), freed(1), offered(1))
    table.take(Returned(EARLIER, party(1), 9, False, "expired"), joined(10))
    assert table.order() == [2, 1, 10]
    assert table.last(Kind.RETURNED).reason is Reason.EXPIRED
    assert (table.line.length, table.line.waiting) == (3, 3)


def test_a_lapsed_wish_is_told_from_a_person_s_own_leaving() -> None:
    table = Table(joined(1), joined(2), Left(EARLIER, party(1), "lapsed"), left(2))
    assert [record.reason for record in table.ledger[2:]] == [Reason.LAPSED, None]


def test_a_party_that_becomes_smaller_may_fit() -> None:
    table = Table(joined(1, 3), freed(2))
    table.take(Reduced(EARLIER, party(1), 2))
    assert table.wishes == [Promote(party(1), 2)]
    assert table.entry(1).seats == 2


def test_an_older_reduction_changes_nothing() -> None:
    table = Table(joined(1, 4), Reduced(EARLIER, party(1), 2), Reduced(EARLIER, party(1), 3))
    assert (table.entry(1).seats, table.line.waiting, table.strays) == (2, 2, 1)


def test_that_somebody_still_wants_a_place_is_written_down() -> None:
    table = Table(joined(1), StillWanted(EARLIER, party(1)))
    assert table.kinds() == [Kind.JOINED, Kind.STILL_WANTED]
    assert table.order() == [1]


# The end


def test_from_its_end_on_a_line_releases_all_whoever_waits() -> None:
    table = Table(ruled("strict", ends_at=LATER), joined(1, 3), freed(2))
    table.take(Ended(LATER), now=LATER - timedelta(seconds=1))
    assert table.wishes == []
    table.take(Ended(LATER), now=LATER)
    assert table.wishes == [Release(2)]
    assert table.last(Kind.RELEASED).reason is Reason.ENDED
    table.take(freed(5), now=LATER)
    assert table.wishes[1:] == [Release(5)]
    assert table.state(1) is State.WAITING


def test_an_end_that_is_put_off_lets_things_go_on() -> None:
    table = Table(ruled("strict", ends_at=NOW), joined(1), freed(1))
    assert table.wishes == [Release(1)]
    table.take(ruled("strict", ends_at=LATER), freed(1))
    assert table.wishes[1:] == [Promote(party(1), 1)]


def test_a_promotion_that_came_too_late_is_made_again_when_the_end_is_put_off() -> None:
    table = Table(ruled("strict", ends_at=EARLIER + timedelta(minutes=-1)), joined(1), joined(2))
    table.take(freed(1), now=EARLIER - timedelta(hours=1))
    assert table.state(1) is State.PROMOTED
    table.take(ruled("strict", ends_at=LATER))
    assert table.order() == [1, 2]
    assert table.last(Kind.RETURNED).reason is Reason.END_MOVED
    table.take(freed(1))
    assert table.wishes == [Promote(party(1), 1)] * 2


def test_a_promotion_on_its_way_stays_one_when_an_end_is_put_off_before_it_comes() -> None:
    table = Table(ruled("strict", ends_at=LATER), joined(1), freed(1))
    table.take(ruled("strict", ends_at=LATER + timedelta(hours=1)))
    assert table.state(1) is State.PROMOTED


# Operators


def test_a_pause_holds_the_seats() -> None:
    table = Table(joined(1), PAUSED, freed(1), left(1), freed(1))
    assert table.wishes == []
    assert table.line.free == 2
    paused = table.last(Kind.PAUSED)
    assert (paused.actor, paused.by, paused.why) == (Actor.OPERATOR, "Ada", "the hall is not sure")

    table.take(joined(2), RESUMED)
    assert table.wishes == [Promote(party(2), 1), Release(1)]


def test_a_paused_line_ends_too() -> None:
    table = Table(ruled("strict", ends_at=LATER), joined(1), PAUSED, freed(1))
    table.take(Ended(LATER), now=LATER)
    assert table.wishes == [Release(1)]


def test_who_has_priority_comes_before_those_who_have_less() -> None:
    table = Table(joined(1), joined(2), joined(3), joined(4))
    table.take(priority(4, 1), priority(3, 1), priority(1, -1))
    assert table.order() == [3, 4, 2, 1]
    assert table.wishes == [
        Move(party(4), 4 - PRIORITY_STEP),
        Move(party(3), 3 - PRIORITY_STEP),
        Move(party(1), 1 + PRIORITY_STEP),
    ]
    record = table.last(Kind.PRIORITY)
    assert (record.number, record.by, record.why) == (-1, "Ada", "a speaker")
    table.take(priority(4, 0), priority(3, 0), priority(1, 0))
    assert table.order() == [1, 2, 3, 4]


def test_the_same_priority_again_is_written_down_and_moves_nobody() -> None:
    table = Table(joined(1), priority(1, 0))
    assert (table.wishes, table.kinds()) == ([], [Kind.JOINED, Kind.PRIORITY])


@pytest.mark.parametrize("stopped", [[], [PAUSED]])
def test_by_hand_somebody_is_promoted_at_once_where_the_party_fits(stopped: list[Any]) -> None:
    table = Table(joined(1, 3), joined(2), joined(3, 2), *stopped, freed(2), first(3))
    assert table.wishes == [Promote(party(3), 2)]
    promoted = table.last(Kind.PROMOTED)
    assert (promoted.actor, promoted.by, promoted.reason) == (
        Actor.OPERATOR,
        "Ada",
        Reason.BY_HAND,
    )
    assert (promoted.why, promoted.at) == ("a speaker", NOW)


def test_by_hand_somebody_is_next_where_the_party_does_not_fit() -> None:
    table = Table(joined(1, 3), joined(2), joined(3, 3), freed(2), first(3), priority(2, 2))
    assert table.order() == [3, 1]
    assert table.wishes == [
        Move(party(3), 3 - PRIORITY_STEP),
        Move(party(2), 2 - 2 * PRIORITY_STEP),
        Promote(party(2), 1),
    ]
    table.take(first(1), freed(2))
    assert table.wishes[3:] == [Move(party(1), 1 - PRIORITY_STEP), Promote(party(1), 3)]
    assert table.entry(1).priority == 1, "who joined before it needs no more than its priority"


def test_by_hand_the_first_stays_the_first() -> None:
    table = Table(joined(1, 3), joined(2), first(1))
    assert table.wishes == []
    assert table.last(Kind.BY_HAND).why == "a speaker"


def test_orders_about_somebody_who_does_not_wait_change_nothing() -> None:
    table = Table(joined(1), freed(1), first(1), priority(1, 2), confirmed(1), first(1), first(9))
    assert table.strays == 4
    assert table.kinds()[-1] is Kind.CONFIRMED
