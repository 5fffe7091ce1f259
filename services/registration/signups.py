"""A batch of sign-ups in one transaction.

Invariants:
- Decided in the order of arrival by the pure rule of `domain/batch.py`; written in one statement,
  whatever the size of the batch.
- Decided from what this process left behind where that still holds, which the statement itself
  makes sure of under the lock of the event's seats; else from what is read under that lock.
- An event that somebody else has locked holds up no other: its sign-ups come later, alone.
- An attempt whose commit was not answered is looked up by the ids it would have written: under
  the lock it has either happened or will never happen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import EinlassError, Invalid, NotFound
from services.kit.groupcommit import LATER, Later
from services.registration.changes import Changes, Turn
from services.registration.domain import batch, form
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.messages import Links, Speaker
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked


@dataclass(slots=True)
class Application:
    """A sign-up that was found right for the `event` as it was known then."""

    registration: Registration
    sent: SignUp
    event: Event


Outcome = Registration | EinlassError

# Events that a process remembers, at most.
REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Part:
    """One event's part of the batch: what is `new`, and once decided the answers, in order.
    `doubtful`: it was known differently when something of it was checked."""

    locked: Locked
    doubtful: bool = False
    new: list[Registration] = field(default_factory=list)
    decided: Iterator[Outcome] = field(default_factory=lambda: iter(()))


@dataclass(frozen=True, slots=True)
class Last:
    """An event as the last batch left it. `trusted`: the batch had found it as the one before
    had left it."""

    locked: Locked
    trusted: bool


@dataclass(frozen=True, slots=True)
class SignUps:
    """Decides batches; `run` is what kit.groupcommit calls."""

    db: Database
    clock: Clock
    links: Links
    changes: Changes
    memory: dict[UUID, Last] = field(default_factory=dict)

    async def run(
        self, items: Sequence[Application], *, again: bool, alone: bool
    ) -> Sequence[Outcome | Later]:
        """An outcome for each application, in order."""
        guessed = {} if again or alone else await self._guess(items)
        rest = [item for item in items if item.event.id not in guessed]
        answers = iter(await self._careful(rest, again, alone) if rest else ())
        return [
            next(answers if (part := guessed.get(item.event.id)) is None else part.decided)
            for item in items
        ]

    async def _guess(self, items: Sequence[Application]) -> dict[UUID, Part]:
        """Decides from memory, and writes those events whose counters are still as they were
        when the last batch of this process left them: one way to the server and back."""
        parts: dict[UUID, Part] = {}
        for item in items:
            part = parts.get(item.event.id)
            if part is None:
                last = self.memory.get(item.event.id)
                if last is None or not last.trusted:
                    continue
                part = parts[item.event.id] = Part(last.locked)
            part.new.append(item.registration)
            if item.event.version != part.locked.event.version:
                part.doubtful = True
        decided = {
            event_id: self.decide(part, []) for event_id, part in parts.items() if not part.doubtful
        }
        # Who does not simply join may be known from before, and is answered from what is there.
        parts = {e: parts[e] for e, (_, made) in decided.items() if len(made) == len(parts[e].new)}
        if not parts:
            return {}
        turns = [decided[event_id][0] for event_id in parts]
        joined = [made for event_id in parts for made in decided[event_id][1]]
        async with self.db.at_once() as conn:
            written = await self.changes.guess(conn, turns, joined)
        for event_id in parts:
            if event_id in written:
                self.memory[event_id] = Last(written[event_id], trusted=True)
            else:
                self.memory.pop(event_id, None)
        return {event_id: part for event_id, part in parts.items() if event_id in written}

    async def _careful(
        self, items: Sequence[Application], again: bool, alone: bool
    ) -> Sequence[Outcome | Later]:
        """Decides under the lock, from what is read there."""
        events = {item.event.id: item.event for item in items}
        parts: dict[UUID, Part] = {}
        async with self.db.transaction() as conn:
            locked = await counters.lock_known(conn, events, wait=alone)
            happened = await self._happened(conn, items) if again else {}
            answers: list[Outcome | Later | None] = []
            for item in items:
                ours = locked.get(item.event.id)
                if ours is None:
                    answers.append(NotFound() if alone else LATER)
                    continue
                answer = happened.get(item.registration.id) or recheck(item, ours)
                answers.append(answer)
                if answer is None:
                    part = parts.get(item.event.id) or parts.setdefault(item.event.id, Part(ours))
                    part.new.append(item.registration)
            left = await self._admit(conn, parts)
        self._remember(locked, {**locked, **left})
        return [
            next(parts[item.event.id].decided) if answer is None else answer
            for item, answer in zip(items, answers, strict=True)
        ]

    def _remember(self, found: Mapping[UUID, Locked], left: Mapping[UUID, Locked]) -> None:
        """Trusts the memory of an event again once it was found as it had been left, so that an
        event that several processes write does not pay for wrong guesses."""
        if len(self.memory) > REMEMBERED:
            self.memory.clear()
        for event_id, now in left.items():
            last = self.memory.get(event_id)
            trusted = last is not None and last.locked == found[event_id]
            self.memory[event_id] = Last(now, trusted=trusted)

    async def _happened(
        self, conn: AsyncConnection, items: Sequence[Application]
    ) -> dict[UUID, Registration]:
        return await registrations.by_ids(conn, [item.registration.id for item in items])

    async def _admit(self, conn: AsyncConnection, parts: Mapping[UUID, Part]) -> dict[UUID, Locked]:
        """Decides what is new of each locked event and writes what follows; the events then."""
        if not parts:
            return {}
        known = await registrations.known(
            conn, [new for part in parts.values() for new in part.new]
        )
        decided = [self.decide(part, known.get(event_id, [])) for event_id, part in parts.items()]
        joined = [one for _, made in decided for one in made]
        return await self.changes.save(conn, [turn for turn, _ in decided], joined)

    def decide(self, part: Part, known: list[Registration]) -> tuple[Turn, list[Registration]]:
        """What becomes of the event, and who joined; `part` learns the answers."""
        event, now = part.locked.event, self.clock.now()
        after, outcomes = batch.decide(
            part.locked.seats,
            event.line(now),
            event.phase(now) == "open",
            [(r, r.active) for r in known],
            part.new,
        )
        speaker = Speaker(event.id, part.locked.seats.seq, now)
        all_known = list(known)
        answers: list[Outcome] = []
        for outcome in outcomes:
            if isinstance(outcome, batch.Joined):
                all_known.append(self._joined(speaker, outcome))
                answers.append(all_known[-1])
            elif isinstance(outcome, batch.Repeated):
                answers.append(all_known[outcome.index])
            else:
                answers.append(outcome)
        part.decided = iter(answers)
        return Turn(part.locked, after, speaker), all_known[len(known) :]

    def _joined(self, speaker: Speaker, joined: batch.Joined[Registration]) -> Registration:
        """The registration as decided; says so."""
        made, waits = joined.applicant, joined.position is not None
        made.seq = made.rank = speaker.seq + 1
        made.status = made.first_status = "waitlisted" if waits else "confirmed"
        made.via = None if waits else "direct"
        made.first_position = joined.position
        person = self.links.person(made)
        if joined.position is None:
            speaker.confirmed(made, "direct", person)
        else:
            speaker.waitlisted(made, joined.position, person)
            speaker.freed(joined.freed)
        return made


def recheck(item: Application, locked: Locked) -> EinlassError | None:
    """Whether the event has changed since the form was checked, so that it no longer fits."""
    if locked.event.status == "draft":
        return NotFound()
    if item.event.version == locked.event.version:
        return None
    errors = form.check(item.sent, locked.event)
    return Invalid(errors) if errors else None
