"""What comes in from `registration.v1`, as facts of the line.

Invariant: a handler is a function of the database's state and its messages; it keeps nothing
in memory and swallows no error, so that a batch may be taken again, whole or in halves.
"""

from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.registration import (
    EventCalledOff,
    EventChanged,
    EventPublished,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationWaitlisted,
    SeatsFreed,
)
from services.kit.clock import Clock
from services.waitlist import service
from services.waitlist.domain.facts import Confirmed, Described, Fact, Freed, Joined, Left


class OnRegistration:
    """Takes the messages of one partition, in order, into their lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(
        self, conn: AsyncConnection, messages: Sequence[RegistrationMessage]
    ) -> None:
        facts: dict[UUID, list[Fact]] = {}
        for message in messages:
            fact = fact_of(message)
            if fact is not None:
                facts.setdefault(message.event_id, []).append(fact)
        await service.take(conn, facts, self._clock.now())


def fact_of(message: RegistrationMessage) -> Fact | None:
    """What a message means for its line; None where the person never stood in it."""
    at = message.occurred_at
    # The most frequent first: that an object is not of a model's class takes a while to say.
    match message:
        case RegistrationConfirmed():
            if message.data.via == "direct":
                return None
            return Confirmed(at, message.data.registration_id)
        case RegistrationWaitlisted():
            data = message.data
            return Joined(at, data.registration_id, message.seq, data.seats)
        case RegistrationCancelled():
            if message.data.was == "confirmed":
                return None
            return Left(at, message.data.registration_id)
        case SeatsFreed():
            return Freed(at, message.data.seats)
        case EventPublished() | EventChanged():
            event = message.data.event
            return Described(at, event.slug, event.title, open=event.status == "published")
        case EventCalledOff():
            return Described(at, message.data.event.slug, message.data.event.title, open=False)
        case _:
            assert_never(message)
