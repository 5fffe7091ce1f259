"""Mending counters: what follows from the registrations, and what counters cannot put right."""

import pytest

from services.registration.domain.recount import CannotMend, Counted, Row, mend
from services.registration.domain.seats import Line


def test_what_is_right_stays() -> None:
    row = Row(capacity=5, confirmed=4, held=1, waiting=2, line=1, seq=9)
    freed = mend(
        row, Counted(confirmed=4, waiting=2, line=1, offered=0, seq=9), Line(), held=1, heard=9
    )
    assert freed.freed == 0
    assert (freed.seats.confirmed, freed.seats.held, freed.seats.seq) == (4, 1, 9)


def test_what_comes_free_is_held_while_somebody_waits() -> None:
    row = Row(capacity=5, confirmed=5, held=0, waiting=2, line=2, seq=9)
    freed = mend(
        row, Counted(confirmed=3, waiting=2, line=2, offered=0, seq=9), Line(), held=0, heard=9
    )
    assert freed.freed == 2
    assert (freed.seats.confirmed, freed.seats.held, freed.seats.seq) == (3, 2, 10)


def test_what_comes_free_is_everybodys_while_nobody_waits() -> None:
    row = Row(capacity=5, confirmed=5, held=0, waiting=0, line=0, seq=9)
    freed = mend(
        row, Counted(confirmed=3, waiting=0, line=0, offered=0, seq=9), Line(), held=0, heard=9
    )
    assert (freed.freed, freed.seats.free, freed.seats.seq) == (0, 2, 9)


def test_held_seats_stay_while_anything_is_on_its_way() -> None:
    row = Row(capacity=5, confirmed=2, held=3, waiting=1, line=1, seq=9)
    freed = mend(
        row, Counted(confirmed=2, waiting=1, line=1, offered=0, seq=9), Line(), held=None, heard=0
    )
    assert freed.seats.held == 3


def test_no_number_is_given_twice() -> None:
    row = Row(capacity=5, confirmed=2, held=0, waiting=0, line=0, seq=3)
    counted = Counted(confirmed=2, waiting=0, line=0, offered=0, seq=4)
    assert mend(row, counted, Line(), held=None, heard=7).seats.seq == 7
    assert mend(row, counted, Line(), held=None, heard=0).seats.seq == 4


def test_more_confirmed_than_there_are_seats_cannot_be_mended() -> None:
    row = Row(capacity=2, confirmed=2, held=0, waiting=0, line=0, seq=3)
    with pytest.raises(CannotMend, match="raise the capacity by 1"):
        mend(
            row, Counted(confirmed=3, waiting=0, line=0, offered=0, seq=3), Line(), held=0, heard=3
        )


def test_a_line_that_counts_on_too_many_seats_cannot_be_mended() -> None:
    row = Row(capacity=3, confirmed=3, held=0, waiting=1, line=1, seq=3)
    with pytest.raises(CannotMend, match="count on 2 held of the 0 seats"):
        mend(
            row, Counted(confirmed=3, waiting=1, line=1, offered=0, seq=3), Line(), held=2, heard=3
        )


def test_seats_of_open_offers_are_held_beside_those_of_the_line() -> None:
    row = Row(capacity=5, confirmed=2, held=0, waiting=1, line=1, seq=9)
    counted = Counted(confirmed=2, waiting=1, line=1, offered=2, seq=9)
    freed = mend(row, counted, Line(), held=1, heard=9)
    assert (freed.seats.held, freed.freed) == (3, 0)
