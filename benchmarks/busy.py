"""The promotion's mail while sign-ups run at half of the top rate through the same processes."""

import asyncio
from functools import partial
from typing import Final

import httpx

from benchmarks.figures import Spread, table
from benchmarks.load import Run, wrk
from benchmarks.promotion import cancel_one_by_one
from deploy.local import Stack
from tests.support import events
from tests.support.sink import Sink
from tests.support.waiting import until

TIMES: Final = 50
CONNECTIONS: Final = 16


def _load(url: str, path: str, people: str, seconds: int, pause_ms: int | None) -> Run:
    arguments = [path, people, *([str(pause_ms)] if pause_ms else [])]
    return wrk("signup.lua", url, arguments, connections=CONNECTIONS, seconds=seconds)


async def run(stack: Stack, sink: Sink) -> str:
    """Measures, and returns the table as Markdown."""
    assert stack.operator is not None
    headers = {"Authorization": f"Bearer {stack.operator.token}"}
    api = f"http://127.0.0.1:{stack.ports.api('registration')}"
    small, hot = events.event(capacity=TIMES), events.event(capacity=1_000_000)
    async with httpx.AsyncClient(base_url=f"{stack.public_url}/api/v1", timeout=60) as public:
        for made in (small, hot):
            answer = await public.post("/admin/events", json=made, headers=headers)
            answer.raise_for_status()
            slug = made["slug"]
            await until(partial(public.get, f"/events/{slug}"), lambda a: a.is_success)
        path = f"/api/v1/events/{hot['slug']}/registrations"
        # With all workers at work, as they are in the measurement.
        top = (await asyncio.to_thread(_load, api, path, events.domain(), 5, None)).rate
        pause = max(1, round(CONNECTIONS / (top / 2) * 1000))
        load = asyncio.create_task(asyncio.to_thread(_load, api, path, events.domain(), 60, pause))
        seen = await cancel_one_by_one(public, sink, small["slug"], events.domain(), TIMES)
        under = await load
    waits = Spread.of([mailed - answered for answered, mailed in seen.values()])
    rows = [[f"{1000 * v:.0f}" for v in (waits.median, waits.p99, waits.least, waits.most)]]
    head = ["median ms", "p99 ms", "least", "most"]
    return (
        f"{TIMES} times, while {under.rate:,.0f} sign-ups a second ran, "
        f"{under.rate / top:.2f} of the {top:,.0f} that ran before with all workers at work:\n\n"
        f"{table(head, rows)}\n"
    )
