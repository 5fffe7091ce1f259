"""The light: what it may say, and that it says no more."""

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from services.registration.domain import seats as rules
from services.registration.domain.light import FewLeft, Light, margin, show
from services.registration.domain.seats import Confirmed, Line, Refused, Seats, Waitlisted

lamps: st.SearchStrategy[Light | None] = st.sampled_from(["green", "yellow", "red", None])
fews = st.one_of(
    st.builds(FewLeft, seats=st.integers(1, 12), share=st.none()),
    st.builds(FewLeft, seats=st.none(), share=st.floats(0.01, 0.99)),
)
lines = st.builds(
    Line, enabled=st.booleans(), limit=st.none() | st.integers(1, 5), over=st.booleans()
)


@st.composite
def counters(draw: st.DrawFn) -> Seats:
    """Counters as the rules leave them: where somebody waits, nothing is free."""
    capacity = draw(st.integers(1, 40))
    confirmed = draw(st.integers(0, capacity))
    held = draw(st.integers(0, capacity - confirmed))
    waiting = draw(st.integers(0, 5)) if confirmed + held == capacity else 0
    return Seats(capacity, confirmed, held, waiting, waiting)


@given(seats=counters(), line=lines, few=fews, previous=lamps)
def test_red_is_lit_exactly_when_the_next_would_wait(
    seats: Seats, line: Line, few: FewLeft, previous: Light | None
) -> None:
    lamp = show(seats, line, few, previous)
    next_one = rules.sign_up(seats, 1, line)
    assert (lamp == "red") == isinstance(next_one, Waitlisted)
    assert (lamp is None) == isinstance(next_one, Refused)
    assert (lamp in ("green", "yellow")) == isinstance(next_one, Confirmed)


@given(seats=counters(), few=fews, previous=lamps)
def test_green_means_that_there_are_more_than_few(
    seats: Seats, few: FewLeft, previous: Light | None
) -> None:
    if show(seats, Line(), few, previous) == "green":
        assert seats.free > few.threshold(seats.capacity)


@given(capacity=st.integers(2, 60), few=fews, start=st.integers(0, 60))
def test_one_person_who_comes_and_goes_does_not_make_it_flicker(
    capacity: int, few: FewLeft, start: int
) -> None:
    """Wherever the count stands, one cancelling and one signing up in turn change the lamp once
    at most, unless the last place of all is the one in question, or the event is so small that
    there is no room for a margin."""
    threshold = few.threshold(capacity)
    assume(threshold + margin(threshold) < capacity)
    free = max(2, min(start, capacity))
    lamp = show(Seats(capacity, capacity - free), Line(), few, "green")
    seen = [lamp]
    for turn in range(8):
        free += -1 if turn % 2 == 0 else 1
        lamp = show(Seats(capacity, capacity - free), Line(), few, lamp)
        seen.append(lamp)
    assert sum(a != b for a, b in pairwise(seen)) <= 1


@given(capacity=st.integers(1, 60), few=fews, previous=lamps)
def test_an_empty_event_is_never_stuck_in_yellow(
    capacity: int, few: FewLeft, previous: Light | None
) -> None:
    threshold = few.threshold(capacity)
    lamp = show(Seats(capacity), Line(), few, previous)
    assert lamp == ("green" if capacity > threshold else "yellow")


def test_green_comes_back_past_a_margin_only() -> None:
    few, capacity = FewLeft(seats=10, share=None), 100
    assert margin(10) == 2
    lamps_seen = []
    lamp: Light | None = "yellow"
    for free in (10, 11, 12, 13, 12, 11, 10):
        lamp = show(Seats(capacity, capacity - free), Line(), few, lamp)
        lamps_seen.append(lamp)
    assert lamps_seen == ["yellow", "yellow", "yellow", "green", "green", "green", "yellow"]


def test_seats_held_for_the_line_are_never_free() -> None:
    assert show(Seats(3, 1, held=2), Line(), FewLeft(), None) == "red"


def test_the_threshold_is_a_number_or_a_share_and_never_nothing() -> None:
    assert FewLeft(seats=4, share=None).threshold(100) == 4
    assert FewLeft(seats=None, share=0.25).threshold(30) == 7
    assert FewLeft(seats=None, share=0.01).threshold(10) == 1
