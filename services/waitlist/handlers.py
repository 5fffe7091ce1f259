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
    LineDetails,
    OfferEnded,
    PartyReduced,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationOffered,
    RegistrationWaitlisted,
    SeatsFreed,
)
from services.contracts.registration import StillWanted as SaidSo
from services.kit.clock import Clock
from services.waitlist import service
from services.waitlist.domain.facts import (
    Confirmed,
    Described,
    Fact,
    Freed,
    Joined,
    Left,
    LineRules,
    Offered,
    Reduced,
    Returned,
    StillWanted,
)


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
        case RegistrationConfirmed(data=data):
            if data.via == "direct":
                return None
            return Confirmed(at, data.registration_id, data.seats)
        case RegistrationWaitlisted(data=data):
            return Joined(at, data.registration_id, message.seq, data.seats)
        case RegistrationCancelled(data=data):
            if data.was == "confirmed":
                return None
            return Left(at, data.registration_id, "lapsed" if data.lapsed else None)
        case SeatsFreed(data=data):
            return Freed(at, data.seats)
        case RegistrationOffered(data=data):
            return Offered(at, data.registration_id, data.seats, data.until)
        case OfferEnded():
            return _ended(message)
        case PartyReduced(data=data):
            if data.was == "confirmed":
                return None
            return Reduced(at, data.registration_id, data.seats)
        case SaidSo(data=data):
            return StillWanted(at, data.registration_id)
        case EventPublished(data=data) | EventChanged(data=data) | EventCalledOff(data=data):
            event = data.event
            return Described(
                at,
                event.slug,
                event.title,
                open=event.status == "published" and not isinstance(message, EventCalledOff),
                rules=_rules(event.waitlist),
            )
        case _:
            assert_never(message)


def _ended(message: OfferEnded) -> Fact:
    """Only who declines a part keeps the place, and from then on waits for the whole party."""
    at, data = message.occurred_at, message.data
    if data.place == "lost":
        return Left(at, data.registration_id, data.reason)
    rank = message.seq if data.place == "end" else None
    whole = data.place == "kept" and data.reason == "declined"
    return Returned(at, data.registration_id, rank, whole, data.reason)


def _rules(told: LineDetails | None) -> LineRules | None:
    if told is None:
        return None
    return LineRules(told.promotion, told.policy, told.passes, told.ends_at)
