"""The line and the arbiter of the seats together, over two queues with any delay between them.

The arbiter here is the table "Seats" of docs/architecture.md, written down as briefly as it
goes: not registration's own code, so that both services are held to the page, not to each other.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.waitlist.domain.facts import Confirmed, Described, Fact, Freed, Joined, Left
from services.waitlist.domain.line import (
    Entry,
    Line,
    Promote,
    Release,
    State,
    Wish,
    decide,
    heads_needed,
    mentioned,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Arbiter:
    """Registration's row of one event. `parties`: seats and whether confirmed, while present."""

    capacity: int
    confirmed: int = 0
    held: int = 0
    waiting: int = 0
    seq: int = 0
    called_off: bool = False
    parties: dict[UUID, tuple[int, bool]] = field(default_factory=dict)
    says: deque[Fact] = field(default_factory=deque)

    def sign_up(self, seats: int) -> None:
        if self.called_off or seats > self.capacity:
            return
        self.seq += 1
        party = UUID(int=self.seq)
        fits = self.waiting == 0 and seats <= self.free
        self.parties[party] = (seats, fits)
        if fits:
            self.confirmed += seats
            return
        self.waiting += seats
        self.says.append(Joined(NOW, party, self.seq, seats))
        self.hold_for_line()

    def cancel(self, party: UUID) -> None:
        self.seq += 1
        seats, confirmed = self.parties.pop(party)
        if confirmed:
            self.confirmed -= seats
            self.hold_for_line()
        else:
            self.waiting -= seats
            self.says.append(Left(NOW, party))

    def enlarge(self, by: int) -> None:
        self.capacity += by
        self.hold_for_line()

    def call_off(self) -> None:
        self.called_off = True
        self.says.append(Described(NOW, "seminar", "Seminar", open=False))

    @property
    def free(self) -> int:
        return self.capacity - self.confirmed - self.held

    def hold_for_line(self) -> None:
        if self.waiting and self.free:
            self.says.append(Freed(NOW, self.free))
            self.held += self.free

    def hear(self, wish: Wish) -> None:
        match wish:
            case Promote():
                seats, confirmed = self.parties.get(wish.registration_id, (0, True))
                if confirmed or self.called_off:
                    self.says.append(Freed(NOW, wish.seats))
                    return
                assert seats == wish.seats
                self.held -= seats
                self.waiting -= seats
                self.confirmed += seats
                self.parties[wish.registration_id] = (seats, True)
                self.says.append(Confirmed(NOW, wish.registration_id))
            case Release():
                self.held -= wish.seats
                self.hold_for_line()


class Protocol(RuleBasedStateMachine):
    """Any interleaving of people, operators and the two directions of messages."""

    def __init__(self) -> None:
        super().__init__()
        self.arbiter = Arbiter(capacity=4)
        self.line = Line(UUID(int=0))
        self.entries: dict[UUID, Entry] = {}
        self.wishes: deque[Wish] = deque()
        self.promoted: list[int] = []

    def queue(self) -> list[Entry]:
        waiting = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        return sorted(waiting, key=lambda entry: entry.seq)

    @rule(seats=st.integers(1, 3))
    def sign_up(self, seats: int) -> None:
        self.arbiter.sign_up(seats)

    @precondition(lambda self: self.arbiter.parties)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.arbiter.cancel(data.draw(st.sampled_from(sorted(self.arbiter.parties))))

    @rule(by=st.integers(1, 3))
    def enlarge(self, by: int) -> None:
        self.arbiter.enlarge(by)

    @rule()
    def rename(self) -> None:
        open_ = not self.arbiter.called_off
        self.arbiter.says.append(Described(NOW, "seminar", "Seminar, neu", open_))

    @precondition(lambda self: len(self.arbiter.parties) > 5)
    @rule()
    def call_off(self) -> None:
        self.arbiter.call_off()

    @precondition(lambda self: self.arbiter.says)
    @rule(data=st.data())
    def the_line_hears(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, len(self.arbiter.says)))
        self._deliver([self.arbiter.says.popleft() for _ in range(size)])

    @precondition(lambda self: self.wishes)
    @rule()
    def the_arbiter_hears(self) -> None:
        self.arbiter.hear(self.wishes.popleft())

    @rule()
    def everything_arrives(self) -> None:
        while self.arbiter.says or self.wishes:
            self._deliver(list(self.arbiter.says))
            self.arbiter.says.clear()
            while self.wishes:
                self.arbiter.hear(self.wishes.popleft())
        assert self.arbiter.held == self.line.free
        if self.arbiter.called_off:
            return
        queue = self.queue()
        still = [party for party, (_, confirmed) in self.arbiter.parties.items() if not confirmed]
        assert [entry.registration_id for entry in queue] == sorted(still)
        assert self.line.free == 0 or self.line.free < queue[0].seats
        assert State.PROMOTED not in {entry.state for entry in self.entries.values()}

    def _deliver(self, facts: list[Fact]) -> None:
        heads = self.queue()[: heads_needed(self.line, facts)]
        asked = [self.entries[key] for key in mentioned(facts) if key in self.entries]
        decision = decide(self.line, {*heads, *asked}, facts, NOW)
        assert not decision.stray
        self.line = decision.line
        self.entries.update({entry.registration_id: entry for entry in decision.entries})
        self.wishes.extend(decision.wishes)
        self.promoted += [
            self.entries[wish.registration_id].seq
            for wish in decision.wishes
            if isinstance(wish, Promote)
        ]

    @invariant()
    def every_held_seat_is_in_one_place(self) -> None:
        on_the_way = sum(wish.seats for wish in self.wishes)
        freed = sum(fact.seats for fact in self.arbiter.says if isinstance(fact, Freed))
        assert self.arbiter.held == self.line.free + on_the_way + freed

    @invariant()
    def nobody_passes_by_those_who_wait(self) -> None:
        assert not self.arbiter.waiting or not self.arbiter.free

    @invariant()
    def nothing_is_oversold(self) -> None:
        arbiter = self.arbiter
        assert min(arbiter.confirmed, arbiter.held, arbiter.waiting) >= 0
        assert arbiter.confirmed + arbiter.held <= arbiter.capacity

    @invariant()
    def first_in_first_out(self) -> None:
        assert self.promoted == sorted(set(self.promoted))
        waiting = [entry.seq for entry in self.queue()]
        assert not waiting or not self.promoted or self.promoted[-1] < waiting[0]


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
