"""Any interleaving of people, operators, crashes and the two directions of messages.

A failing run prints the blob that repeats it (`@reproduce_failure`), and pytest the seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

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
from services.waitlist.domain import line as lines
from services.waitlist.domain.facts import Fact, Freed, Joined
from services.waitlist.domain.line import Kind, Promote, State, Wish
from tests.unit.flow.flow import Applicant, Channel, Message, Registration, Waitlist

ADDRESSES: Final = tuple("abcdefghijklmnopqrstuvwx")
_PARTY: Final = st.builds(
    lambda seats, address, key: Applicant(seats, address, key, bytes([seats])),
    st.integers(1, 3),
    st.sampled_from(ADDRESSES),
    st.none() | st.binary(min_size=1, max_size=1),
)


class Flow(RuleBasedStateMachine):
    """One event; `told` goes from registration to the waitlist, `wished` back."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Channel[Fact] = Channel()
        self.wished: Channel[Wish] = Channel()
        self.registration = Registration(self.told)
        self.waitlist = Waitlist(self.wished)

    # People and operators

    @initialize(parties=st.lists(_PARTY, min_size=3, max_size=8))
    def many_come_at_once(self, parties: list[Applicant]) -> None:
        self.registration.sign_up(parties)

    @rule(parties=st.lists(_PARTY, min_size=1, max_size=4))
    def sign_up(self, parties: list[Applicant]) -> None:
        self.registration.sign_up(parties)

    @precondition(lambda self: self.registration.people)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.registration.cancel(data.draw(st.sampled_from(sorted(self.registration.people))))

    @rule(capacity=st.integers(1, 9))
    def resize(self, capacity: int) -> None:
        if not self.registration.called_off:
            self.registration.resize(capacity)

    @precondition(lambda self: len(self.registration.people) > 8)
    @rule()
    def call_off(self) -> None:
        if not self.registration.called_off:
            self.registration.call_off()

    # Relays and consumers

    @rule(told=st.booleans(), rows=st.integers(1, 5), deletes=st.booleans())
    def publish(self, told: bool, rows: int, deletes: bool) -> None:
        self._channel(told).publish(rows, deletes=deletes)

    @rule(told=st.booleans(), data=st.data())
    def a_relay_wakes_after_its_lease(self, told: bool, data: st.DataObject) -> None:
        channel = self._channel(told)
        if channel.log and len(channel.log) < 200:
            first = data.draw(st.integers(0, len(channel.log) - 1))
            channel.publish_again(first, data.draw(st.integers(1, 4)))

    @rule(records=st.integers(1, 6))
    def the_line_hears(self, records: int) -> None:
        self.told.receive(records, self.waitlist.hear)

    @rule(records=st.integers(1, 6))
    def the_arbiter_hears(self, records: int) -> None:
        self.wished.receive(records, self.registration.hear)

    @rule(told=st.booleans(), data=st.data())
    def a_consumer_begins_again_at_an_old_offset(self, told: bool, data: st.DataObject) -> None:
        channel = self._channel(told)
        channel.rewind(data.draw(st.integers(0, channel.offset)))

    @rule(told=st.booleans())
    def an_inbox_is_pruned(self, told: bool) -> None:
        self._channel(told).forget()

    @rule()
    def everything_arrives(self) -> None:
        """Nothing is on its way any more, and everybody is where they should be."""
        for _ in range(1000):
            if not (self.told.under_way() or self.wished.under_way()):
                break
            for channel in (self.told, self.wished):
                channel.publish(len(channel.outbox), deletes=True)
            self.told.receive(len(self.told.log), self.waitlist.hear)
            self.wished.receive(len(self.wished.log), self.registration.hear)
        else:
            raise AssertionError("the two answer each other for ever")
        ours, line = self.registration, self.waitlist.line
        assert ours.seats.held == line.free
        if ours.called_off:
            assert not line.open
            return
        assert [one.id for one in ours.waiting()] == [
            entry.registration_id for entry in self.waitlist.waiting()
        ]
        waiting = self.waitlist.waiting()
        assert line.free < waiting[0].seats if waiting else line.free == 0
        assert State.PROMOTED not in {entry.state for entry in self.waitlist.entries.values()}

    def _channel(self, told: bool) -> Channel[Any]:
        return self.told if told else self.wished

    # What must hold at every moment

    @invariant()
    def nothing_is_oversold(self) -> None:
        seats = self.registration.seats
        assert self.registration.confirmed() == seats.confirmed
        assert seats.confirmed + seats.held <= seats.capacity

    @invariant()
    def a_seat_goes_to_those_who_wait(self) -> None:
        seats, waiting = self.registration.seats, self.registration.waiting()
        assert (seats.line, seats.waiting) == (len(waiting), sum(one.seats for one in waiting))
        assert not waiting or seats.free == 0

    @invariant()
    def every_held_seat_is_in_one_place(self) -> None:
        freed = sum(one.seats for one in self.told.under_way() if isinstance(one, Freed))
        wished = sum(one.seats for one in self.wished.under_way())
        assert self.registration.seats.held == self.waitlist.line.free + freed + wished

    @invariant()
    def nobody_is_passed_over_or_promoted_twice(self) -> None:
        for order in (self.waitlist.promoted(), self.registration.moved_up):
            assert order == sorted(set(order))
        promoted, waiting = self.waitlist.promoted(), self.waitlist.waiting()
        assert not promoted or not waiting or promoted[-1] < waiting[0].seq

    @invariant()
    def the_ledger_adds_up(self) -> None:
        given = self.waitlist.summed(Kind.PROMOTED) + self.waitlist.summed(Kind.RELEASED)
        assert self.waitlist.summed(Kind.FREED) == given + self.waitlist.line.free
        line, waiting = self.waitlist.line, self.waitlist.waiting()
        assert (line.length, line.waiting) == (len(waiting), sum(one.seats for one in waiting))

    @invariant()
    def nothing_is_missed_and_nothing_strange_is_heard(self) -> None:
        assert (self.told.gaps, self.wished.gaps) == (0, 0)
        assert self.waitlist.stray == 0

    def teardown(self) -> None:
        self.everything_arrives()


TestFlow = Flow.TestCase
TestFlow.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None, print_blob=True
)


# With one rule broken the machine finds it. Each gets the right rule and returns a wrong one.
Break = Callable[[pytest.MonkeyPatch], None]


def _repeats_are_handled_again(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Channel[Any], messages: Sequence[Message[Any]]) -> list[Message[Any]]:
        self.handled.update(message.id for message in messages)
        return [*messages]

    patch.setattr(Channel, "admit", wrong)


def _a_seat_is_lost_when_its_taker_has_left(patch: pytest.MonkeyPatch) -> None:
    right = rules.promote

    def wrong(seats: rules.Seats, party: int, *, still_waits: bool) -> rules.Freed:
        freed = right(seats, party, still_waits=still_waits)
        return freed if still_waits else rules.Freed(seats)

    patch.setattr(rules, "promote", wrong)


def _a_passer_by_gets_a_freed_seat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_hold_for_line", lambda seats: rules.Freed(seats))


def _the_last_in_line_moves_up_first(patch: pytest.MonkeyPatch) -> None:
    right = lines.decide

    def mirrored(one: Any) -> Any:
        return replace(one, seq=-one.seq)

    def wrong(line: lines.Line, known: Any, facts: Any, now: Any) -> lines.Decision:
        told = [mirrored(fact) if isinstance(fact, Joined) else fact for fact in facts]
        found = right(line, [mirrored(entry) for entry in known], told, now)
        return replace(found, entries=tuple(mirrored(entry) for entry in found.entries))

    patch.setattr(lines, "decide", wrong)


def _a_promotion_takes_one_seat_too_few(patch: pytest.MonkeyPatch) -> None:
    right = lines.decide

    def wrong(line: lines.Line, known: Any, facts: Any, now: Any) -> lines.Decision:
        found = right(line, known, facts, now)
        promotes = any(isinstance(wish, Promote) for wish in found.wishes)
        return replace(found, line=replace(found.line, free=found.line.free + promotes))

    patch.setattr(lines, "decide", wrong)


def _the_line_reads_too_few_of_its_entries(patch: pytest.MonkeyPatch) -> None:
    right = lines.heads_needed
    patch.setattr(lines, "heads_needed", lambda line, facts: min(1, right(line, facts)))


BROKEN: Final[tuple[Break, ...]] = (
    _repeats_are_handled_again,
    _a_seat_is_lost_when_its_taker_has_left,
    _a_passer_by_gets_a_freed_seat,
    _the_last_in_line_moves_up_first,
    _a_promotion_takes_one_seat_too_few,
    _the_line_reads_too_few_of_its_entries,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__.strip("_"))
def test_a_broken_rule_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Flow,
            settings=settings(
                max_examples=200,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
