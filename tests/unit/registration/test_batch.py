"""A batch has the same outcome as its items one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import EinlassError
from services.registration.domain.batch import Joined, Repeated, decide
from services.registration.domain.errors import (
    AlreadyRegistered,
    EventFull,
    IdempotencyMismatch,
    RegistrationClosed,
)
from services.registration.domain.seats import Line, Seats


@dataclass(frozen=True)
class Applicant:
    """What a batch knows of a sign-up."""

    seats: int
    email_key: str
    idempotency_digest: bytes | None
    request_digest: bytes


Known = tuple[Applicant, bool]
applicants = st.builds(
    Applicant,
    seats=st.integers(1, 3),
    email_key=st.sampled_from("abcd"),
    idempotency_digest=st.none() | st.sampled_from([b"1", b"2", b"3"]),
    request_digest=st.sampled_from([b"x", b"y"]),
)
lines = st.builds(
    Line, enabled=st.booleans(), limit=st.none() | st.integers(1, 4), over=st.booleans()
)


def one_by_one(
    seats: Seats, line: Line, is_open: bool, known: Sequence[Known], batch: Sequence[Applicant]
) -> tuple[Seats, list[object]]:
    """Each item in a batch of its own, knowing those before it."""
    had = list(known)
    outcomes: list[object] = []
    for item in batch:
        seats, (outcome,) = decide(seats, line, is_open, had, [item])
        if isinstance(outcome, Joined):
            had.append((item, True))
        outcomes.append(outcome)
    return seats, outcomes


def told(outcome: object) -> object:
    return type(outcome) if isinstance(outcome, EinlassError) else outcome


@given(
    capacity=st.integers(1, 6),
    line=lines,
    is_open=st.booleans(),
    known=st.lists(st.tuples(applicants, st.booleans()), max_size=4),
    batch=st.lists(applicants, max_size=12),
)
def test_together_is_as_one_by_one(
    capacity: int, line: Line, is_open: bool, known: list[Known], batch: list[Applicant]
) -> None:
    start = Seats(capacity)
    together, outcomes = decide(start, line, is_open, known, batch)
    alone, expected = one_by_one(start, line, is_open, known, batch)
    assert together == alone
    assert list(map(told, outcomes)) == list(map(told, expected))


@given(
    capacity=st.integers(1, 6),
    line=lines,
    batch=st.lists(applicants, max_size=12),
)
def test_nobody_is_in_twice(capacity: int, line: Line, batch: list[Applicant]) -> None:
    after, outcomes = decide(Seats(capacity), line, True, [], batch)
    joined = [o.applicant for o in outcomes if isinstance(o, Joined)]
    assert len({a.email_key for a in joined}) == len(joined)
    keys = [a.idempotency_digest for a in joined if a.idempotency_digest]
    assert len(set(keys)) == len(keys)
    positions = [o.position for o in outcomes if isinstance(o, Joined) and o.position]
    assert positions == list(range(1, len(positions) + 1))
    assert after.confirmed + after.waiting == sum(a.seats for a in joined)
    for item, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Repeated):
            assert joined[outcome.index].request_digest == item.request_digest


def applicant(address: str, key: bytes | None = None, digest: bytes = b"x") -> Applicant:
    return Applicant(1, address, key, digest)


def test_a_repeat_is_answered_after_closing_too_and_nobody_else() -> None:
    known = [(applicant("a", b"1"), False)]
    batch = [applicant("a", b"1"), applicant("a", b"1", b"y"), applicant("b", b"2")]
    _, outcomes = decide(Seats(5), Line(), False, known, batch)
    assert list(map(told, outcomes)) == [Repeated(0), IdempotencyMismatch, RegistrationClosed]


def test_who_has_left_may_come_again_and_who_is_in_may_not() -> None:
    known = [(applicant("a"), False), (applicant("b"), True)]
    _, outcomes = decide(Seats(5), Line(), True, known, [applicant("a"), applicant("b")])
    assert isinstance(outcomes[0], Joined)
    assert isinstance(outcomes[1], AlreadyRegistered)


def test_who_is_refused_does_not_use_the_key_up() -> None:
    full, closed = Seats(1, confirmed=1), Line(enabled=False)
    _, outcomes = decide(full, closed, True, [], [applicant("a", b"1"), applicant("a", b"1")])
    assert [type(o) for o in outcomes] == [EventFull, EventFull]
