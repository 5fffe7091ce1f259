"""One wish for a place at one of two events: two partitions, two lines, and one arbiter.

The protocol is docs/decisions/0012: the lines know nothing of each other. Registration takes a
person out of the other line in the transaction in which one of them has a place.
"""

from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.registration.domain import seats as rules
from services.waitlist.domain.facts import Fact, Freed
from services.waitlist.domain.line import Promote, Release, State, Wish
from tests.unit.flow.flow import Applicant, Channel, Registration, Waitlist

HAS: Final = ("confirmed", "offered")


class Date:
    """One of the two events, with its line and both directions of messages."""

    def __init__(self) -> None:
        self.told: Channel[Fact] = Channel()
        self.wished: Channel[Wish] = Channel()
        self.registration = Registration(self.told)
        self.waitlist = Waitlist(self.wished)

    def held_elsewhere(self) -> int:
        freed = sum(one.seats for one in self.told.under_way() if isinstance(one, Freed))
        wishes = self.wished.under_way()
        wished = sum(one.seats for one in wishes if isinstance(one, Promote | Release))
        offered = sum(one.offered for one in self.registration.offered())
        return self.waitlist.line.free + freed + wished + offered

    def settle(self) -> None:
        for channel in (self.told, self.wished):
            channel.publish(len(channel.outbox), deletes=True)
        self.told.receive(len(self.told.log), self.waitlist.hear)
        self.wished.receive(len(self.wished.log), self.registration.hear)


class TwoDates(RuleBasedStateMachine):
    """`pairs`: by person, the registration at each of the two."""

    def __init__(self) -> None:
        super().__init__()
        self.dates = (Date(), Date())
        self.pairs: list[tuple[UUID, UUID]] = []
        self.people = 0
        for side in (0, 1):
            self.dates[side].registration.on_place = self._lapses(side)

    def _lapses(self, side: int) -> Any:
        def lapse(who: UUID) -> None:
            for pair in self.pairs:
                if pair[side] == who:
                    self.dates[1 - side].registration.lapse(pair[1 - side])

        return lapse

    def _applicant(self, seats: int) -> Applicant:
        self.people += 1
        return Applicant(seats, f"gast-{self.people}", None, b"")

    @initialize(asks=st.booleans(), singles=st.lists(st.integers(0, 1), min_size=6, max_size=12))
    def both_are_nearly_full(self, asks: bool, singles: list[int]) -> None:
        for date in self.dates:
            date.registration.asks = asks
        for side in singles:
            self.dates[side].registration.sign_up([self._applicant(1)])

    @rule(side=st.integers(0, 1), seats=st.integers(1, 2))
    def sign_up_for_one(self, side: int, seats: int) -> None:
        self.dates[side].registration.sign_up([self._applicant(seats)])

    @rule(first=st.integers(0, 1), seats=st.integers(1, 2))
    def sign_up_for_either(self, first: int, seats: int) -> None:
        """As registration.several does: the first that has a place, or both lines."""
        who = self._applicant(seats)
        for side in (first, 1 - first):
            ours = self.dates[side].registration
            decided = rules.sign_up(ours.seats, seats, ours.line)
            if isinstance(decided, rules.Confirmed):
                ours.sign_up([who])
                return
        for date in self.dates:
            date.registration.sign_up([who])
        ids = [
            next(p.id for p in date.registration.people.values() if p.applicant is who)
            for date in self.dates
        ]
        self.pairs.append((ids[0], ids[1]))

    @precondition(lambda self: any(date.registration.people for date in self.dates))
    @rule(side=st.integers(0, 1), data=st.data())
    def somebody_leaves(self, side: int, data: st.DataObject) -> None:
        ours = self.dates[side].registration
        if not ours.people:
            return
        who = data.draw(st.sampled_from(sorted(ours.people)))
        waited = ours.people[who].status == "waitlisted"
        ours.cancel(who)
        for pair in self.pairs:
            if waited and pair[side] == who:
                self.dates[1 - side].registration.cancel(pair[1 - side])

    @rule(side=st.integers(0, 1), accepts=st.booleans(), data=st.data())
    def somebody_answers(self, side: int, accepts: bool, data: st.DataObject) -> None:
        ours = self.dates[side].registration
        if asked := [one.id for one in ours.offered()]:
            who = data.draw(st.sampled_from(asked))
            if accepts:
                ours.accept(who)
            else:
                ours.end_offer(who, "expired")

    @rule(side=st.integers(0, 1), rows=st.integers(1, 4), deletes=st.booleans(), told=st.booleans())
    def publish(self, side: int, rows: int, deletes: bool, told: bool) -> None:
        date = self.dates[side]
        if told:
            date.told.publish(rows, deletes=deletes)
        else:
            date.wished.publish(rows, deletes=deletes)

    @rule(side=st.integers(0, 1), records=st.integers(1, 5))
    def the_line_hears(self, side: int, records: int) -> None:
        self.dates[side].told.receive(records, self.dates[side].waitlist.hear)

    @rule(side=st.integers(0, 1), records=st.integers(1, 5))
    def the_arbiter_hears(self, side: int, records: int) -> None:
        self.dates[side].wished.receive(records, self.dates[side].registration.hear)

    @invariant()
    def nobody_has_two(self) -> None:
        for pair in self.pairs:
            here, there = self._statuses(pair)
            assert not (here in HAS and there in HAS)
            if here in HAS or there in HAS:
                assert "waitlisted" not in (here, there)

    def _statuses(self, pair: tuple[UUID, UUID]) -> tuple[str, str]:
        here, there = (
            date.registration.people[one].status for date, one in zip(self.dates, pair, strict=True)
        )
        return here, there

    @invariant()
    def no_seat_is_lost_or_given_twice(self) -> None:
        for date in self.dates:
            seats = date.registration.seats
            assert date.registration.confirmed() == seats.confirmed
            assert seats.confirmed + seats.held <= seats.capacity
            assert seats.held == date.held_elsewhere()
            assert date.waitlist.stray == 0

    def teardown(self) -> None:
        for _ in range(1000):
            if not any(d.told.under_way() or d.wished.under_way() for d in self.dates):
                break
            for date in self.dates:
                date.settle()
        else:
            raise AssertionError("they answer each other for ever")
        for date in self.dates:
            waiting = date.waitlist.waiting()
            assert [one.id for one in date.registration.waiting()] == [
                entry.registration_id for entry in waiting
            ]
            assert date.waitlist.line.free < waiting[0].seats if waiting else True
            assert State.PROMOTED not in {e.state for e in date.waitlist.entries.values()}
        self.nobody_has_two()


TestTwoDates = TwoDates.TestCase
TestTwoDates.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, print_blob=True
)


def test_without_the_lapse_somebody_gets_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registration, "lapse", lambda self, who: None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            TwoDates,
            settings=settings(
                max_examples=300,
                stateful_step_count=50,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
