"""What holds of any run of facts, and what a batch may not change."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.waitlist.domain.facts import (
    Described,
    Ended,
    Fact,
    Left,
    LineRules,
    Offered,
    Paused,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
    StillWanted,
)
from services.waitlist.domain.line import Entry, Kind, Line, Promote, Release, decide, read
from tests.unit.waitlist.table import (
    EARLIER,
    EVENT,
    NOW,
    Table,
    confirmed,
    freed,
    joined,
    left,
    party,
)

NUMBERS = st.integers(1, 12)
PARTIES = st.builds(party, NUMBERS)
RULES = st.builds(
    LineRules,
    st.just("offer"),
    st.sampled_from(["strict", "fill", "partial"]),
    st.integers(0, 3),
    st.sampled_from([None, None, EARLIER, NOW + timedelta(hours=1)]),
)
FACTS: st.SearchStrategy[list[Fact]] = st.lists(
    st.one_of(
        st.builds(joined, NUMBERS, st.integers(1, 4)),
        st.builds(left, NUMBERS),
        st.builds(confirmed, NUMBERS),
        st.builds(freed, st.integers(1, 5)),
        st.builds(Left, st.just(EARLIER), PARTIES, st.sampled_from(["declined", "lapsed"])),
        st.builds(Offered, st.just(EARLIER), PARTIES, st.just(1), st.just(NOW)),
        st.builds(
            Returned,
            st.just(EARLIER),
            PARTIES,
            st.none(),
            st.booleans(),
            st.sampled_from(["declined", "expired"]),
        ),
        st.builds(Reduced, st.just(EARLIER), PARTIES, st.integers(1, 3)),
        st.builds(StillWanted, st.just(EARLIER), PARTIES),
        st.builds(
            Described,
            st.just(EARLIER),
            st.just("seminar"),
            st.just("Seminar"),
            st.sampled_from([True, True, True, False]),
            RULES,
        ),
        st.sampled_from(
            [Ended(NOW), Paused(EARLIER, "Ada", "why"), Resumed(EARLIER, "Ada", "why")]
        ),
        st.builds(
            Prioritised,
            st.just(EARLIER),
            PARTIES,
            st.integers(-1, 2),
            st.just("Ada"),
            st.just("why"),
        ),
        st.builds(PromotedByHand, st.just(EARLIER), PARTIES, st.just("Ada"), st.just("why")),
    ),
    max_size=40,
)


@given(RULES, FACTS, st.data())
def test_a_batch_cut_anywhere_ends_the_same(
    rules: LineRules, facts: list[Fact], data: st.DataObject
) -> None:
    begun = Described(EARLIER, "seminar", "Seminar", open=True, rules=rules)
    whole, cut = Table(begun), Table(begun)
    whole.take(*facts)
    rest: Sequence[Fact] = facts
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        cut.take(*rest[:size])
        rest = rest[size:]
    assert cut.everything() == whole.everything()


@given(RULES, st.lists(st.integers(1, 3), max_size=12), st.integers(0, 2), FACTS)
def test_what_is_not_read_would_change_nothing(
    rules: LineRules, parties: list[int], free: int, facts: list[Fact]
) -> None:
    line = Line(EVENT, free=free, waiting=sum(parties), length=len(parties), rules=rules)
    entries = [Entry(party(n), n, seats, EARLIER, n) for n, seats in enumerate(parties, 1)]
    known = read(entries, line, facts)
    assert decide(line, known, facts, NOW) == decide(line, entries, facts, NOW)


@given(st.lists(st.integers(1, 4), max_size=30), st.lists(st.integers(1, 12), max_size=4))
def test_of_a_long_line_the_small_ones_far_behind_are_read_too(
    parties: list[int], seats: list[int]
) -> None:
    line = Line(EVENT, length=len(parties) + 9, rules=LineRules("offer", "fill", 2))
    line = Line(EVENT, waiting=sum(parties) + 9, length=line.length, rules=line.rules)
    sizes = [*parties, *[1] * 9]
    entries = [Entry(party(n), n, size, EARLIER, n) for n, size in enumerate(sizes, 1)]
    facts = [freed(one) for one in seats]
    known = read(entries, line, facts)
    assert decide(line, known, facts, NOW) == decide(line, entries, facts, NOW)


@given(RULES, FACTS)
def test_what_holds_after_every_fact(rules: LineRules, facts: list[Fact]) -> None:
    table = Table(Described(EARLIER, "seminar", "Seminar", open=True, rules=rules))
    for fact in facts:
        table.take(fact)
        line, queue = table.line, table.queue()
        assert line.free >= 0
        assert line.waiting == sum(entry.seats for entry in queue)
        assert line.length == len(queue)
        if line.open and line.free and not line.paused:
            assert not line.over(NOW)
            assert line.free < queue[0].seats
            assert line.rules.policy != "partial" or queue[0].whole


@given(RULES, FACTS)
def test_the_ledger_adds_up(rules: LineRules, facts: list[Fact]) -> None:
    table = Table(Described(EARLIER, "seminar", "Seminar", open=True, rules=rules), *facts)
    total = {kind: sum(r.seats for r in table.ledger if r.kind is kind) for kind in Kind}
    assert total[Kind.FREED] == table.line.free + total[Kind.PROMOTED] + total[Kind.RELEASED]
    assert total[Kind.PROMOTED] == sum(w.seats for w in table.wishes if isinstance(w, Promote))
    assert total[Kind.RELEASED] == sum(w.seats for w in table.wishes if isinstance(w, Release))
