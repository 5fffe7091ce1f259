"""Any order of what registration tells, operators do and time brings, for a line and its model."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.waitlist.domain.facts import (
    Confirmed,
    Described,
    Ended,
    Ending,
    Fact,
    Freed,
    Joined,
    Leaving,
    Left,
    LineRules,
    Offered,
    Paused,
    Policy,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
    StillWanted,
)
from services.waitlist.domain.line import PRIORITY_STEP, Kind, Move, Promote, Release, State
from tests.unit.waitlist.model import Model
from tests.unit.waitlist.table import NOW, Table, party

_POLICIES: Final[st.SearchStrategy[Policy]] = st.sampled_from(["strict", "fill", "partial"])
_HOURS: Final = st.none() | st.integers(-2, 6)


class Waiting(RuleBasedStateMachine):
    """What is told gathers in `told` and reaches the line in one batch, and the model one by one.
    No time passes in between, as in a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.model = Table(), Model()
        self.now = NOW
        self.seq = 0
        self.late: list[int] = []
        self.told: list[Fact] = []

    # What is told

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _tell(self, *facts: Fact) -> None:
        self.told += facts

    def _some(self, data: st.DataObject, *states: State) -> UUID | None:
        """Somebody who stood so after the last batch, which may be now."""
        if data.draw(st.booleans()):
            self.hear()
        found = [e.registration_id for e in self.table.entries.values() if e.state in states]
        return data.draw(st.sampled_from(sorted(found))) if found else None

    @initialize(policy=_POLICIES, passes=st.integers(0, 3), sizes=st.lists(st.integers(1, 5)))
    def begins(self, policy: Policy, passes: int, sizes: list[int]) -> None:
        self._describe(LineRules("offer", policy, passes, self.now + timedelta(hours=9)))
        for seats in sizes:
            self.join(seats)

    @rule(seats=st.integers(1, 5))
    def join(self, seats: int) -> None:
        seq = self._next()
        self._tell(Joined(self.now, party(seq), seq, seats))

    @rule(large=st.integers(3, 8), seats=st.integers(1, 3))
    def many_large_parties_join_and_a_small_one(self, large: int, seats: int) -> None:
        for _ in range(large):
            self.join(5)
        self.join(seats)

    @rule()
    def a_joining_is_set_aside(self) -> None:
        self.late.append(self._next())

    @precondition(lambda self: self.late)
    @rule(seats=st.integers(1, 5))
    def a_joining_comes_late(self, seats: int) -> None:
        seq = self.late.pop()
        self._tell(Joined(self.now, party(seq), seq, seats))

    @rule(seats=st.integers(1, 8))
    def free(self, seats: int) -> None:
        self._tell(Freed(self.now, seats))

    @rule(data=st.data(), reason=st.sampled_from([None, "lapsed"]))
    def leave(self, data: st.DataObject, reason: Leaving | None) -> None:
        who = self._some(data, State.WAITING, State.WAITING, State.PROMOTED)
        if who:
            self._tell(Left(self.now, who, reason))

    @rule(data=st.data(), offers=st.booleans(), fewer=st.booleans())
    def answer(self, data: st.DataObject, offers: bool, fewer: bool) -> None:
        """Registration answers a promotion; what is not used comes back."""
        who = self._some(data, State.PROMOTED)
        if who is None:
            return
        promotions = [wish for wish in self.table.wishes if isinstance(wish, Promote)]
        wished = [wish.seats for wish in promotions if wish.registration_id == who]
        seats = max(1, wished[-1] - fewer)
        if offers:
            self._tell(Offered(self.now, who, seats, self.now + timedelta(hours=1)))
        else:
            self._tell(Confirmed(self.now, who, seats))
        if seats < wished[-1]:
            self._tell(Freed(self.now, wished[-1] - seats))

    @rule(
        data=st.data(), end=st.sampled_from(["accepted", "lost", "kept", "end"]), lost=st.booleans()
    )
    def an_offer_ends(self, data: st.DataObject, end: str, lost: bool) -> None:
        who = self._some(data, State.OFFERED)
        if who is None:
            return
        reason: Ending = "declined" if lost or end == "kept" else "expired"
        if end == "accepted":
            self._tell(Confirmed(self.now, who, 1))
            return
        if end == "lost":
            self._tell(Left(self.now, who, reason))
        else:
            rank = self._next() if end == "end" else None
            self._tell(Returned(self.now, who, rank, end == "kept", reason))
        self._tell(Freed(self.now, data.draw(st.integers(1, 4))))

    @rule(data=st.data())
    def an_offer_is_declined_and_the_place_kept(self, data: st.DataObject) -> None:
        who = self._some(data, State.PROMOTED)
        if who:
            self._tell(
                Offered(self.now, who, 1, self.now + timedelta(hours=1)),
                Returned(self.now, who, None, True, "declined"),
                Freed(self.now, 1),
            )

    @rule(data=st.data(), seats=st.integers(1, 4))
    def reduce(self, data: st.DataObject, seats: int) -> None:
        who = self._some(data, State.WAITING, State.PROMOTED, State.OFFERED)
        if who:
            self._tell(Reduced(self.now, who, seats), StillWanted(self.now, who))

    @rule(data=st.data(), number=st.integers(1, 30))
    def something_strange_is_told(self, data: st.DataObject, number: int) -> None:
        """A database was restored from a backup, or messages come back from where they lay."""
        who = party(number)
        facts: list[Fact] = [
            Left(self.now, who),
            Confirmed(self.now, who, 1),
            Offered(self.now, who, 1, self.now),
            Returned(self.now, who, None, False, "expired"),
            Reduced(self.now, who, 1),
            PromotedByHand(self.now, who, "Ada", "a child"),
            Prioritised(self.now, who, 1, "Ada", "a child"),
        ]
        self._tell(data.draw(st.sampled_from(facts)))

    # Operators

    @rule(policy=_POLICIES, passes=st.integers(0, 4), hours=_HOURS)
    def other_rules(self, policy: Policy, passes: int, hours: int | None) -> None:
        ends_at = None if hours is None else self.now + timedelta(hours=hours)
        self._describe(LineRules("offer", policy, passes, ends_at))

    def _describe(self, rules: LineRules | None, *, takes_place: bool = True) -> None:
        self._tell(Described(self.now, "seminar", "Seminar", takes_place, rules))

    @precondition(lambda self: self.seq > 25)
    @rule()
    def call_off(self) -> None:
        self._describe(None, takes_place=False)

    @rule(pause=st.booleans())
    def pause_or_resume(self, pause: bool) -> None:
        kind = Paused if pause else Resumed
        self._tell(kind(self.now, "Ada", "the hall is not sure"))

    @rule(data=st.data(), priority=st.integers(-1, 2))
    def prioritise(self, data: st.DataObject, priority: int) -> None:
        who = self._some(data, State.WAITING)
        if who:
            self._tell(Prioritised(self.now, who, priority, "Ada", "a speaker"))

    @rule(data=st.data())
    def promote_by_hand(self, data: st.DataObject) -> None:
        who = self._some(data, State.WAITING)
        if who:
            self._tell(PromotedByHand(self.now, who, "Ada", "a speaker"))

    # Time, and the batch

    @rule(minutes=st.integers(1, 200))
    def time_passes(self, minutes: int) -> None:
        self.hear()
        self.now += timedelta(minutes=minutes)
        if self.table.line.open and self.table.line.free and self.table.line.over(self.now):
            self._tell(Ended(self.now))
            self.hear()

    @rule()
    def hear(self) -> None:
        facts, self.told = self.told, []
        before, messages = self.model.strays, len(self.model.said)
        for fact in facts:
            self.model.take(fact, self.now)
        strays, wishes = self.table.strays, len(self.table.wishes)
        self.table.take(*facts, now=self.now)
        assert self.table.strays - strays == self.model.strays - before
        said = [w for w in self.table.wishes[wishes:] if not isinstance(w, Move)]
        assert said == self.model.said[messages:]
        self._compare()

    def _compare(self) -> None:
        line, model = self.table.line, self.model
        queue = self.table.queue()
        assert [e.registration_id for e in queue] == [one.id for one in model.queue()]
        assert {e.registration_id: e.state.value for e in self.table.entries.values()} == {
            one.id: one.state for one in model.parties.values()
        }
        assert (line.free, line.open, line.paused) == (model.free, model.open, model.paused)
        assert (line.waiting, line.length) == (sum(e.seats for e in queue), len(queue))
        assert set(line.passed_by) == {
            number + below * PRIORITY_STEP for below, number in model.memory
        }
        for entry in self.table.entries.values():
            assert entry.whole == model.parties[entry.registration_id].whole
            assert (entry.state is State.WAITING) == (entry.ended_at is None)
            assert (entry.state is State.OFFERED) == (entry.until is not None)

    # What must hold after every batch

    @invariant()
    def no_seat_is_idle_that_the_rules_would_give(self) -> None:
        line, queue = self.table.line, self.table.queue()
        if not line.free or not line.open or self.told:
            return
        assert not line.over(self.now)
        if line.paused:
            return
        head = queue[0]
        assert line.free < head.seats
        assert line.rules.policy != "partial" or head.whole
        behind = [rank for rank in line.passed_by if rank > head.rank]
        if line.rules.policy != "strict" and len(behind) < line.rules.passes:
            assert line.free < min(entry.seats for entry in queue)

    @invariant()
    def nobody_is_passed_more_often_than_the_bound(self) -> None:
        for one in self.model.parties.values():
            assert len(one.passed) <= self.model.most_passes

    @invariant()
    def no_two_have_one_rank(self) -> None:
        ranks = [entry.rank for entry in self.table.entries.values()]
        assert len(ranks) == len(set(ranks))

    @invariant()
    def the_ledger_adds_up(self) -> None:
        total = dict.fromkeys(Kind, 0)
        for record in self.table.ledger:
            total[record.kind] += record.seats
        given = total[Kind.PROMOTED] + total[Kind.RELEASED]
        assert total[Kind.FREED] == given + self.table.line.free
        wished = [w.seats for w in self.table.wishes if isinstance(w, Promote | Release)]
        assert given == sum(wished)

    @invariant()
    def who_is_promoted_again_has_returned(self) -> None:
        state: dict[UUID, Kind] = {}
        for record in self.table.ledger:
            who = record.registration_id
            if who is None or record.kind not in (Kind.PROMOTED, Kind.RETURNED):
                continue
            assert not (record.kind is Kind.PROMOTED and state.get(who) is Kind.PROMOTED)
            state[who] = record.kind

    def teardown(self) -> None:
        self.hear()
        self.no_seat_is_idle_that_the_rules_would_give()
