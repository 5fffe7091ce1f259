"""From the answer to a cancellation to the promotion's mail at the SMTP server, idle machine."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import httpx

from benchmarks import hops
from benchmarks.figures import Spread, table
from deploy.local import Stack
from services.contracts import topics
from tests.support import events, kafka, people
from tests.support.sink import Sink
from tests.support.waiting import until

TIMES: Final = 200
STAGES: Final = (
    "cancellation's answer → relay hands `seats_freed` to Kafka",
    "→ waitlist has committed, its relay hands `promoted` to Kafka",
    "→ registration has committed, its relay hands `confirmed` to Kafka",
    "→ notifications has the mail in its ledger",
    "→ mail at the SMTP server",
)


@dataclass(frozen=True, slots=True)
class Road:
    """When one promotion passed each point, Unix seconds."""

    points: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.points[-1] - self.points[0]

    @property
    def stages(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.points, self.points[1:], strict=False))


def _mailed(sink: Sink, recipient: str) -> float | None:
    """When the promotion's mail came; the Message-ID begins with the mail's kind."""
    for mail in reversed(sink.mails):
        if mail.recipient == recipient and mail.message_id.startswith("promoted."):
            return mail.at
    return None


async def cancel_one_by_one(
    public: httpx.AsyncClient, sink: Sink, slug: str, domain: str, times: int = TIMES
) -> dict[str, tuple[float, float]]:
    """`times` cancellations, each after the mail of the one before: id of who moved up to
    (answered, mailed)."""
    confirmed = [await people.sign_up(public, slug, n, domain) for n in range(times)]
    waiting = [await people.sign_up(public, slug, n, domain) for n in range(times, 2 * times)]
    await asyncio.sleep(2)
    found = {}
    for number, (goes, comes) in enumerate(zip(confirmed, waiting, strict=True), start=times):
        await people.cancel(public, goes)
        answered = time.time()
        recipient = f"gast-{number}@{domain}"
        mailed = None
        while mailed is None:
            await asyncio.sleep(0.001)
            mailed = _mailed(sink, recipient)
            assert time.time() < answered + 30, "no mail came"
        found[str(comes.answer["id"])] = (answered, mailed)
        await asyncio.sleep(0.05)
    return found


async def roads_of(
    env: Mapping[str, str], seen: Mapping[str, tuple[float, float]]
) -> Sequence[Road]:
    """Puts together what Kafka's and the ledger's clocks say of each promotion."""
    bootstrap = env["EINLASS_KAFKA_BOOTSTRAP"]
    registration = await kafka.timed_log_of(bootstrap, topics.REGISTRATION)
    waitlist = await kafka.timed_log_of(bootstrap, topics.WAITLIST)
    promoted = {
        m["data"]["registration_id"]: at for at, m in waitlist if m["type"] == "waitlist.promoted"
    }
    moved = {
        m["data"]["registration_id"]: at
        for at, m in registration
        if m["type"] == "registration.confirmed" and m["data"]["via"] == "waitlist"
    }
    freed = [at for at, m in registration if m["type"] == "registration.seats_freed"]
    conn = await asyncpg.connect(env["EINLASS_NOTIFICATIONS_DATABASE_URL"])
    rows = await conn.fetch("SELECT registration_id, created_at FROM mail WHERE kind = 'promoted'")
    await conn.close()
    ledger = {str(row["registration_id"]): row["created_at"].timestamp() for row in rows}
    return [
        Road((answered, at, promoted[who], moved[who], ledger[who], mailed))
        for at, (who, (answered, mailed)) in zip(freed, seen.items(), strict=True)
    ]


async def run(stack: Stack, sink: Sink) -> str:
    """Measures, and returns the tables as Markdown."""
    assert stack.operator is not None
    env = stack.environment()
    made, domain = events.event(capacity=TIMES), events.domain()
    headers = {"Authorization": f"Bearer {stack.operator.token}"}
    url = f"{stack.public_url}/api/v1"
    async with httpx.AsyncClient(base_url=url, timeout=30) as public:
        answer = await public.post("/admin/events", json=made, headers=headers)
        answer.raise_for_status()
        await until(lambda: public.get(f"/events/{made['slug']}"), lambda a: a.is_success)
        bare = await hops.measure(env["EINLASS_KAFKA_BOOTSTRAP"], sink.url, TIMES)
        seen = await cancel_one_by_one(public, sink, made["slug"], domain)
    roads = await roads_of(env, seen)
    whole, base = Spread.of([r.total for r in roads]), Spread.of(bare)
    totals = table(
        ["", "median", "p99", "least", "most", "median ÷ baseline"],
        [
            [
                "cancellation's answer → promotion mail",
                *_ms(whole),
                f"{whole.median / base.median:.1f}",
            ],
            ["baseline: three bare Kafka hops and one SMTP exchange", *_ms(base), "1"],
        ],
    )
    said = f"{TIMES} times, one after the other, idle machine, milliseconds:"
    return f"{said}\n\n{totals}\n\n{stages(roads)}\n"


def stages(roads: Sequence[Road]) -> str:
    """Where the time goes, as Markdown."""
    return table(
        ["where the time goes, milliseconds", "median", "p99"],
        [
            [name, *_ms(Spread.of([r.stages[n] for r in roads]))[:2]]
            for n, name in enumerate(STAGES)
        ],
    )


def _ms(spread: Spread) -> list[str]:
    return [
        f"{value * 1000:.1f}" for value in (spread.median, spread.p99, spread.least, spread.most)
    ]
