"""Whether a sign-up costs more the more people are signed up: one event of each size, each in a
database and with an api process of its own, in turns with a bare FastAPI echo.

Each grows by some 30,000 in each round.
"""

import asyncio
import statistics
from contextlib import AsyncExitStack
from typing import Final

import asyncpg

from benchmarks.figures import table
from benchmarks.load import Run, people, sign_up
from benchmarks.place import Place, api_environment, new_events, place
from deploy.local import Stack
from tests.support.databases import fresh
from tests.support.operators import operator_token
from tests.support.sink import Sink

ROUNDS: Final = 10
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_ECHO: Final = 0

_FILL: Final = """
    INSERT INTO registration
    SELECT gen_random_uuid(), e.id, s.seq + n, 'confirmed', 'direct', 1, 'Gast', mail, mail, 'de',
           '{}', '2026-11', now(), sha256(mail::bytea), sha256(mail::bytea),
           sha256(('k' || mail)::bytea), sha256(mail::bytea), 'confirmed', NULL, 1, now(), now(),
           s.seq + n, NULL, NULL, NULL, NULL, NULL
    FROM event e JOIN seats s ON s.event_id = e.id,
         generate_series(1, $2) AS n, LATERAL (SELECT 'f' || $3 || n || '@example.org' AS mail) m
    WHERE e.slug = $1
"""
_COUNT: Final = """
    UPDATE seats SET confirmed = confirmed + $2, seq = seq + $2, capacity = 2 * $2 + 1000000
    FROM event WHERE event.id = seats.event_id AND slug = $1
"""


async def _grown(stack: Stack, at: Place, database: str, size: int) -> tuple[str, str]:
    """An event that so many are signed up for: the api's address, and the path to sign up."""
    api = await at.api(database)
    token = await operator_token({**stack.environment(), **api_environment(database)})
    (slug,) = await new_events(api, token, [{}])
    conn = await asyncpg.connect(database)
    async with conn.transaction():
        await conn.execute(_FILL, slug, size, people(), timeout=600)
        await conn.execute(_COUNT, slug, size)
    await conn.execute("VACUUM ANALYZE")
    await conn.close()
    return api, f"/api/v1/events/{slug}/registrations"


async def run(stack: Stack, _: Sink) -> str:
    """Measures, and returns the table as Markdown."""
    async with AsyncExitStack() as databases, place(stack) as at:
        events: dict[int, tuple[str, str]] = {}
        for size in SIZES:
            database = await databases.enter_async_context(
                fresh(stack.administrator_url(), "registration")
            )
            events[size] = await _grown(stack, at, database, size)
        events[_ECHO] = (await at.baseline("echo", database), "/echo")
        found: dict[int, list[Run]] = {size: [] for size in events}
        for number in range(ROUNDS + 1):
            # Each time another one first: what one leaves behind is settled while the next runs.
            order = list(events)[number % len(events) :] + list(events)[: number % len(events)]
            for size in order:
                one = await asyncio.to_thread(sign_up, *events[size], 64)
                if number:  # the first round warms up
                    found[size].append(one)
    echoes = found.pop(_ECHO)
    rows = [_row(size, runs, found[SIZES[0]], echoes) for size, runs in found.items()]
    head = [
        "registrations at first",
        "sign-ups/s, 64",
        "least to most",
        "÷ echo",
        f"÷ {SIZES[0]:,}",
    ]
    return f"{ROUNDS} rounds, alternating, after one to warm up:\n\n{table(head, rows)}\n"


def _row(size: int, runs: list[Run], first: list[Run], echoes: list[Run]) -> list[str]:
    rates = [one.rate for one in runs]
    paired = [one.rate / least.rate for one, least in zip(runs, first, strict=True)]
    return [
        f"{size:,}",
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        f"{statistics.median(rates) / statistics.median(one.rate for one in echoes):.2f}",
        f"{statistics.median(paired):.2f}",
    ]
