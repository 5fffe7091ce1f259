"""The board in an api process: what the public sees, with Redis and without."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import pytest_asyncio
import redis.asyncio as aioredis
from sqlalchemy.ext.asyncio import AsyncConnection

from deploy.local import Stack
from services.kit.errors import TooManyRequests
from services.kit.ids import uuid7
from services.registration import board as module
from services.registration.board import Board
from services.registration.lights import NAME, Lights, notice
from services.registration.limits import PER_ADDRESS, PER_EVENT
from services.registration.limits import limits as limits_of
from services.registration.repository import events
from services.registration.schemas import EventOut
from services.registration.stream import lights as stream
from tests.integration.registration.gate import Gate
from tests.integration.registration.harness import House, until


@pytest_asyncio.fixture
async def gate(stack: Stack) -> AsyncIterator[Gate]:
    """The way to the stack's Valkey, which no other test shares."""
    opened = Gate(stack.environment()["EINLASS_REDIS_URL"])
    await opened.mend()
    yield opened
    await opened.cut()


@asynccontextmanager
async def posted(house: House, redis_url: str) -> AsyncIterator[Board]:
    """A board as an api process keeps it."""
    told = Lights(redis_url)
    kept = Board(house.db, told, house.clock)
    await kept.start()
    try:
        yield kept
    finally:
        await kept.stop()
        await told.channel.stop()


@asynccontextmanager
async def speaking(registration_url: str, redis_url: str) -> AsyncIterator[House]:
    """Another process, whose changes are told through Redis."""
    house = House(registration_url, redis_url)
    house.lights.channel.start()
    try:
        yield house
    finally:
        await house.lights.channel.stop()
        await house.close()


async def shows(board: Board, event: EventOut, light: str | None, timeout: float) -> float:
    """Seconds until the board shows it. Raises TimeoutError."""
    began = time.monotonic()

    async def shown() -> bool:
        found = board.get(event.slug)
        return found is not None and found.light == light

    await until(shown, timeout)
    return time.monotonic() - began


async def test_a_change_elsewhere_is_seen_at_once(
    registration_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)  # the programme tells the boards to look
        assert await shows(board, event, "green", 1) < 1
        await house.sign_up(event, 1)
        assert await shows(board, event, "yellow", 1) < 1
        await house.sign_up(event, 2)
        assert await shows(board, event, "red", 1) < 1


async def test_without_redis_it_is_seen_within_two_seconds(
    registration_url: str, gate: Gate
) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        await gate.cut()
        await house.sign_up(event, 1)
        await shows(board, event, "yellow", 2)
        gate.freeze()
        await gate.mend()
        gate.freeze()
        await house.sign_up(event, 2)
        await shows(board, event, "red", 2)


async def test_once_redis_is_back_it_is_heard_again(
    registration_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        await gate.cut()
        await house.sign_up(event, 1)
        await gate.mend()
        await shows(board, event, "yellow", 5)  # it looks as soon as it is connected again
        await house.sign_up(event, 2)
        await shows(board, event, "red", 5)


async def test_nonsense_on_the_channel_does_no_harm(
    registration_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
        aioredis.from_url(gate.url) as client,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        slug = event.slug.encode()
        for nonsense in (
            b"",
            b"\xff",
            b"[]",
            b"1",
            b'{"slug":"%b"}' % slug,
            b'{"slug":"%b","light":"red","at":"then"}' % slug,
            b'{"slug":["%b"],"light":"red","at":"2999-01-01T00:00:00+00:00"}' % slug,
            b'{"slug":"%b","light":"red","at":"2999-01-01T00:00:00"}' % slug,
        ):
            await client.publish(f"einlass:{NAME}", nonsense)
        await house.sign_up(event, 1)
        await shows(board, event, "yellow", 2)


async def test_an_untrue_notice_is_put_right_by_the_next_look(
    registration_url: str, gate: Gate
) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
        aioredis.from_url(gate.url) as client,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        async with board.changes() as queue:
            untrue = notice(event.slug, "red", datetime(2999, 1, 1, tzinfo=UTC))
            await client.publish(f"einlass:{NAME}", untrue)
            async with asyncio.timeout(2):
                while (change := await queue.get()).light != "red" or change.slug != event.slug:
                    pass
        await shows(board, event, "green", 2)


async def test_a_notice_that_comes_while_it_looks_is_not_lost(
    registration_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read may be older than what was heard meanwhile."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        read = events.public_events

        async def slowly(conn: AsyncConnection) -> Sequence[events.Listed]:
            found = await read(conn)
            await house.sign_up(event, 1)
            await shows(board, event, "yellow", 2)
            return found

        monkeypatch.setattr(events, "public_events", slowly)
        await board._load()
        await shows(board, event, "yellow", 0.1)


async def test_it_stands_while_the_database_is_away_and_looks_again(
    registration_url: str, gate: Gate, administrator_url: str
) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)
        await shows(board, event, "green", 2)
        for _ in range(3):
            with suppress(Exception):
                async with house.db.transaction() as conn:
                    await conn.exec_driver_sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND application_name = 'house'"
                    )
            assert board.get(event.slug) is not None
        await house.programme.change(event.slug, {"status": "called_off"}, None)

        async def called_off() -> bool:
            found = board.get(event.slug)
            return found is not None and found.state == "called_off"

        await until(called_off, 5)


async def test_what_only_the_time_changes_shows_by_itself(
    registration_url: str, gate: Gate
) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        opens = house.clock.now() + timedelta(hours=1)
        event = await house.event(registration={"opens_at": opens.isoformat()})
        await until(lambda: _state(board, event, "not_open"), 2)
        async with board.changes() as queue:
            house.clock.advance(timedelta(hours=1))
            async with asyncio.timeout(1):
                change = await queue.get()
        assert (change.slug, change.state, change.light) == (event.slug, "open", "green")


async def test_the_public_sees_no_number(registration_url: str, gate: Gate) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=7)
        draft = await house.event(status="draft")
        await until(lambda: _state(board, event, "open"), 2)
        (told,) = [e for e in orjson.loads(board.availability.body) if e["slug"] == event.slug]
        assert told == {"slug": event.slug, "light": "green", "state": "open"}
        assert board.get(draft.slug) is None
        before = board.availability.etag
        await house.sign_up(event, 1)  # from 7 places to 6: no change that the public may see
        await board._load()
        assert board.availability.etag == before


async def test_a_page_that_goes_away_leaves_nothing_behind(
    registration_url: str, gate: Gate
) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        event = await house.event(capacity=2)
        await until(lambda: _state(board, event, "open"), 2)
        tasks = _at_work()
        reading, heard = stream(board, asyncio.Event()), []

        async def page() -> None:
            async for sent in reading:
                heard.append(sent)

        open_page = asyncio.create_task(page())

        async def all_lights() -> bool:
            return any(event.slug in str(sent.raw_data) for sent in heard)

        await until(all_lights, 2)
        open_page.cancel()
        await asyncio.wait({open_page})
        assert _at_work() == tasks
        assert not board._listeners


def _at_work() -> set[str]:
    """What tasks do; one that waits for something does it in a task that is made anew."""
    return {str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()}


async def test_streams_end_with_the_process(registration_url: str, gate: Gate) -> None:
    async with (
        speaking(registration_url, gate.url) as house,
        posted(house, gate.url) as board,
    ):
        stopping = asyncio.Event()
        reading = stream(board, stopping)
        stopping.set()
        async with asyncio.timeout(2):
            sent = [one async for one in reading]
        assert len(sent) == sum(e.state != "past" for e in board.all())


async def test_limits_hold_over_processes(gate: Gate) -> None:
    pair = [limits_of(gate.url) for _ in range(2)]
    address = f"{uuid7().hex}@example.org"
    for turn in range(PER_ADDRESS.burst):
        pair[turn % 2].check(f"192.0.{turn}.1", "seminar", address)
    await asyncio.sleep(0.5)
    for limits in pair:
        with contextlib.suppress(TooManyRequests):  # who was silent hears with the next try
            limits.check("198.51.100.7", "seminar", address.upper())
    await asyncio.sleep(0.5)
    for limits in pair:
        with pytest.raises(TooManyRequests) as refused:
            limits.check("198.51.100.7", "seminar", address.upper())
        assert refused.value.retry_after
        assert 0 < refused.value.retry_after <= 2 * PER_ADDRESS.every
    off = limits_of(gate.url, enabled=False)
    off.check("198.51.100.7", "seminar", address)
    for limits in (*pair, off):
        await limits.close()


async def test_a_crowd_at_one_event_is_let_in_as_the_rate_says(gate: Gate) -> None:
    limits, event = limits_of(gate.url), uuid7().hex
    refused = 0
    for _ in range(PER_EVENT.burst + 30):
        try:
            limits.check("2001:db8:7:100::1", event, f"{uuid7().hex}@example.org")
        except TooManyRequests:
            refused += 1
    assert 28 <= refused <= 30
    limits.check("203.0.113.5", event, "anna@example.org")  # from another network
    await limits.close()


@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_limits_let_people_in_while_redis_is_away(gate: Gate, how: str) -> None:
    limits, address = limits_of(gate.url), f"{uuid7().hex}@example.org"
    limits.check("192.0.2.1", "seminar", address)
    if how == "cut":
        await gate.cut()
    else:
        gate.freeze()
    for _ in range(3):
        limits.check("192.0.2.1", "seminar", address)
        await asyncio.sleep(0.3)
    refused = 0
    for _ in range(PER_ADDRESS.burst):  # each process counts for itself then
        try:
            limits.check("192.0.2.1", "seminar", address)
        except TooManyRequests:
            refused += 1
    assert refused == 4
    await limits.close()


async def _state(board: Board, event: EventOut, state: str) -> bool:
    found = board.get(event.slug)
    return found is not None and found.state == state
