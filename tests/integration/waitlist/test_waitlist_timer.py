"""Lines whose end has come, found by the timer; the clock is moved, not waited for."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import audit, repository, service
from services.waitlist.domain.facts import Described, Fact, Freed, Joined, LineRules, Paused
from services.waitlist.domain.line import Line
from services.waitlist.timer import BATCH, Timer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = NOW + timedelta(days=9)


async def a_line(db: Database, *more: Fact, open: bool = True) -> UUID:
    """Two seats are free in it, and its first wants three."""
    event_id = uuid7()
    rules = LineRules("offer", "strict", 3, END)
    facts = [
        Described(NOW, f"kurs-{event_id}", "Kurs", open=True, rules=rules),
        Joined(NOW, uuid7(), 1, 3),
        Freed(NOW, 2),
        *more,
        Described(NOW, f"kurs-{event_id}", "Kurs", open=open),
    ]
    async with db.transaction() as conn:
        await service.take(conn, {event_id: facts}, NOW)
    return event_id


async def line(db: Database, event_id: UUID) -> Line:
    async with db.transaction() as conn:
        return (await repository.lock_lines(conn, [event_id]))[event_id].line


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


async def test_a_line_ends_when_its_time_has_come(db: Database, clock: FixedClock) -> None:
    event_id = await a_line(db)
    paused = await a_line(db, Paused(NOW, "Ada", "the hall is not sure"))
    off = await a_line(db, open=False)
    timer = Timer(db, clock)

    clock.advance(END - NOW - timedelta(seconds=1))
    await timer.look()
    assert (await line(db, event_id)).free == 2

    clock.advance(timedelta(seconds=1))
    await timer.look()
    ended = await line(db, event_id)
    assert (ended.free, ended.length, ended.waiting) == (0, 1, 3)
    assert (await line(db, paused)).free == 0
    assert (await line(db, off)).free == 2, "of an event called off nothing moves"
    assert await timer.look() == 0

    found = (await audit.look(db, event_id)).lines[event_id]
    assert (found.released, found.free, found.idle) == (2, 0, None)


async def test_two_timers_at_once_end_a_line_once(db: Database, clock: FixedClock) -> None:
    events = [await a_line(db) for _ in range(5)]
    clock.advance(END - NOW)
    await asyncio.gather(*(Timer(db, clock).look() for _ in range(3)))
    for event_id in events:
        found = (await audit.look(db, event_id)).lines[event_id]
        assert (found.seq, found.released, found.line.free) == (1, 2, 0)


async def test_a_timer_s_role_goes_on_until_all_are_done(db: Database, clock: FixedClock) -> None:
    events = [await a_line(db) for _ in range(BATCH + 3)]
    clock.advance(END - NOW)
    stop = asyncio.Event()
    role = asyncio.create_task(Timer(db, clock).run(stop))
    async with asyncio.timeout(30):
        while any([(await line(db, one)).free for one in events]):
            await asyncio.sleep(0.2)
    stop.set()
    await role


async def test_counters_that_are_wrong_are_mended_and_the_rules_asked(
    db: Database, clock: FixedClock
) -> None:
    event_id = await a_line(db)
    async with db.transaction() as conn:
        stored = (await repository.lock_lines(conn, [event_id]))[event_id]
        wrong = Line(event_id, "kurs", "Kurs", free=7, rules=stored.line.rules)
        await repository.save_lines(conn, [repository.Stored(wrong, stored.seq)])
    clock.advance(END - NOW)
    mended = await audit.mend_counters(db, clock, event_id)
    assert (mended.before.free, mended.counted.free, mended.counted.length) == (7, 2, 1)
    assert (await line(db, event_id)).free == 0, "its end had come"
