"""Any interleaving of people, operators, crashes and the two directions of messages.

A failing run prints the blob that repeats it (`@reproduce_failure`), and pytest the seed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

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
from services.waitlist.domain.facts import (
    Ended,
    Fact,
    Freed,
    LineRules,
    Paused,
    Prioritised,
    PromotedByHand,
    Resumed,
)
from services.waitlist.domain.line import Entry, Kind, Promote, Release, State, Wish
from services.waitlist.domain.queue import Queue
from services.waitlist.domain.turn import Turn
from tests.unit.flow.flow import END, NOW, Applicant, Channel, Message, Registration, Waitlist

ADDRESSES: Final = tuple("abcdefghijklmnopqrstuvwx")
_PARTY: Final = st.builds(
    lambda seats, address, key: Applicant(seats, address, key, bytes([seats])),
    st.integers(1, 3),
    st.sampled_from(ADDRESSES),
    st.none() | st.binary(min_size=1, max_size=1),
)
_RULES: Final = st.builds(
    LineRules,
    policy=st.sampled_from(("strict", "fill", "partial")),
    passes=st.integers(0, 3),
    ends_at=st.just(END),
)


class Flow(RuleBasedStateMachine):
    """One event; `told` goes from registration to the waitlist, `wished` back."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Channel[Fact] = Channel()
        self.wished: Channel[Wish] = Channel()
        self.registration = Registration(self.told)
        self.waitlist = Waitlist(self.wished)
        self.overridden = False
        self.calm = True

    # People and operators

    @initialize(
        parties=st.lists(_PARTY, min_size=4, max_size=12),
        calm=st.booleans(),
        rules=_RULES,
        asks=st.booleans(),
        after=st.sampled_from(("out", "end")),
    )
    def many_come_at_once(
        self,
        parties: list[Applicant],
        calm: bool,
        rules: LineRules,
        asks: bool,
        after: Literal["out", "end"],
    ) -> None:
        """In a `calm` run no operator interferes and no end comes."""
        self.calm = calm
        ours = self.registration
        ours.settings, ours.asks, ours.after = rules, asks or rules.policy == "partial", after
        self.waitlist.line = replace(self.waitlist.line, rules=rules)
        ours.sign_up(parties)

    @rule(parties=st.lists(_PARTY, min_size=1, max_size=4))
    def sign_up(self, parties: list[Applicant]) -> None:
        self.registration.sign_up(parties)

    @precondition(lambda self: self.registration.people)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.registration.cancel(data.draw(st.sampled_from(sorted(self.registration.people))))

    @precondition(lambda self: self.registration.offered())
    @rule(data=st.data(), does=st.sampled_from(("accept", "decline", "run out")))
    def answer(self, data: st.DataObject, does: str) -> None:
        who = data.draw(st.sampled_from([one.id for one in self.registration.offered()]))
        if does == "accept":
            self.registration.accept(who)
        else:
            self.registration.end_offer(who, "declined" if does == "decline" else "expired")

    @precondition(lambda self: self.registration.people)
    @rule(data=st.data(), by=st.integers(1, 2))
    def reduce(self, data: st.DataObject, by: int) -> None:
        who = data.draw(st.sampled_from(sorted(self.registration.people)))
        self.registration.reduce(who, by)

    @precondition(lambda self: not self.calm)
    @rule(reason=st.just("because"))
    def pause_or_resume(self, reason: str) -> None:
        paused = self.waitlist.line.paused
        self.waitlist.take([(Resumed if paused else Paused)(NOW, "kim", reason)])

    @precondition(lambda self: not self.calm and self.waitlist.waiting())
    @rule(data=st.data(), priority=st.integers(-1, 2), by_hand=st.booleans())
    def order(self, data: st.DataObject, priority: int, by_hand: bool) -> None:
        if not self.waitlist.line.open or self.waitlist.now >= END:
            return
        who = data.draw(st.sampled_from([one.registration_id for one in self.waitlist.waiting()]))
        self.overridden = True
        if by_hand:
            self.waitlist.take([PromotedByHand(NOW, who, "kim", "because")])
        else:
            self.waitlist.take([Prioritised(NOW, who, priority, "kim", "because")])

    @precondition(lambda self: not self.calm and len(self.registration.people) > 9)
    @rule(here=st.booleans())
    def the_end_comes(self, here: bool) -> None:
        """By the clock of the one; the other's may say otherwise for a while."""
        if here:
            self.registration.over = True
        else:
            self.waitlist.now = END

    @rule(capacity=st.integers(1, 9))
    def resize(self, capacity: int) -> None:
        if not self.registration.called_off:
            self.registration.resize(capacity)

    @precondition(lambda self: not self.calm and len(self.registration.people) > 8)
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
        if self.registration.over or self.waitlist.now >= END:
            self.registration.over, self.waitlist.now = True, END
            self.waitlist.take([Ended(END)])
        for _ in range(1000):
            if not (self.told.under_way() or self.wished.under_way()):
                break
            for channel in (self.told, self.wished):
                channel.publish(len(channel.outbox), deletes=True)
            self.told.receive(len(self.told.log), self.waitlist.hear)
            self.wished.receive(len(self.wished.log), self.registration.hear)
        else:
            raise AssertionError("the two answer each other for ever")
        ours, line, waiting = self.registration, self.waitlist.line, self.waitlist.waiting()
        assert ours.seats.held == line.free + sum(one.offered for one in ours.offered())
        if ours.called_off:
            assert not line.open
            return
        if ours.over:
            assert line.free == 0
            return
        assert [one.id for one in ours.waiting()] == [one.registration_id for one in waiting]
        states = Counter(entry.state for entry in self.waitlist.entries.values())
        assert states[State.PROMOTED] == 0
        assert states[State.OFFERED] == len(ours.offered())
        if not waiting:
            assert line.free == 0 or line.paused
        elif not line.paused:
            assert line.free < waiting[0].seats
            self._nothing_idle(line, waiting)

    def _nothing_idle(self, line: lines.Line, waiting: Sequence[Entry]) -> None:
        """No seat is free that the policy would give."""
        head, policy = waiting[0], line.rules.policy
        if policy == "partial" and not head.whole:
            assert line.free == 0
        elif policy != "strict":
            passed = sum(rank > head.rank for rank in line.passed_by)
            fits = any(one.seats <= line.free for one in waiting)
            assert passed == line.rules.passes or not fits

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
        assert not self.registration.line.waits(seats) or seats.free == 0

    @invariant()
    def every_held_seat_is_in_one_place(self) -> None:
        freed = sum(one.seats for one in self.told.under_way() if isinstance(one, Freed))
        wished = sum(
            one.seats for one in self.wished.under_way() if isinstance(one, Promote | Release)
        )
        offered = sum(one.offered for one in self.registration.offered())
        line = self.waitlist.line
        assert self.registration.seats.held == line.free + freed + wished + offered

    @invariant()
    def nobody_is_passed_over_or_promoted_twice(self) -> None:
        if self.overridden:
            return
        rules = self.registration.settings
        passes = 0 if rules.policy == "strict" else rules.passes
        assert max(self.waitlist.passes.values(), default=0) <= passes
        if rules.policy == "strict" and self.registration.after == "out":
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
    patch.setattr(rules, "give_back", lambda seats, held, line: rules.Freed(seats))


def _a_passer_by_gets_a_freed_seat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_hold_for_line", lambda seats, line: rules.Freed(seats))


def _an_offer_takes_its_seats_twice(patch: pytest.MonkeyPatch) -> None:
    right = rules.accept
    patch.setattr(rules, "accept", lambda seats, n: replace(right(seats, n), held=seats.held))


def _the_last_in_line_moves_up_first(patch: pytest.MonkeyPatch) -> None:
    right = Queue.put

    def wrong(self: Queue, entry: Entry) -> None:
        right(self, replace(entry, rank=-entry.rank) if entry.rank > 0 else entry)

    patch.setattr(Queue, "put", wrong)


def _a_promotion_takes_one_seat_too_few(patch: pytest.MonkeyPatch) -> None:
    right = lines.decide

    def wrong(line: lines.Line, known: Any, facts: Any, now: Any) -> lines.Decision:
        found = right(line, known, facts, now)
        promotes = any(isinstance(wish, Promote) for wish in found.wishes)
        return replace(found, line=replace(found.line, free=found.line.free + promotes))

    patch.setattr(lines, "decide", wrong)


def _the_line_reads_too_few_of_its_entries(patch: pytest.MonkeyPatch) -> None:
    right = lines.needed

    def wrong(line: lines.Line, facts: Sequence[Fact]) -> lines.Needed:
        asked = right(line, facts)
        return replace(asked, heads=min(1, asked.heads), per_size=0)

    patch.setattr(lines, "needed", wrong)


def _who_waits_is_passed_once_too_often(patch: pytest.MonkeyPatch) -> None:
    right = Turn._pass

    def wrong(self: Turn, head: Entry) -> bool:
        kept = self.line
        self.line = replace(kept, rules=replace(kept.rules, passes=kept.rules.passes + 1))
        passed = right(self, head)
        self.line = kept
        return passed

    patch.setattr(Turn, "_pass", wrong)


def _a_line_that_is_over_keeps_its_seats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lines.Line, "over", lambda self, now: False)


BROKEN: Final[tuple[Break, ...]] = (
    _repeats_are_handled_again,
    _a_seat_is_lost_when_its_taker_has_left,
    _an_offer_takes_its_seats_twice,
    _who_waits_is_passed_once_too_often,
    _a_line_that_is_over_keeps_its_seats,
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
                max_examples=600,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
