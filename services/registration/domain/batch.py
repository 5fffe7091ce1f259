"""A batch of sign-ups for one event, decided in the order in which they came.

Invariant: the outcome is the same as if each had come alone. A repeated Idempotency-Key gets
the first answer again, the same address is signed up once, and a bad item never changes the
lot of its neighbours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from services.kit.errors import EinlassError
from services.registration.domain import seats as rules
from services.registration.domain.errors import (
    AlreadyRegistered,
    EventFull,
    IdempotencyMismatch,
    RegistrationClosed,
)
from services.registration.domain.seats import Line, Seats


class Applicant(Protocol):
    """What the batch must know of a sign-up."""

    @property
    def seats(self) -> int: ...
    @property
    def email_key(self) -> str: ...
    @property
    def idempotency_digest(self) -> bytes | None: ...
    @property
    def request_digest(self) -> bytes: ...


A = TypeVar("A", bound=Applicant)


@dataclass(slots=True)
class Joined(Generic[A]):
    """A new registration: confirmed where `position` is None, else waiting. `freed` seats were
    put aside for the line by it."""

    applicant: A
    position: int | None
    freed: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same request as an earlier one: number `index` of the known registrations, or of
    those that joined in this batch when counted on from there."""

    index: int


Outcome = Joined[A] | Repeated | EinlassError


@dataclass(slots=True)
class _Known:
    keys: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    addresses: set[str] = field(default_factory=set)
    count: int = 0

    def learn(self, one: Applicant, *, active: bool) -> None:
        if one.idempotency_digest is not None:
            self.keys[one.idempotency_digest] = (self.count, one.request_digest)
        if active:
            self.addresses.add(one.email_key)
        self.count += 1


def decide(
    seats: Seats,
    line: Line,
    is_open: bool,
    known: Iterable[tuple[Applicant, bool]],
    batch: Sequence[A],
) -> tuple[Seats, list[Outcome[A]]]:
    """The counters after the batch, and an outcome for each item, in order.

    `known`: registrations that share a key or an address with the batch, and whether each is
    active (confirmed or waiting). A repeat is answered as before even when sign-up has closed
    meanwhile (`is_open` false); nobody new is let in then.
    """
    had = _Known()
    for one, active in known:
        had.learn(one, active=active)
    outcomes: list[Outcome[A]] = []
    for item in batch:
        earlier = had.keys.get(item.idempotency_digest) if item.idempotency_digest else None
        if earlier is not None:
            index, digest = earlier
            same = digest == item.request_digest
            outcomes.append(Repeated(index) if same else IdempotencyMismatch())
            continue
        if not is_open:
            outcomes.append(RegistrationClosed())
            continue
        if item.email_key in had.addresses:
            outcomes.append(AlreadyRegistered())
            continue
        decided = rules.sign_up(seats, item.seats, line)
        if isinstance(decided, rules.Refused):
            outcomes.append(EventFull())
            continue
        seats = decided.seats
        if isinstance(decided, rules.Waitlisted):
            outcomes.append(Joined(item, decided.position, decided.freed))
        else:
            outcomes.append(Joined(item, None, 0))
        had.learn(item, active=True)
    return seats, outcomes
