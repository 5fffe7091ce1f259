"""Registration without its processes: the rules, on a database of their own.

Every answer of PostgreSQL here is a real one. The clock can be moved, and what goes to Kafka is
read from the outbox, which no relay empties.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts import registration as wire
from services.contracts.envelope import Message
from services.contracts.waitlist import (
    Promoted,
    PromotedData,
    SeatsReleased,
    SeatsReleasedData,
    WaitlistMessage,
)
from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from services.registration.actions import Actions, What
from services.registration.board import Board
from services.registration.changes import Changes
from services.registration.domain.form import SignUp
from services.registration.handlers import Handler
from services.registration.lights import Lights
from services.registration.limits import limits as limits_of
from services.registration.messages import Links
from services.registration.programme import Programme
from services.registration.schemas import EventIn, EventOut
from services.registration.service import Service, SignedUp
from services.registration.standing import Standing
from services.registration.timer import Timer
from tests.support import events

# Nothing listens there: what is told through Redis goes nowhere.
NO_REDIS: Final = "redis://127.0.0.1:1/0"
PUBLIC_URL: Final = "https://anmeldung.example.org"
KEY: Final = bytes(range(32))


class House:
    """The rules of registration at one database; two houses at one database are two processes."""

    def __init__(
        self,
        url: str,
        redis_url: str = NO_REDIS,
        *,
        pool: int = 10,
        database: Database | None = None,
    ) -> None:
        self.url = url
        self.db = database or Database(url, name="house", pool=pool)
        self.clock = FixedClock(datetime.now(UTC))
        self.lights = Lights(redis_url)
        changes, links = Changes(self.lights), Links(TokenBox(KEY), PUBLIC_URL)
        limits = limits_of(redis_url, enabled=False)
        board = Board(self.db, self.lights, self.clock)
        self.service = Service(self.db, board, limits, self.clock, links, changes)
        self.programme = Programme(
            self.db, changes, self.clock, PUBLIC_URL, ZoneInfo("Europe/Berlin")
        )
        self.handler = Handler(changes, links, self.clock)
        self.timer = Timer(Actions(self.db, self.clock, links, changes))

    async def event(self, **changes: Any) -> EventOut:
        """A new event, published, of 3 places."""
        return await self.programme.create(EventIn.model_validate(events.event(**changes)))

    async def sign_up(
        self, event: EventOut, number: int, key: str | None = None, **changes: Any
    ) -> SignedUp:
        """Person `number` signs up."""
        return await self.service.sign_up(event.slug, form(number, **changes), key, "192.0.2.1")

    async def cancel(self, who: SignedUp) -> None:
        """The person cancels, by the own link."""
        await self.service.act(who.id, token_of(who), "cancel")

    async def act(self, who: SignedUp, what: What, seats: int = 0) -> Standing:
        """The person does this, by the own link."""
        return await self.service.act(who.id, token_of(who), what, seats)

    async def standing(self, who: SignedUp) -> Standing:
        """What the person's own page says."""
        return await self.service.registration(who.id, token_of(who))

    async def wish(self, *wishes: WaitlistMessage) -> None:
        """The consumer brings wishes of the waitlist."""
        async with self.db.transaction() as conn:
            await self.handler(conn, wishes)

    async def said(self, event_id: UUID) -> list[wire.RegistrationMessage]:
        """All messages about one event, in the order of their numbers in the outbox."""
        async with self.db.read() as conn:
            payloads = await conn.execute(
                sa.text("SELECT payload FROM outbox WHERE key = :key ORDER BY id"),
                {"key": event_id.bytes},
            )
            return [wire.ADAPTER.validate_json(payload) for payload in payloads.scalars()]

    async def row(self, event_id: UUID) -> Any:
        """The counters of one event."""
        async with self.db.read() as conn:
            found = await conn.execute(
                sa.text("SELECT * FROM seats WHERE event_id = :id"), {"id": event_id}
            )
            return found.one()

    async def people(self, event_id: UUID) -> Sequence[Any]:
        """All registrations of one event, in the order of `seq`."""
        async with self.db.read() as conn:
            found = await conn.execute(
                sa.text("SELECT * FROM registration WHERE event_id = :id ORDER BY seq"),
                {"id": event_id},
            )
            return found.all()

    async def close(self) -> None:
        """Closes its connections."""
        await self.db.close()


def form(number: int, **changes: Any) -> SignUp:
    """The form as person `number` fills it in."""
    filled: dict[str, Any] = {
        "name": f"Gast {number}",
        "email": f"gast-{number}@example.org",
        "seats": 1,
        "answers": {},
        "terms_accepted": True,
        "locale": "de",
        **changes,
    }
    return SignUp(**filled)


def token_of(who: SignedUp) -> str:
    """The secret part of a person's own link."""
    return who.manage_url.rsplit("/", 1)[1]


@dataclass
class Wishes:
    """What the waitlist says of one event, numbered."""

    event_id: UUID
    seq: int = 0

    def _envelope(self) -> dict[str, Any]:
        self.seq += 1
        return {
            "id": uuid7(),
            "event_id": self.event_id,
            "seq": self.seq,
            "occurred_at": datetime.now(UTC),
        }

    def promoted(self, registration_id: UUID, seats: int = 1) -> Promoted:
        """The next in line shall have seats."""
        data = PromotedData(registration_id=registration_id, seats=seats)
        return Promoted(**self._envelope(), data=data)

    def released(self, seats: int) -> SeatsReleased:
        """Nobody waits for these seats."""
        return SeatsReleased(**self._envelope(), data=SeatsReleasedData(seats=seats))


async def assert_whole(house: House, event_id: UUID, *, over: bool = False) -> None:
    """The counters, the registrations and the messages of an event tell one and the same; with
    `over` its line moves no more."""
    row, people, said = (
        await house.row(event_id),
        await house.people(event_id),
        await house.said(event_id),
    )
    confirmed = [p for p in people if p.status == "confirmed"]
    waiting = [p for p in people if p.status == "waitlisted"]
    assert row.confirmed == sum(p.seats for p in confirmed)
    assert row.waiting == sum(p.seats for p in waiting)
    assert row.line == len(waiting)
    assert row.confirmed + row.held <= row.capacity
    assert row.held >= sum(p.offered_seats or 0 for p in people)
    if not over:
        assert not row.waiting or row.confirmed + row.held == row.capacity
    assert [m.seq for m in said] == list(range(1, row.seq + 1))
    assert_told(said, people)


def assert_told(said: Sequence[Message], people: Sequence[Any]) -> None:
    """Who listens to the messages alone knows how every person stands."""
    state: dict[UUID, str] = {}
    parties: dict[UUID, int] = {}
    for message in said:
        match message:
            case wire.RegistrationConfirmed():
                state[message.data.registration_id] = "confirmed"
                parties[message.data.registration_id] = message.data.seats
            case wire.RegistrationWaitlisted():
                state[message.data.registration_id] = "waitlisted"
                parties[message.data.registration_id] = message.data.seats
            case wire.RegistrationOffered():
                assert state[message.data.registration_id] == "waitlisted"
                assert parties[message.data.registration_id] == message.data.party
                state[message.data.registration_id] = "offered"
            case wire.OfferEnded():
                assert state[message.data.registration_id] == "offered"
                lost = "expired" if message.data.reason == "expired" else "cancelled"
                ended = lost if message.data.place == "lost" else "waitlisted"
                state[message.data.registration_id] = ended
            case wire.PartyReduced():
                assert state[message.data.registration_id] == message.data.was
                assert parties[message.data.registration_id] > message.data.seats
                parties[message.data.registration_id] = message.data.seats
            case wire.RegistrationCancelled():
                assert state[message.data.registration_id] == message.data.was
                state[message.data.registration_id] = "cancelled"
            case _:
                pass
    assert state == {p.id: p.status for p in people}
    assert parties == {p.id: p.seats for p in people}


@asynccontextmanager
async def held_lock(house: House, event_id: UUID) -> AsyncIterator[AsyncConnection]:
    """Somebody else holds the lock of the event's counters while the block runs."""
    async with house.db.engine.begin() as conn:
        await conn.execute(
            sa.text("SELECT 1 FROM seats WHERE event_id = :id FOR UPDATE"), {"id": event_id}
        )
        yield conn


async def until_waiting(house: House, number: int) -> None:
    """Returns once `number` connections to this database wait for a lock."""
    await until(lambda: _waiting(house, number))


async def _waiting(house: House, number: int) -> bool:
    async with house.db.read() as conn:
        found = await conn.execute(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        return bool(found.scalar_one() >= number)


async def until(true: Callable[[], Awaitable[bool]], timeout: float = 10) -> None:
    """Asks until it is so. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await true():
            await asyncio.sleep(0.01)
