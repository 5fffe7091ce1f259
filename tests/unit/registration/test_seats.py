"""The rules of the seats, against every order of events that Hypothesis can think of."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from services.registration.domain import seats as rules
from services.registration.domain.errors import CapacityTooLow
from services.registration.domain.seats import (
    Confirmed,
    Freed,
    Line,
    Refused,
    Seats,
    Waitlisted,
)


@dataclass
class Party:
    """Somebody who signed up; `offered` seats are held for them while they are asked."""

    number: int
    size: int
    status: Literal["confirmed", "waitlisted", "offered", "gone"]
    offered: int = 0


Wish = tuple[Party, int] | int


class Reception(RuleBasedStateMachine):
    """Registration by its rules, and a waitlist that hears of everything late.

    `freed`: seats on their way to the waitlist. `pool`: seats that it has to give. `wishes`: what
    it has said and registration has not yet heard, a party and its seats, or seats let go.
    """

    parties = Bundle("parties")

    @initialize(capacity=st.integers(1, 8), limit=st.none() | st.integers(1, 6))
    def opens(self, capacity: int, limit: int | None) -> None:
        self.seats = Seats(capacity)
        self.line = Line(limit=limit)
        self.all: list[Party] = []
        self.news: deque[Party | int] = deque()
        self.known: deque[Party] = deque()
        self.pool = 0
        self.wishes: deque[Wish] = deque()
        self.said = 0

    def _takes(self, freed: Freed | Seats, messages: int = 0) -> None:
        freed = Freed(freed) if isinstance(freed, Seats) else freed
        self.said += messages + bool(freed.freed)
        self.seats = freed.seats
        if freed.freed:
            self.news.append(freed.freed)

    @rule(target=parties, size=st.integers(1, 4))
    def somebody_signs_up(self, size: int) -> object:
        before = self.seats
        decided = rules.sign_up(before, size, self.line)
        if isinstance(decided, Refused):
            assert decided.seats == before
            assert size > before.free or self.line.waits(before)
            return multiple()
        party = Party(len(self.all), size, "confirmed")
        self.all.append(party)
        if isinstance(decided, Waitlisted):
            assert not self.line.over
            party.status = "waitlisted"
            assert decided.position == before.line + 1
            self.news.append(party)
            self._takes(Freed(decided.seats, decided.freed), messages=1)
        else:
            assert not self.line.waits(before)
            self._takes(Freed(decided.seats), messages=1)
        return party

    @rule(party=consumes(parties))
    def somebody_leaves(self, party: Party) -> None:
        match party.status:
            case "confirmed":
                self._takes(rules.cancel(self.seats, party.size, self.line), messages=1)
            case "waitlisted":
                self._takes(rules.leave(self.seats, party.size), messages=1)
            case "offered":
                self._ends(party, back=False)
        party.status = "gone"

    @rule(party=parties, by=st.integers(1, 3))
    def a_party_becomes_smaller(self, party: Party, by: int) -> None:
        if party.status not in ("confirmed", "waitlisted") or by >= party.size:
            return
        was: Literal["confirmed", "waitlisted"] = (
            "confirmed" if party.status == "confirmed" else "waitlisted"
        )
        self._takes(rules.reduce(self.seats, by, was, self.line), messages=1)
        party.size -= by

    @rule(party=parties)
    def somebody_accepts(self, party: Party) -> None:
        if party.status == "offered":
            self._takes(rules.accept(self.seats, party.offered), messages=1)
            party.status, party.size, party.offered = "confirmed", party.offered, 0

    @rule(party=parties, back=st.booleans())
    def an_offer_ends(self, party: Party, back: bool) -> None:
        if party.status == "offered":
            self._ends(party, back=back and not self.line.over)

    def _ends(self, party: Party, *, back: bool) -> None:
        if back:
            self._takes(rules.rejoin(self.seats, party.size), messages=1)
            party.status = "waitlisted"
            self.news.append(party)
        else:
            self.seats = replace(self.seats, seq=self.seats.seq + 1)
            self.said += 1
            party.status = "gone"
        self._takes(rules.give_back(self.seats, party.offered, self.line))
        party.offered = 0

    @rule(capacity=st.integers(0, 10))
    def the_room_changes(self, capacity: int) -> None:
        before = self.seats
        must_go = before.confirmed + before.held - capacity
        if must_go <= 0:
            self._takes(rules.resize(before, capacity, self.line))
            return
        with pytest.raises(CapacityTooLow) as refused:
            rules.resize(before, capacity, self.line)
        assert refused.value.extra == {"must_go": must_go}

    @precondition(lambda self: self.seats.line > 2)
    @rule()
    def the_line_ends(self) -> None:
        self.line = replace(self.line, over=True)

    @precondition(lambda self: self.news)
    @rule()
    def the_waitlist_hears(self) -> None:
        heard = self.news.popleft()
        if isinstance(heard, int):
            self.pool += heard
        elif heard.status == "waitlisted":
            self.known.append(heard)

    @precondition(lambda self: self.pool and self.known)
    @rule(part=st.booleans())
    def the_waitlist_promotes_its_first(self, part: bool) -> None:
        """For the party as it was, or for a part of it; it may have left, and the waitlist not
        know yet."""
        first = self.known[0]
        if first.size > self.pool and not part:
            return
        self.known.popleft()
        wished = min(first.size, self.pool)
        self.pool -= wished
        self.wishes.append((first, wished))

    @precondition(lambda self: self.known and self.known[0].status != "waitlisted")
    @rule()
    def the_waitlist_hears_that_its_first_has_left(self) -> None:
        self.known.popleft()

    @precondition(lambda self: self.pool and (not self.known or self.line.over))
    @rule()
    def the_waitlist_lets_go(self) -> None:
        self.wishes.append(self.pool)
        self.pool = 0

    @precondition(lambda self: self.wishes)
    @rule(asked=st.booleans())
    def registration_hears(self, asked: bool) -> None:
        wish = self.wishes.popleft()
        if isinstance(wish, int):
            self._takes(rules.give_back(self.seats, wish, self.line))
            return
        party, wished = wish
        taken = 0
        if party.status == "waitlisted" and not self.line.over:
            taken = min(wished, party.size)
            if asked or taken < party.size:
                self._takes(rules.leave(self.seats, party.size), messages=1)
                party.status, party.offered = "offered", taken
            else:
                self._takes(rules.promote(self.seats, party.size), messages=1)
                party.status = "confirmed"
        if taken < wished:
            self._takes(rules.give_back(self.seats, wished - taken, self.line))

    @invariant()
    def never_oversold(self) -> None:
        seats = self.seats
        assert seats.confirmed >= 0
        assert seats.held >= 0
        assert seats.confirmed + seats.held <= seats.capacity

    @invariant()
    def nobody_passes_those_who_wait(self) -> None:
        if self.line.waits(self.seats):
            assert self.seats.free == 0

    @invariant()
    def the_counters_are_the_people(self) -> None:
        waiting = [p for p in self.all if p.status == "waitlisted"]
        assert self.seats.confirmed == sum(p.size for p in self.all if p.status == "confirmed")
        assert self.seats.waiting == sum(p.size for p in waiting)
        assert self.seats.line == len(waiting)

    @invariant()
    def every_held_seat_is_in_one_place(self) -> None:
        on_the_way = sum(news for news in self.news if isinstance(news, int))
        wished = sum(wish if isinstance(wish, int) else wish[1] for wish in self.wishes)
        offered = sum(party.offered for party in self.all)
        assert self.seats.held == on_the_way + self.pool + wished + offered

    @invariant()
    def every_message_has_its_number(self) -> None:
        assert self.seats.seq == self.said

    def teardown(self) -> None:
        """Once everybody has heard and answered everything, whoever fits is in and no seat
        hangs."""
        while self.settle():
            pass
        first = next((p for p in self.known if p.status == "waitlisted"), None)
        if first is None or self.line.over:
            assert self.seats.held == 0
        else:
            assert self.seats.held == self.pool < first.size
            assert self.seats.free == 0

    def settle(self) -> bool:
        """One step on; False where there is none."""
        asked = next((p for p in self.all if p.status == "offered"), None)
        while self.known and self.known[0].status != "waitlisted":
            self.known.popleft()
        if asked:
            self._ends(asked, back=False)
        elif self.news:
            self.the_waitlist_hears()
        elif self.wishes:
            self.registration_hears(False)
        elif self.pool and (not self.known or self.line.over):
            self.the_waitlist_lets_go()
        elif self.pool and self.known[0].size <= self.pool:
            self.the_waitlist_promotes_its_first(False)
        else:
            return False
        return True


TestReception = Reception.TestCase
TestReception.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_party_larger_than_the_room_is_told_at_once() -> None:
    assert isinstance(rules.sign_up(Seats(3), 4, Line()), Refused)


@pytest.mark.parametrize(
    ("line", "size", "kind"),
    [
        (Line(enabled=False), 1, Refused),
        (Line(limit=2), 1, Waitlisted),
        (Line(limit=2), 2, Refused),
        (Line(), 2, Waitlisted),
    ],
)
def test_the_line_takes_as_many_as_it_may(line: Line, size: int, kind: type) -> None:
    full = Seats(2, confirmed=2, waiting=1, line=1)
    assert isinstance(rules.sign_up(full, size, line), kind)


def test_the_last_seats_are_put_aside_for_a_party_they_do_not_fit() -> None:
    decided = rules.sign_up(Seats(5, confirmed=4, seq=4), 2, Line())
    assert isinstance(decided, Waitlisted)
    assert decided.freed == 1
    assert decided.seats == Seats(5, confirmed=4, held=1, waiting=2, line=1, seq=6)
    assert isinstance(rules.sign_up(decided.seats, 1, Line()), Waitlisted)


def test_a_free_seat_is_taken_where_nobody_waits() -> None:
    assert rules.sign_up(Seats(1), 1, Line()) == Confirmed(Seats(1, confirmed=1, seq=1))


@pytest.mark.parametrize(
    "broken",
    [
        {"capacity": 1, "confirmed": 2},
        {"capacity": 1, "confirmed": 1, "held": 1},
        {"capacity": 1, "confirmed": -1},
        {"capacity": 1, "waiting": -1},
    ],
)
def test_counters_that_cannot_be_are_refused(broken: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        Seats(**broken)


def test_seats_that_are_not_held_cannot_be_given() -> None:
    waiting = Seats(2, confirmed=2, waiting=1, line=1)
    with pytest.raises(AssertionError):
        rules.promote(waiting, 1)
    with pytest.raises(AssertionError):
        rules.accept(waiting, 1)
    with pytest.raises(AssertionError):
        rules.give_back(waiting, 1, Line())


def test_once_nothing_moves_a_passer_by_need_not_wait() -> None:
    over = Line(over=True)
    still = Seats(3, confirmed=2, waiting=2, line=1)
    assert rules.sign_up(still, 1, over) == Confirmed(
        Seats(3, confirmed=3, waiting=2, line=1, seq=1)
    )
    assert isinstance(rules.sign_up(still, 2, over), Refused)
    assert rules.cancel(still, 1, over) == Freed(Seats(3, confirmed=1, waiting=2, line=1, seq=1))
