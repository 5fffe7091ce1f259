"""Messages of `registration.v1` as a rush and the hours after it leave them.

Invariant: of each event the `seq` has no gap and the story is one that registration tells: people
get places, then people wait; then, one after the other, somebody cancels, a seat is freed and the
head of the line has it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from itertools import chain, zip_longest
from typing import Any, Final
from uuid import UUID

from services.contracts import registration as wire
from services.contracts.envelope import Message, Person
from services.kit.ids import uuid7
from services.kit.outbox import encode

# Of 100 messages of an event: sign-ups with a place, sign-ups that wait, and the rest in threes
# (cancelled, freed, moved up).
DIRECT: Final = 0.55
WAITING: Final = 0.24

Said = tuple[UUID, bytes]


def rush(events: int, messages: int) -> list[Said]:
    """About `messages` messages over `events` events, taken from the events in turn: each the
    event's id and the payload."""
    told = [_story(number, messages // events) for number in range(events)]
    return [said for said in chain.from_iterable(zip_longest(*told)) if said is not None]


def _story(number: int, messages: int) -> Iterator[Said]:
    event_id = uuid7()
    for seq, (kind, data) in enumerate(_told(number, messages), 1):
        message = kind.model_construct(
            id=uuid7(), event_id=event_id, seq=seq, occurred_at=datetime.now(UTC), data=data
        )
        yield event_id, encode(message)


def _told(number: int, messages: int) -> Iterator[tuple[type[Message], Any]]:
    yield wire.EventPublished, wire.EventData(event=_details(number))
    direct = [uuid7() for _ in range(int(messages * DIRECT))]
    waiting = [uuid7() for _ in range(int(messages * WAITING))]
    moves = (messages - 1 - len(direct) - len(waiting)) // 3
    for who in direct:
        yield wire.RegistrationConfirmed, _confirmed(who, 1, "direct")
    for position, who in enumerate(waiting, 1):
        yield (
            wire.RegistrationWaitlisted,
            wire.WaitlistedData(
                registration_id=who, revision=1, seats=1, position=position, person=_person(who)
            ),
        )
    yield from _moves(direct[:moves], waiting[:moves])


def _moves(goes: Sequence[UUID], comes: Sequence[UUID]) -> Iterator[tuple[type[Message], Any]]:
    for leaver, head in zip(goes, comes, strict=True):
        yield (
            wire.RegistrationCancelled,
            wire.CancelledData(
                registration_id=leaver, revision=2, seats=1, was="confirmed", person=_person(leaver)
            ),
        )
        yield wire.SeatsFreed, wire.SeatsFreedData(seats=1)
        yield wire.RegistrationConfirmed, _confirmed(head, 2, "waitlist")


def _confirmed(who: UUID, revision: int, via: Any) -> wire.ConfirmedData:
    return wire.ConfirmedData(
        registration_id=who, revision=revision, seats=1, via=via, person=_person(who)
    )


def _person(who: UUID) -> Person:
    return Person(
        name=f"Jörg Müller-Lüdenscheid {who.hex[-4:]}",
        email=f"gast-{who.hex[-12:]}@example.org",
        locale="de",
        manage_url=f"https://einlass.example.org/registrations/{who}/{who.hex[:22]}",
    )


def _details(number: int) -> wire.EventDetails:
    return wire.EventDetails(
        slug=f"quartiere-{number}",
        title="Wie wir Quartiere gemeinsam planen",
        summary="Vom ersten Gespräch am Gartenzaun bis zum Beschluss im Rat.",
        days=(wire.Day(date=date(2027, 1, 15), starts_at=time(18), ends_at=time(20)),),
        timezone="Europe/Berlin",
        place="Rathaus, Festsaal, Prinzipalmarkt 8, 48143 Münster",
        contact="veranstaltungen@stadt.example, 0251 123456",
        status="published",
        version=1,
        url=f"https://einlass.example.org/events/quartiere-{number}",
    )
