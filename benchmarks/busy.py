"""The promotion's mail while sign-ups run at half of the top rate through the same processes."""

import asyncio
from functools import partial
from typing import Final

import httpx

from benchmarks.figures import Spread, table
from benchmarks.load import Run, people, sign_up, wrk
from benchmarks.promotion import cancel_one_by_one, roads_of, stages
from deploy.local import Stack
from tests.support import events
from tests.support.sink import Sink
from tests.support.waiting import until

TIMES: Final = 50
# So many that the pause between two requests of one is long beside a request.
CONNECTIONS: Final = 256
SECONDS: Final = 60


def _half(url: str, path: str, top: float) -> Run:
    """Half of the `top` rate."""
    pause_ms = max(1, round(CONNECTIONS / (top / 2) * 1000))
    arguments = [path, people(), str(pause_ms)]
    return wrk("signup.lua", url, arguments, connections=CONNECTIONS, seconds=SECONDS)


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
        top = (await asyncio.to_thread(sign_up, api, path, 64)).rate
        load = asyncio.create_task(asyncio.to_thread(_half, api, path, top))
        seen = await cancel_one_by_one(public, sink, small["slug"], events.domain(), TIMES)
        under = await load
    roads = await roads_of(stack.environment(), seen)
    waits = Spread.of([mailed - answered for answered, mailed in seen.values()])
    rows = [[f"{1000 * v:.0f}" for v in (waits.median, waits.p99, waits.least, waits.most)]]
    head = ["median ms", "p99 ms", "least", "most"]
    return (
        f"{TIMES} times, while {under.rate:,.0f} sign-ups a second ran, "
        f"{under.rate / top:.2f} of the {top:,.0f} that ran before with all workers at work:\n\n"
        f"{table(head, rows)}\n\n{stages(roads)}\n"
    )
