"""Background roles: begun again, ended in time."""

import asyncio
import time

import pytest

from services.kit import roles
from services.kit.roles import every, run_roles, unless


async def stopped_after(seconds: float, stop: asyncio.Event) -> None:
    await asyncio.sleep(seconds)
    stop.set()


async def test_a_role_finishes_what_it_has_in_hand() -> None:
    stop, done = asyncio.Event(), []

    async def role(told: asyncio.Event) -> None:
        await told.wait()
        await asyncio.sleep(0.05)
        done.append("committed")

    await asyncio.gather(run_roles({"a": role}, stop, 5), stopped_after(0.01, stop))
    assert done == ["committed"]


async def test_one_that_does_not_is_cancelled_and_may_give_back() -> None:
    stop, given_back = asyncio.Event(), []

    async def role(_: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            given_back.append("lease")

    await asyncio.gather(run_roles({"a": role}, stop, 0.05), stopped_after(0.01, stop))
    assert given_back == ["lease"]


async def test_one_that_cannot_give_back_does_not_hold_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roles, "_GIVE_BACK_SECONDS", 0.05)
    stop = asyncio.Event()

    async def role(_: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()  # as at a server that never answers

    async with asyncio.timeout(2):
        await asyncio.gather(run_roles({"a": role}, stop, 0.05), stopped_after(0.01, stop))


async def test_a_role_that_fails_is_begun_again_and_the_others_go_on() -> None:
    stop, runs, other = asyncio.Event(), [], []

    async def fails(told: asyncio.Event) -> None:
        runs.append(1)
        if len(runs) < 2:
            raise RuntimeError
        told.set()

    async def works(told: asyncio.Event) -> None:
        await told.wait()
        other.append("done")

    async with asyncio.timeout(5):
        await run_roles({"fails": fails, "works": works}, stop, 5)
    assert (len(runs), other) == (2, ["done"])


async def test_a_role_that_waits_to_be_begun_again_ends_at_once() -> None:
    stop = asyncio.Event()

    async def fails(_: asyncio.Event) -> None:
        stop.set()
        raise RuntimeError

    began = time.monotonic()
    await run_roles({"fails": fails}, stop, 5)
    assert time.monotonic() - began < 0.4


async def test_every_tells_the_time_from_the_end() -> None:
    stop = asyncio.Event()
    assert await every(0.01, stop)
    stop.set()
    assert not await every(60, stop)


async def test_waiting_ends_with_the_process_and_leaves_nothing() -> None:
    stop = asyncio.Event()

    async def answers() -> int:
        await asyncio.sleep(0)
        return 7

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async def fails() -> int:
        raise ValueError

    before = asyncio.all_tasks()
    assert await unless(stop, answers()) == 7
    with pytest.raises(ValueError):  # noqa: PT011  # raised above, without a word
        await unless(stop, fails())
    waiting = asyncio.create_task(unless(stop, never()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    stop.set()
    assert await unless(stop, never()) is None
    assert asyncio.all_tasks() == before
