"""The line of one event: whose turn it is.

Registration holds freed seats back from the public until the line has said whose they are.
Every held seat is at each moment in exactly one place. With `held` of registration's row,

    held = free          here, until somebody may have them
         + promoted      `waitlist.promoted` on its way to registration
         + released      `waitlist.seats_released` on its way to registration
         + freed         `registration.seats_freed` on its way to here
         + offered       open offers, at registration

Each step moves seats from one place to another or, by registration's answer, out of `held`:

* Whoever has left meanwhile, or wants fewer seats by then: registration keeps held what is not
  used and says `seats_freed` again. So `Left` of a promoted entry adds nothing to `free`; the
  seats come by themselves. The same is true of an offer that was not accepted.
* A line that empties while somebody joins: the release meets a waiting person at registration,
  which keeps the seats held and says `seats_freed` again, after that person's `waitlisted`.
* A line whose event is called off is closed for good and keeps `free` as it is: it neither
  promotes nor releases. A promotion that was on its way comes back as `seats_freed` and stays.
* A line that an operator has paused keeps `free` too, until it is resumed or over.
* A line that is over (`ends_at` has come) promotes nobody and releases all, whoever waits. A
  promotion that was on its way is not answered; its party waits again if the end is put off.

Whose turn it is, while the line moves:

* The head, the first in the order of `rank`, where its whole party fits into `free`.
* Where it does not fit: under `strict` nobody; under `partial` the head, for what is free, unless
  it has declined a part before; else the first in order that fits, which passes the head, unless
  the head has been passed as often as the rules let it.
* `passed_by` are the ranks of those who passed, as far as they stand behind the head. Whoever
  passes an entry passes the head before it too, so `passed_by` holds everybody who has passed any
  entry that waits, and its bound is a bound for all of them.
* An operator may put an entry first, or change its priority; that is no passing.

Further invariants, after every fact: `free >= 0`; while the line moves, no seat is free that the
rules would give to somebody, and none where nobody waits; an entry is promoted once, and again
only after it has returned.

Facts are taken one after the other, so a batch cut anywhere ends in the same state and says
the same in the same order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.waitlist.domain.facts import (
    Confirmed,
    Described,
    Fact,
    Freed,
    Left,
    OfEntry,
    Offered,
    Prioritised,
    PromotedByHand,
    Reduced,
    Resumed,
    Returned,
)
from services.waitlist.domain.model import (
    PRIORITY_STEP,
    Actor,
    Decision,
    Entry,
    Kind,
    Line,
    Move,
    Promote,
    Reason,
    Record,
    Release,
    State,
    Wish,
)
from services.waitlist.domain.turn import Turn, moves_end

__all__ = [
    "PRIORITY_STEP",
    "Actor",
    "Decision",
    "Entry",
    "Kind",
    "Line",
    "Move",
    "Needed",
    "Promote",
    "Reason",
    "Record",
    "Release",
    "State",
    "Wish",
    "decide",
    "mentioned",
    "needed",
    "read",
]

# What may take an entry from its place in line, or give the line a new one before it.
_MOVING = Left | Offered | Confirmed | Returned | Reduced | Prioritised | PromotedByHand


@dataclass(frozen=True, slots=True)
class Needed:
    """Which entries `decide` must be given beside those `mentioned`: the first `heads` that wait;
    behind these, of each size from 1 to `sizes` seats, the first `per_size` that wait; and, where
    `promoted`, all that are promoted and not answered."""

    heads: int = 0
    per_size: int = 0
    sizes: int = 0
    promoted: bool = False


def needed(line: Line, facts: Sequence[Fact]) -> Needed:
    """What `decide` must be given for these facts.

    Each promotion takes one seat at least, and each entry that leaves its place otherwise takes a
    fact of its own. So once as many entries as there are seats and such facts are gone, no seat is
    free any more: the entries behind the first so many are never the head, however long the line
    is. They can only pass, which happens after a fact and `passes` times at most, since the head
    is the same meanwhile.
    """
    if not line.open:
        return Needed()
    seats = sum(fact.seats for fact in facts if isinstance(fact, Freed))
    if not line.paused or any(isinstance(fact, Resumed) for fact in facts):
        seats += line.free
    by_hand = any(isinstance(fact, PromotedByHand) for fact in facts)
    promoted = _puts_end_off(line, facts)
    if not (seats or by_hand):
        return Needed(promoted=promoted)
    moving = sum(isinstance(fact, _MOVING) for fact in facts)
    heads = seats + moving + by_hand
    rules = [line.rules, *(f.rules for f in facts if isinstance(f, Described) and f.rules)]
    passes = max((one.passes for one in rules if one.policy != "strict"), default=0)
    if not (passes and seats):
        return Needed(heads, promoted=promoted)
    return Needed(heads, min(seats, passes * len(facts)) + moving, seats, promoted)


def _puts_end_off(line: Line, facts: Sequence[Fact]) -> bool:
    rules = line.rules
    for fact in facts:
        if isinstance(fact, Described):
            if moves_end(rules, fact):
                return True
            rules = fact.rules or rules
    return False


def mentioned(facts: Sequence[Fact]) -> set[UUID]:
    """The entries that `decide` must be given for these facts, where they exist."""
    return {fact.registration_id for fact in facts if isinstance(fact, OfEntry)}


def read(entries: Iterable[Entry], line: Line, facts: Sequence[Fact]) -> list[Entry]:
    """Of all `entries` of a line those that `decide` must be given, as the repository reads them;
    for models and tests, since it looks at every entry."""
    every, wanted, named = list(entries), needed(line, facts), mentioned(facts)
    queue = sorted((e for e in every if e.state is State.WAITING), key=lambda entry: entry.rank)
    found = queue[: wanted.heads]
    of_size: Counter[int] = Counter()
    for entry in queue[wanted.heads :]:
        of_size[entry.seats] += 1
        if entry.seats <= wanted.sizes and of_size[entry.seats] <= wanted.per_size:
            found.append(entry)
    chosen = {entry.registration_id for entry in found}
    return found + [
        entry
        for entry in every
        if entry.registration_id not in chosen
        and (entry.registration_id in named or (wanted.promoted and entry.state is State.PROMOTED))
    ]


def decide(line: Line, known: Iterable[Entry], facts: Sequence[Fact], now: datetime) -> Decision:
    """What follows from `facts`, in their order.

    `known` holds, in any order and each once, the entries that `mentioned` and `needed` name
    (`read` out of all).
    """
    turn = Turn(line, known, now)
    for fact in facts:
        turn.take(fact)
        turn.advance()
    return turn.decision()
