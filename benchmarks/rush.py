"""Sign-ups and what surrounds them under load, each beside a bare FastAPI echo of the same run.

One api process of registration with everything on (validation, terms, idempotency key, rate
limits with a bound that does not bite, outbox, metrics, light), PostgreSQL with fsync, the load:
all on the same cores. Relays and consumers do not run meanwhile; benchmarks/streams.py has them.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import httpx

from benchmarks.figures import table
from benchmarks.load import SECONDS, Run, people, sign_up, wrk
from benchmarks.place import api_environment, new_events, place
from benchmarks.plot import bars
from deploy.local import Stack
from deploy.local.plan import ROOT
from tests.support import events
from tests.support.databases import fresh
from tests.support.operators import operator_token
from tests.support.sink import Sink

ROUNDS: Final = 5
EVENTS: Final = 100
PROCESSES: Final = (1, 2, 4)
PLOT: Final = ROOT / "docs" / "images" / "rush.svg"


@dataclass(frozen=True, slots=True)
class Rush:
    """Where the cases are measured."""

    api: str
    echo: str
    plain: str
    hot: str
    many: Sequence[str]
    sold_out: str
    more: Callable[[], Awaitable[str]]


def _get(url: str, path: str) -> Run:
    return wrk("get.lua", url, [path], connections=64, seconds=SECONDS)


def _keyless(url: str, path: str) -> Run:
    return wrk("keyless.lua", url, [path, people()], connections=64, seconds=SECONDS)


def _cases(at: Rush) -> Mapping[str, tuple[str, Callable[[], Run]]]:
    """Name of each case to (name of its baseline, how to run it)."""
    path = "/api/v1/events/{}/registrations".format
    many = ",".join(path(slug) for slug in at.many)
    return {
        "echo, 64": ("echo, 64", lambda: sign_up(at.echo, "/echo", 64)),
        "echo, 512": ("echo, 512", lambda: sign_up(at.echo, "/echo", 512)),
        "a transaction a request, 64": (
            "echo, 64",
            lambda: sign_up(at.plain, "/events/1/registrations", 64),
        ),
        "sign-ups, one hot event, 64": (
            "echo, 64",
            lambda: sign_up(at.api, path(at.hot), 64),
        ),
        "sign-ups, one hot event, 512": (
            "echo, 512",
            lambda: sign_up(at.api, path(at.hot), 512),
        ),
        f"sign-ups, {EVENTS} events, 64": ("echo, 64", lambda: sign_up(at.api, many, 64)),
        f"sign-ups, {EVENTS} events, 512": ("echo, 512", lambda: sign_up(at.api, many, 512)),
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
async def _rush(stack: Stack) -> AsyncIterator[Rush]:
    """A database of its own, the api, both baselines, and the events: one hot event, EVENTS
    further ones, and one that is booked up without a waiting list."""
    async with fresh(stack.administrator_url(), "registration") as database, place(stack) as at:
        api = await at.api(database)
        echo, plain = await at.baseline("echo", database), await at.baseline("plain", database)
        token = await operator_token({**stack.environment(), **api_environment(database)})
        large, full = {"capacity": 1_000_000}, {"capacity": 1, "waitlist": {"enabled": False}}
        hot, *many, sold_out = await new_events(api, token, [*[large] * (EVENTS + 1), full])
        async with httpx.AsyncClient(base_url=f"{api}/api/v1", timeout=30) as client:
            answer = await client.post(
                f"/events/{sold_out}/registrations", json=events.person(1, "full.example.org")
            )
            answer.raise_for_status()
        await asyncio.sleep(2)
        yield Rush(api, echo, plain, hot, many, sold_out, partial(at.api, database))


async def _processes(at: Rush) -> list[list[str]]:
    """The hot event through 1, 2 and 4 api processes, 64 connections in all."""
    rows, urls = [], [at.api]
    path = f"/api/v1/events/{at.hot}/registrations"
    for count in PROCESSES:
        while len(urls) < count:
            urls.append(await at.more())
        rates, echoes = [], []
        for _ in range(3):
            echoes.append((await asyncio.to_thread(sign_up, at.echo, "/echo", 64)).rate)
            runs = await asyncio.gather(
                *(asyncio.to_thread(sign_up, url, path, 64 // count) for url in urls)
            )
            rates.append(sum(run.rate for run in runs))
        rate, echo = statistics.median(rates), statistics.median(echoes)
        rows.append([str(count), f"{rate:,.0f}", f"{rate / echo:.2f}"])
    return rows


async def run(stack: Stack, _: Sink) -> str:
    """Measures, and returns the tables as Markdown."""
    async with _rush(stack) as at:
        cases = _cases(at)
        found = await _measure(cases)
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
    spread = table(["api processes", "sign-ups/s, 64 in all", "÷ one process of echo"], processes)
    bars(
        "Answers per second, as a multiple of a bare FastAPI echo in the same run",
        {name: median(name) / median(baseline) for name, (baseline, _) in cases.items()},
        PLOT,
    )
    return (
        f"{ROUNDS} rounds of {SECONDS} s each, alternating:\n\n{rates}\n\n"
        f"Sign-ups at one hot event are {hot / plain:.1f} times the transaction a request.\n\n"
        f"{spread}\n"
    )
