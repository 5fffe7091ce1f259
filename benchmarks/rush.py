"""Sign-ups and what surrounds them under load, each beside a bare FastAPI echo of the same run.

One api process of registration with everything on (validation, terms, idempotency key, rate
limits with a bound that does not bite, outbox, metrics, light), PostgreSQL with fsync, the load:
all on the same cores. Relays and consumers do not run meanwhile; benchmarks/streams.py has them.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import asyncpg
import httpx

from benchmarks.figures import table
from benchmarks.load import Run, wrk
from benchmarks.plot import bars
from deploy.local import Stack
from deploy.local.child import Child
from deploy.local.plan import ROOT
from tests.support import events
from tests.support.databases import fresh
from tests.support.operators import operator_token
from tests.support.sink import Sink

ROUNDS: Final = 5
SECONDS: Final = 4
EVENTS: Final = 100
PROCESSES: Final = (1, 2, 4)
PLOT: Final = ROOT / "docs" / "images" / "rush.svg"
GROWTH: Final = (1_000, 10_000, 100_000, 1_000_000)

UVICORN: Final = (
    "-m",
    "uvicorn",
    "--loop",
    "uvloop",
    "--http",
    "httptools",
    "--no-access-log",
    "--log-level",
    "warning",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cases are measured."""

    api: str
    echo: str
    plain: str
    hot: str
    many: Sequence[str]
    sold_out: str
    database: asyncpg.Connection
    more: Callable[[int], Awaitable[str]]


def _people() -> str:
    return f"r{uuid4().hex[:12]}"


def _sign_up(url: str, paths: str, connections: int) -> Run:
    return wrk("signup.lua", url, [paths, _people()], connections=connections, seconds=SECONDS)


def _get(url: str, path: str) -> Run:
    return wrk("get.lua", url, [path], connections=64, seconds=SECONDS)


def _keyless(url: str, path: str) -> Run:
    return wrk("keyless.lua", url, [path, _people()], connections=64, seconds=SECONDS)


def _cases(at: Place) -> Mapping[str, tuple[str, Callable[[], Run]]]:
    """Name of each case to (name of its baseline, how to run it)."""
    path = "/api/v1/events/{}/registrations".format
    many = ",".join(path(slug) for slug in at.many)
    return {
        "echo, 64": ("echo, 64", lambda: _sign_up(at.echo, "/echo", 64)),
        "echo, 512": ("echo, 512", lambda: _sign_up(at.echo, "/echo", 512)),
        "a transaction a request, 64": (
            "echo, 64",
            lambda: _sign_up(at.plain, "/events/1/registrations", 64),
        ),
        "sign-ups, one hot event, 64": (
            "echo, 64",
            lambda: _sign_up(at.api, path(at.hot), 64),
        ),
        "sign-ups, one hot event, 512": (
            "echo, 512",
            lambda: _sign_up(at.api, path(at.hot), 512),
        ),
        f"sign-ups, {EVENTS} events, 64": ("echo, 64", lambda: _sign_up(at.api, many, 64)),
        f"sign-ups, {EVENTS} events, 512": ("echo, 512", lambda: _sign_up(at.api, many, 512)),
        "sold-out answers, 64": (
            "echo, 64",
            lambda: _keyless(at.api, path(at.sold_out)),
        ),
        "availability, 64": ("echo, 64", lambda: _get(at.api, "/api/v1/availability")),
        "overview page, 64": ("echo, 64", lambda: _get(at.api, "/events")),
    }


async def _measure(cases: Mapping[str, tuple[str, Callable[[], Run]]]) -> dict[str, list[Run]]:
    """ROUNDS of all cases, one after the other in each round."""
    found: dict[str, list[Run]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (_, run) in cases.items():
            found[name].append(await asyncio.to_thread(run))
    return found


def _rows(
    cases: Mapping[str, tuple[str, Callable[[], Run]]], found: Mapping[str, Sequence[Run]]
) -> list[list[str]]:
    rows = []
    for name, (baseline, _) in cases.items():
        rates = [r.rate for r in found[name]]
        base = statistics.median(r.rate for r in found[baseline])
        p99 = statistics.median(r.p99 for r in found[name])
        base_p99 = statistics.median(r.p99 for r in found[baseline])
        rows.append(
            [
                name,
                f"{statistics.median(rates):,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{statistics.median(rates) / base:.2f}",
                f"{p99:.0f}",
                f"{p99 / base_p99:.2f}",
                str(sum(r.errors for r in found[name])),
            ]
        )
    return rows


@asynccontextmanager
async def _place(stack: Stack) -> AsyncIterator[Place]:
    """A database of its own, the api, both baselines, and the events."""
    port = stack.ports.gateway + 70
    async with fresh(stack.administrator_url(), "registration") as database:
        env = {
            "EINLASS_REGISTRATION_DATABASE_URL": database,
            "EINLASS_BENCH_DATABASE_URL": database,
            "EINLASS_RATE_LIMITS": "on",
            "EINLASS_RATE_LIMIT_SCALE": "1000000",
        }
        commands = {
            "api": ["einlass", "registration", "api", "--port", str(port)],
            "echo": [sys.executable, *UVICORN, "benchmarks.echo:app", "--port", str(port + 1)],
            "plain": [sys.executable, *UVICORN, "benchmarks.plain:app", "--port", str(port + 2)],
        }
        children: list[Child] = []
        try:
            for number, (name, argv) in enumerate(commands.items()):
                ready = f"http://127.0.0.1:{port + number}/{'readyz' if name == 'api' else 'ready'}"
                children.append(
                    await asyncio.to_thread(stack.spawn, f"bench-{name}", argv, ready, env)
                )
            urls = [f"http://127.0.0.1:{port + n}" for n in range(3)]
            conn = await asyncpg.connect(database)
            token = await operator_token({**stack.environment(), **env})
            hot, *many, sold_out = await _events(urls[0], token)
            await asyncio.sleep(2)

            async def more(number: int) -> str:
                """One more api process on the same database; its address."""
                url = f"http://127.0.0.1:{port + 2 + number}"
                argv = [*commands["api"][:-1], str(port + 2 + number)]
                name, ready = f"bench-api-{number}", f"{url}/readyz"
                children.append(await asyncio.to_thread(stack.spawn, name, argv, ready, env))
                return url

            yield Place(urls[0], urls[1], urls[2], hot, many, sold_out, conn, more)
            await conn.close()
        finally:
            for child in children:
                await asyncio.to_thread(child.terminate)


async def _events(url: str, token: str) -> list[str]:
    """One hot event, EVENTS further ones, and one that is booked up without a waiting list."""
    wanted = [events.event(capacity=1_000_000) for _ in range(EVENTS + 1)]
    wanted.append(events.event(capacity=1, waitlist={"enabled": False}))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
        for made in wanted:
            (await client.post("/admin/events", json=made)).raise_for_status()
        path = f"/events/{wanted[-1]['slug']}/registrations"
        (await client.post(path, json=events.person(1, "full.example.org"))).raise_for_status()
    return [str(made["slug"]) for made in wanted]


_FILL: Final = """
    INSERT INTO registration
    SELECT gen_random_uuid(), e.id, s.seq + n, 'confirmed', 'direct', 1, 'Gast', mail, mail, 'de',
           '{}', '2026-11', now(), sha256(mail::bytea), sha256(mail::bytea),
           sha256(('k' || mail)::bytea), sha256(mail::bytea), 'confirmed', NULL, 1, now(), now()
    FROM event e JOIN seats s ON s.event_id = e.id,
         generate_series(1, $2) AS n, LATERAL (SELECT 'f' || $3 || n || '@example.org' AS mail) m
    WHERE e.slug = $1
"""
# Under the lock, since the last run's requests may still be under way.
_HAVE: Final = """
    SELECT confirmed FROM seats JOIN event ON id = event_id WHERE slug = $1 FOR UPDATE OF seats
"""
_COUNT: Final = """
    UPDATE seats SET confirmed = confirmed + $2, seq = seq + $2
    FROM event WHERE event.id = seats.event_id AND slug = $1
"""


async def _growth(at: Place) -> list[list[str]]:
    """The hot event's rate as it grows, against the same run's echo."""
    rows = []
    (hot,) = at.many[:1]
    path = f"/api/v1/events/{hot}/registrations"
    for size in GROWTH:
        async with at.database.transaction():
            have = await at.database.fetchval(_HAVE, hot)
            missing = max(0, size - have)
            await at.database.execute(_FILL, hot, missing, _people())
            await at.database.execute(_COUNT, hot, missing)
        await at.database.execute("VACUUM ANALYZE registration")
        rates, echoes = [], []
        for _ in range(3):
            echoes.append((await asyncio.to_thread(_sign_up, at.echo, "/echo", 64)).rate)
            rates.append((await asyncio.to_thread(_sign_up, at.api, path, 64)).rate)
        rate, echo = statistics.median(rates), statistics.median(echoes)
        rows.append([f"{size:,}", f"{rate:,.0f}", f"{rate / echo:.2f}"])
    return rows


async def _processes(at: Place) -> list[list[str]]:
    """The hot event through 1, 2 and 4 api processes, 64 connections in all."""
    rows, urls = [], [at.api]
    path = f"/api/v1/events/{at.hot}/registrations"
    for count in PROCESSES:
        while len(urls) < count:
            urls.append(await at.more(len(urls)))
        rates, echoes = [], []
        for _ in range(3):
            echoes.append((await asyncio.to_thread(_sign_up, at.echo, "/echo", 64)).rate)
            runs = await asyncio.gather(
                *(asyncio.to_thread(_sign_up, url, path, 64 // count) for url in urls)
            )
            rates.append(sum(run.rate for run in runs))
        rate, echo = statistics.median(rates), statistics.median(echoes)
        rows.append([str(count), f"{rate:,.0f}", f"{rate / echo:.2f}"])
    return rows


async def run(stack: Stack, _: Sink) -> str:
    """Measures, and returns the tables as Markdown."""
    async with _place(stack) as at:
        cases = _cases(at)
        found = await _measure(cases)
        growth = await _growth(at)
        processes = await _processes(at)
    rates = table(
        [
            "case, connections",
            "median/s",
            "least to most",
            "÷ echo",
            "p99 ms",
            "p99 ÷ echo",
            "errors",
        ],
        _rows(cases, found),
    )

    def median(name: str) -> float:
        return statistics.median(r.rate for r in found[name])

    plain, hot = median("a transaction a request, 64"), median("sign-ups, one hot event, 64")
    grown = table(["registrations in the hot event", "sign-ups/s, 64", "÷ echo"], growth)
    spread = table(["api processes", "sign-ups/s, 64 in all", "÷ one process of echo"], processes)
    bars(
        "Answers per second, as a multiple of a bare FastAPI echo in the same run",
        {name: median(name) / median(baseline) for name, (baseline, _) in cases.items()},
        PLOT,
    )
    return (
        f"{ROUNDS} rounds of {SECONDS} s each, alternating:\n\n{rates}\n\n"
        f"Sign-ups at one hot event are {hot / plain:.1f} times the transaction a request.\n\n"
        f"{grown}\n\n{spread}\n"
    )
