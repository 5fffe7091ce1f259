"""A batch of sign-ups for one event in one transaction.

Invariants:
- Decided in the order of arrival under the lock of the event's seats, by the pure rule of
  `domain/batch.py`; written with a statement for each table, whatever the batch's size.
- An attempt whose commit was not answered is looked up by the ids it would have written: under
  the lock it has either happened or will never happen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import EinlassError, Invalid, NotFound
from services.registration.changes import Changes
from services.registration.domain import batch, form
from services.registration.domain.event import Event
from services.registration.domain.form import SignUp
from services.registration.messages import Links, Speaker
from services.registration.repository import registrations
from services.registration.repository import seats as counters
from services.registration.repository.registrations import Registration
from services.registration.repository.seats import Locked


@dataclass(frozen=True, slots=True)
class Application:
    """A sign-up that was found right for the `event` as it was known then."""

    registration: Registration
    sent: SignUp
    event: Event


Outcome = Registration | EinlassError


@dataclass(frozen=True, slots=True)
class SignUps:
    """Decides batches; `run` is what kit.groupcommit calls."""

    db: Database
    clock: Clock
    links: Links
    changes: Changes

    async def run(self, _: UUID, items: Sequence[Application], again: bool) -> Sequence[Outcome]:
        """An outcome for each application, in order."""
        async with self.db.transaction() as conn:
            locked = await counters.lock_known(conn, items[-1].event)
            if locked is None:
                return [NotFound()] * len(items)
            happened = await self._happened(conn, items) if again else {}
            open_ones: list[Registration] = []
            answers: list[Outcome | None] = []
            for item in items:
                answer = happened.get(item.registration.id) or _recheck(item, locked)
                answers.append(answer)
                if answer is None:
                    open_ones.append(item.registration)
            decided = iter(await self._admit(conn, locked, open_ones))
        return [next(decided) if answer is None else answer for answer in answers]

    async def _happened(
        self, conn: AsyncConnection, items: Sequence[Application]
    ) -> dict[UUID, Registration]:
        return await registrations.by_ids(conn, [item.registration.id for item in items])

    async def _admit(
        self, conn: AsyncConnection, locked: Locked, new: Sequence[Registration]
    ) -> list[Outcome]:
        """Decides new registrations of one locked event and writes what follows."""
        if not new:
            return []
        event, now = locked.event, self.clock.now()
        keys = [r.idempotency_digest for r in new if r.idempotency_digest]
        known = await registrations.known(conn, event.id, keys, [r.email_key for r in new])
        after, outcomes = batch.decide(
            locked.seats,
            event.line,
            event.phase(now) == "open",
            [(r, r.status != "cancelled") for r in known],
            new,
        )
        speaker = Speaker(event.id, locked.seats.seq, now)
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
        await registrations.insert_many(conn, all_known[len(known) :])
        await self.changes.save(conn, {event.id: locked}, {event.id: (after, speaker)})
        return answers

    def _joined(self, speaker: Speaker, joined: batch.Joined[Registration]) -> Registration:
        """The registration as decided; says so."""
        made, waits = joined.applicant, joined.position is not None
        made.seq = speaker.seq + 1
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


def _recheck(item: Application, locked: Locked) -> EinlassError | None:
    """Whether the event has changed since the form was checked, so that it no longer fits."""
    if locked.event.status == "draft":
        return NotFound()
    if item.event.version == locked.event.version:
        return None
    errors = form.check(item.sent, locked.event)
    return Invalid(errors) if errors else None
