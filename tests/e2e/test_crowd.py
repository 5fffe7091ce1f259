"""A crowd at two api processes: never one seat too many, and the line in order."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local import Stack
from tests.support import events
from tests.support.databases import fresh
from tests.support.operators import operator_token

pytestmark = pytest.mark.stack

PEOPLE, CLIENTS, PLACES = 2000, 100, 500
UNLOCKED = str(Path(__file__).parent / "unlocked_api.py")


@dataclass(frozen=True, slots=True)
class Crowd:
    """What PEOPLE were answered, and what the database says afterwards."""

    answers: list[dict[str, Any]]
    rows: list[asyncpg.Record]
    counts: dict[str, int]

    def of(self, status: str) -> list[dict[str, Any]]:
        return [a for a in self.answers if a["code"] == 201 and a["status"] == status]


async def crowd(stack: Stack, administrator_url: str, command: Sequence[str]) -> Crowd:
    """PEOPLE sign up for PLACES, CLIENTS at a time, over two api processes begun by `command`.

    The database is one of their own, so that no mail follows.
    """
    async with fresh(administrator_url, "registration") as database, AsyncExitStack() as ending:
        conn = await asyncpg.connect(database)
        ending.push_async_callback(conn.close)
        if UNLOCKED in command:
            # The unique number of each sign-up would turn most of the oversold ones into errors.
            await conn.execute(
                "ALTER TABLE registration DROP CONSTRAINT uq_registration_event_id_seq"
            )
        env = {"EINLASS_REGISTRATION_DATABASE_URL": database, "EINLASS_DB_POOL": "20"}
        urls = []
        for port in (stack.ports.gateway + 60, stack.ports.gateway + 61):
            argv = [*command, "registration", "api", "--port", str(port)]
            ready = f"http://127.0.0.1:{port}/readyz"
            child = await asyncio.to_thread(stack.spawn, f"crowd-{port}", argv, ready, env)
            ending.callback(child.terminate)
            urls.append(f"http://127.0.0.1:{port}/api/v1")
        made = events.event(capacity=PLACES)
        token = await operator_token({**stack.environment(), **env})
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as admin:
            (await admin.post(f"{urls[0]}/admin/events", json=made)).raise_for_status()
            answers = await storm(urls, made["slug"])
            counted = await admin.get(f"{urls[1]}/admin/events/{made['slug']}")
        rows = await conn.fetch("SELECT id, seq, status FROM registration ORDER BY seq")
        return Crowd(answers, rows, counted.json()["counts"])


async def storm(urls: Sequence[str], slug: str) -> list[dict[str, Any]]:
    """PEOPLE sign up, CLIENTS at a time, over all `urls`; their answers."""
    numbers = iter(range(PEOPLE))
    domain = events.domain()
    answers: list[dict[str, Any]] = []

    async def client(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as session:
            for number in numbers:
                answer = await try_again(session, slug, number, domain)
                answers.append({"code": answer.status_code, **answer.json()})

    await asyncio.gather(*(client(urls[n % len(urls)]) for n in range(CLIENTS)))
    return answers


async def try_again(
    session: httpx.AsyncClient, slug: str, number: int, domain: str
) -> httpx.Response:
    """Signs up as a polite client does: told to come again, it does so with the same key."""
    while True:
        answer = await session.post(
            f"/events/{slug}/registrations",
            json=events.person(number, domain),
            headers={"Idempotency-Key": f"{domain}-{number}"},
        )
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(float(answer.headers["Retry-After"]))


async def test_exactly_the_places_there_are(stack: Stack, administrator_url: str) -> None:
    seen = await crowd(stack, administrator_url, ["einlass"])
    assert {a["code"] for a in seen.answers} == {201}
    waiting = seen.of("waitlisted")
    assert len(seen.of("confirmed")) == PLACES
    assert sorted(a["position"] for a in waiting) == list(range(1, PEOPLE - PLACES + 1))
    assert seen.counts == {
        "capacity": PLACES,
        "confirmed": PLACES,
        "held": 0,
        "waiting": PEOPLE - PLACES,
    }
    states = [row["status"] for row in seen.rows]
    assert states == ["confirmed"] * PLACES + ["waitlisted"] * len(waiting)
    # The event's own first message has seq 1; from then on every sign-up has the next.
    assert [row["seq"] for row in seen.rows] == list(range(2, PEOPLE + 2))
    told = {a["id"]: a["position"] for a in waiting}
    line = [told[str(row["id"])] for row in seen.rows[PLACES:]]
    assert line == list(range(1, len(line) + 1))


async def test_without_the_lock_it_oversells(stack: Stack, administrator_url: str) -> None:
    """The same crowd with the lock taken out, to see that the test above can fail."""
    seen = await crowd(stack, administrator_url, [sys.executable, UNLOCKED])
    assert len(seen.of("confirmed")) > PLACES
