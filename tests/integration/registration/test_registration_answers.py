"""When PostgreSQL has done it and the answer is lost: everybody is answered, and once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import Database, copy, is_infrastructure
from services.kit.errors import Busy, NotFound
from tests.integration.registration.harness import House, assert_whole, token_of


class Lossy(Database):
    """A database whose first commits of a kind are not answered: `after`, once they are made, or
    before, so that they never are."""

    lost: int = 0
    after: bool = True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with super().transaction() as conn:
            yield conn
            if self.lost and not self.after:
                self.lost -= 1
                raise ConnectionResetError
        if self.lost:
            self.lost -= 1
            raise ConnectionResetError


@pytest_asyncio.fixture
async def lossy(registration_url: str) -> AsyncIterator[tuple[House, Lossy]]:
    """The rules, on a database that loses answers when told to."""
    database = Lossy(registration_url, name="lossy")
    house = House(registration_url, database=database)
    yield house, database
    await house.close()


@pytest.mark.parametrize("after", [True, False])
async def test_a_sign_up_is_made_once_and_answered(lossy: tuple[House, Lossy], after: bool) -> None:
    house, database = lossy
    event = await house.event(capacity=1)
    database.lost, database.after = 2, after
    who = await house.sign_up(event, 1)
    assert who.status == "confirmed"
    assert [p.id for p in await house.people(event.id)] == [who.id]
    database.lost = 1
    again = await house.sign_up(event, 2, key="k")
    assert (again.status, again.position) == ("waitlisted", 1)
    assert await house.sign_up(event, 2, key="k") == again
    await assert_whole(house, event.id)


@pytest.mark.parametrize("after", [True, False])
async def test_a_cancellation_is_made_once_and_answered(
    lossy: tuple[House, Lossy], after: bool
) -> None:
    house, database = lossy
    event = await house.event(capacity=1)
    first, _ = [await house.sign_up(event, n) for n in range(2)]
    database.lost, database.after = 2, after
    standing = await house.service.act(first.id, token_of(first), "cancel")
    assert standing.status == "cancelled"
    said = [m.type for m in await house.said(event.id)]
    assert said[-2:] == ["registration.cancelled", "registration.seats_freed"]
    assert said.count("registration.cancelled") == 1
    await assert_whole(house, event.id)


async def test_a_database_that_stays_away_is_told_as_a_rush(lossy: tuple[House, Lossy]) -> None:
    house, database = lossy
    event = await house.event()
    database.lost, database.after = 100, False
    with pytest.raises(Busy):
        await house.sign_up(event, 1)
    database.lost = 0
    assert await house.people(event.id) == []


async def test_cancellations_of_many_events_share_a_transaction(house: House) -> None:
    made = [await house.event(capacity=1) for _ in range(5)]
    people = [await house.sign_up(event, 1) for event in made]
    wrong = house.service.act(people[0].id, token_of(people[1]), "cancel")
    ends: Sequence[object] = await asyncio.gather(
        *(house.service.act(p.id, token_of(p), "cancel") for p in people),
        wrong,
        return_exceptions=True,
    )
    assert isinstance(ends[-1], NotFound)
    assert [e.status for e in ends[:-1]] == ["cancelled"] * 5  # type: ignore[attr-defined]
    for event in made:
        await assert_whole(house, event.id)


async def test_a_copy_that_breaks_off_is_the_servers_fault(house: House) -> None:
    async def cut_off() -> None:
        async with house.db.transaction() as conn:
            pid = (await conn.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            async with house.db.engine.connect() as other:
                await other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await copy(conn, "inbox_seq", ("consumer", "event_id", "last_seq"), [])

    with pytest.raises(Exception) as broken:  # noqa: PT011  # asyncpg's own, or SQLAlchemy's
        await cut_off()
    assert is_infrastructure(broken.value)
    await house.event()  # the pool has forgotten the connection


async def test_a_copy_is_part_of_its_transaction(house: House) -> None:
    rows = [("answers", (await house.event()).id, 1)]
    columns = ("consumer", "event_id", "last_seq")

    async def fails() -> None:
        async with house.db.transaction() as conn:
            await copy(conn, "inbox_seq", columns, rows)
            raise ZeroDivisionError

    async def twice() -> None:
        async with house.db.transaction() as conn:
            await copy(conn, "inbox_seq", columns, rows * 2)

    with pytest.raises(ZeroDivisionError):
        await fails()
    with pytest.raises(asyncpg.UniqueViolationError) as double:
        await twice()
    assert not is_infrastructure(double.value)
    async with house.db.read() as conn:
        kept = await conn.execute(
            sa.text("SELECT count(*) FROM inbox_seq WHERE consumer = 'answers'")
        )
        assert kept.scalar_one() == 0
