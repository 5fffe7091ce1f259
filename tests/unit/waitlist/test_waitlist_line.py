"""A line for itself: examples a reader can follow, then properties of any run of facts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.waitlist.domain.facts import Confirmed, Described, Fact, Freed, Joined, Left
from services.waitlist.domain.line import (
    Actor,
    Decision,
    Entry,
    Kind,
    Line,
    Promote,
    Reason,
    Release,
    State,
    Wish,
    decide,
    heads_needed,
    mentioned,
)

EVENT = UUID(int=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=5)
PUBLISHED = Described(EARLIER, "seminar", "Seminar", open=True)
CALLED_OFF = replace(PUBLISHED, open=False)


def party(number: int) -> UUID:
    return UUID(int=1000 + number)


def joined(number: int, seats: int = 1) -> Joined:
    return Joined(EARLIER, party(number), seq=number, seats=seats)


def left(number: int) -> Left:
    return Left(EARLIER, party(number))


def confirmed(number: int) -> Confirmed:
    return Confirmed(EARLIER, party(number))


def freed(seats: int) -> Freed:
    return Freed(EARLIER, seats)


class Table:
    """What the database keeps of one line, and nothing more of it read than is asked for."""

    def __init__(self) -> None:
        self.line = Line(EVENT)
        self.entries: dict[UUID, Entry] = {}
        self.wishes: list[Wish] = []
        self.kinds: list[Kind] = []
        self.strays = 0

    def take(self, *facts: Fact) -> Decision:
        heads = self.queue()[: heads_needed(self.line, facts)]
        asked = [self.entries[key] for key in mentioned(facts) if key in self.entries]
        decision = decide(self.line, {*heads, *asked}, facts, NOW)
        self.line = decision.line
        self.entries.update({entry.registration_id: entry for entry in decision.entries})
        self.wishes += decision.wishes
        self.kinds += [record.kind for record in decision.records]
        self.strays += len(decision.stray)
        return decision

    def queue(self) -> list[Entry]:
        waiting = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        return sorted(waiting, key=lambda entry: entry.seq)

    def state(self, number: int) -> State:
        return self.entries[party(number)].state

    def everything(self) -> tuple[object, ...]:
        return self.line, self.entries, self.wishes, self.kinds, self.strays


def test_a_freed_seat_goes_to_the_first_in_line() -> None:
    table = Table()
    table.take(joined(1), joined(2))
    decision = table.take(freed(1))

    assert decision.wishes == (Promote(party(1), 1),)
    assert [table.state(1), table.state(2)] == [State.PROMOTED, State.WAITING]
    assert (table.line.free, table.line.waiting, table.line.length) == (0, 1, 1)


def test_the_head_waits_until_its_party_fits_and_nobody_overtakes_it() -> None:
    table = Table()
    table.take(joined(1, seats=3), joined(2), freed(2))
    assert table.wishes == []
    assert table.line.free == 2

    table.take(freed(2))
    assert table.wishes == [Promote(party(1), 3), Promote(party(2), 1)]
    assert table.line.free == 0


def test_when_the_head_leaves_the_next_one_may_fit() -> None:
    table = Table()
    table.take(joined(1, seats=3), joined(2), freed(1))
    table.take(left(1))
    assert table.wishes == [Promote(party(2), 1)]


def test_seats_that_nobody_waits_for_are_released() -> None:
    table = Table()
    table.take(joined(1, seats=3), freed(2), left(1))
    assert table.wishes == [Release(2)]
    assert table.line == Line(EVENT)
    assert table.kinds == [Kind.JOINED, Kind.FREED, Kind.LEFT, Kind.RELEASED]


def test_a_promoted_party_that_has_left_gives_its_seats_on_only_when_they_are_freed_again() -> None:
    table = Table()
    table.take(joined(1), joined(2), freed(1))
    decision = table.take(left(1))
    assert table.state(1) is State.LEFT
    assert table.line.free == 0
    assert decision.records[0].reason is Reason.LEFT_AFTER_PROMOTION

    table.take(freed(1))
    assert table.wishes == [Promote(party(1), 1), Promote(party(2), 1)]


def test_a_confirmed_party_is_done() -> None:
    table = Table()
    table.take(joined(1), freed(1), confirmed(1))
    assert table.state(1) is State.CONFIRMED
    table.take(left(1), confirmed(1))
    assert table.state(1) is State.CONFIRMED
    assert table.strays == 2


def test_registration_may_confirm_somebody_whom_the_line_still_sees_waiting() -> None:
    table = Table()
    table.take(joined(1), joined(2), confirmed(1), freed(1))
    assert table.state(1) is State.CONFIRMED
    assert table.wishes == [Promote(party(2), 1)]


def test_a_called_off_event_moves_nobody_for_good() -> None:
    table = Table()
    table.take(PUBLISHED, joined(1, seats=2), freed(1), CALLED_OFF, freed(1), joined(2))
    table.take(replace(PUBLISHED, title="Seminar, neu"), CALLED_OFF, left(1))
    assert table.wishes == []
    assert (table.line.free, table.line.length, table.line.open) == (2, 1, False)
    assert table.kinds.count(Kind.CLOSED) == 1


def test_a_called_off_event_with_an_empty_line_keeps_its_seats() -> None:
    table = Table()
    table.take(CALLED_OFF, freed(1))
    assert table.wishes == []
    assert table.line.free == 1


def test_an_entry_told_late_stands_where_its_number_puts_it() -> None:
    table = Table()
    table.take(joined(2), joined(3))
    table.take(joined(1))
    table.take(freed(1))
    assert table.wishes == [Promote(party(1), 1)]


def test_the_line_takes_the_event_s_name() -> None:
    table = Table()
    table.take(PUBLISHED, replace(PUBLISHED, slug="kurs", title="Kurs"))
    assert (table.line.slug, table.line.title) == ("kurs", "Kurs")
    assert table.kinds == []


def test_records_say_when_and_who() -> None:
    table = Table()
    table.take(joined(1, seats=2))
    told, decided = table.take(freed(2)).records
    assert (told.kind, told.actor, told.at) == (Kind.FREED, Actor.REGISTRATION, EARLIER)
    assert (decided.kind, decided.actor, decided.at) == (Kind.PROMOTED, Actor.LINE, NOW)
    assert (decided.seats, decided.registration_id) == (2, party(1))
    assert table.entries[party(1)].ended_at == NOW


@pytest.mark.parametrize(
    ("facts", "heads"),
    [
        ([], 0),
        ([joined(7), left(1)], 0),
        ([freed(1)], 1),
        ([freed(2), left(1), confirmed(2), joined(9)], 4),
    ],
)
def test_no_more_of_the_line_is_needed_than_can_move(facts: Sequence[Fact], heads: int) -> None:
    line = Line(EVENT, waiting=100_000, length=100_000)
    assert heads_needed(line, facts) == heads


NUMBERS = st.integers(1, 12)
FACTS: st.SearchStrategy[list[Fact]] = st.lists(
    st.one_of(
        st.builds(joined, NUMBERS, st.integers(1, 4)),
        st.builds(left, NUMBERS),
        st.builds(confirmed, NUMBERS),
        st.builds(freed, st.integers(1, 5)),
        st.sampled_from([PUBLISHED, CALLED_OFF]),
    ),
    max_size=40,
)


@given(FACTS, st.data())
def test_a_batch_cut_anywhere_ends_the_same(facts: list[Fact], data: st.DataObject) -> None:
    whole, cut = Table(), Table()
    whole.take(*facts)
    rest = facts
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        cut.take(*rest[:size])
        rest = rest[size:]
    assert cut.everything() == whole.everything()


@given(st.lists(st.integers(1, 3), max_size=12), st.integers(0, 2), FACTS)
def test_what_is_not_read_would_change_nothing(
    parties: list[int], free: int, facts: list[Fact]
) -> None:
    line = Line(EVENT, free=free, waiting=sum(parties), length=len(parties))
    entries = [Entry(party(n), n, seats, EARLIER) for n, seats in enumerate(parties, 1)]
    asked = [one for one in entries if one.registration_id in mentioned(facts)]
    read = {*entries[: heads_needed(line, facts)], *asked}
    assert decide(line, read, facts, NOW) == decide(line, entries, facts, NOW)


@given(FACTS)
def test_what_holds_after_every_fact(facts: list[Fact]) -> None:
    table = Table()
    for fact in facts:
        decision = table.take(fact)
        line, queue = table.line, table.queue()
        assert line.free >= 0
        assert line.waiting == sum(entry.seats for entry in queue)
        assert line.length == len(queue)
        if line.open:
            assert line.free == 0 or line.free < queue[0].seats

        promoted = [w.registration_id for w in decision.wishes if isinstance(w, Promote)]
        order = [table.entries[key].seq for key in promoted] + [entry.seq for entry in queue]
        assert order == sorted(order), "somebody was overtaken"
    wishes = [w.registration_id for w in table.wishes if isinstance(w, Promote)]
    assert len(wishes) == len(set(wishes)), "somebody was promoted twice"


@given(FACTS)
def test_the_ledger_adds_up(facts: list[Fact]) -> None:
    table = Table()
    records = table.take(*facts).records
    total = {kind: sum(r.seats for r in records if r.kind is kind) for kind in Kind}
    assert total[Kind.FREED] == table.line.free + total[Kind.PROMOTED] + total[Kind.RELEASED]
    assert total[Kind.PROMOTED] == sum(w.seats for w in table.wishes if isinstance(w, Promote))
    assert total[Kind.RELEASED] == sum(w.seats for w in table.wishes if isinstance(w, Release))
