"""Many seats that become free at once: promotions a second against the number of those who wait,
and the time until the last of 5,000 has a place.

All services run. Those who wait are written into the tables, since a hundred thousand sign-ups
would leave as many mails; whoever moves up does so through Kafka and gets a mail like anybody.
"""

import asyncio
import base64
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import httpx

from benchmarks.figures import Spread, table
from deploy.local import Stack
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox
from tests.support import events
from tests.support.sink import Sink
from tests.support.waiting import until

ROUNDS: Final = 5
SIZES: Final = (100, 1_000, 10_000, 100_000)
BURST: Final = 100
LARGE: Final = 5_000

_PERSON: Final = (
    *("id", "event_id", "seq", "rank", "status", "seats", "name", "email", "email_key", "locale"),
    *("answers", "terms_version", "terms_agreed_at", "token_digest", "token_sealed"),
    *("request_digest", "first_status", "first_position", "created_at", "updated_at"),
)
_COUNT: Final = """
    UPDATE seats SET waiting = waiting + $2, line = line + $2, seq = seq + $2
    FROM event WHERE event.id = seats.event_id AND slug = $1
"""
_ENTRY: Final = (
    *("registration_id", "event_id", "seq", "rank", "seats", "state", "joined_at"),
    *("priority", "whole", "passed_by"),
)


@dataclass(frozen=True, slots=True)
class Burst:
    """The stack's databases, and its operator."""

    public: httpx.AsyncClient
    headers: dict[str, str]
    tokens: TokenBox
    registration: asyncpg.Connection
    waitlist: asyncpg.Connection
    notifications: asyncpg.Connection

    async def line(self, waiting: int) -> dict[str, Any]:
        """A full event for which so many wait."""
        made = events.event(capacity=1)
        answer = await self.public.post("/admin/events", json=made, headers=self.headers)
        answer.raise_for_status()
        event = dict(answer.json())
        slug, domain = event["slug"], events.domain()
        await until(lambda: self.public.get(f"/events/{slug}"), lambda a: a.is_success)
        first = await self.public.post(
            f"/events/{slug}/registrations", json=events.person(0, domain)
        )
        first.raise_for_status()
        await until(lambda: self._line(event["id"]), lambda row: row is not None)
        seq = await self.registration.fetchval(
            "SELECT seq FROM seats WHERE event_id = $1", event["id"]
        )
        people = [self._person(event["id"], seq + n, n, domain) for n in range(1, waiting + 1)]
        async with self.registration.transaction():
            await self.registration.copy_records_to_table(
                "registration", records=people, columns=_PERSON
            )
            await self.registration.execute(_COUNT, slug, waiting)
        entries = [(*one[:4], 1, "waiting", one[-1], 0, False, []) for one in people]
        async with self.waitlist.transaction():
            await self.waitlist.copy_records_to_table("entry", records=entries, columns=_ENTRY)
            await self.waitlist.execute(
                "UPDATE line SET waiting = $2, length = $2 WHERE event_id = $1",
                event["id"],
                waiting,
            )
        for conn in (self.registration, self.waitlist):
            await conn.execute("VACUUM ANALYZE")
        return event

    def _person(self, event_id: str, seq: int, number: int, domain: str) -> tuple[Any, ...]:
        """Somebody who waits, with a link of their own, as registration keeps it."""
        who, now, mail = uuid7(), datetime.now(UTC), f"gast-{number}@{domain}"
        token = self.tokens.issue(who)
        return (
            *(who, event_id, seq, seq, "waitlisted", 1, "Gast", mail, mail, "de"),
            *("{}", "2026-11", now, token.digest, token.sealed),
            *(token.digest, "waitlisted", number, now, now),
        )

    async def _line(self, event_id: str) -> Any:
        return await self.waitlist.fetchrow("SELECT 1 FROM line WHERE event_id = $1", event_id)

    async def raise_by(self, event: dict[str, Any], seats: int) -> float:
        """So many seats more; seconds from the answer until the last of them is confirmed."""
        await until(self._unsent, lambda count: count == 0, timeout=300)
        have = await self._confirmed(event["id"])
        capacity = {"capacity": have + seats}
        path = f"/admin/events/{event['slug']}"
        answer = await self.public.patch(path, json=capacity, headers=self.headers)
        answer.raise_for_status()
        began = time.perf_counter()
        while await self._confirmed(event["id"]) < have + seats:
            assert time.perf_counter() < began + 120, "not all have moved up"
            await asyncio.sleep(0.002)
        return time.perf_counter() - began

    async def _confirmed(self, event_id: str) -> int:
        found = await self.registration.fetchval(
            "SELECT confirmed FROM seats WHERE event_id = $1", event_id
        )
        return int(found)

    async def _unsent(self) -> int:
        found = await self.notifications.fetchval(
            "SELECT count(*) FROM mail WHERE status IN ('pending', 'sending')"
        )
        return int(found)


async def run(stack: Stack, _: Sink) -> str:
    """Measures, and returns the tables as Markdown."""
    assert stack.operator is not None
    env = stack.environment()
    headers = {"Authorization": f"Bearer {stack.operator.token}"}
    tokens = TokenBox(base64.urlsafe_b64decode(env["EINLASS_SECRET_KEY"]))
    names = ("REGISTRATION", "WAITLIST", "NOTIFICATIONS")
    databases = [await asyncpg.connect(env[f"EINLASS_{name}_DATABASE_URL"]) for name in names]
    url = f"{stack.public_url}/api/v1"
    async with httpx.AsyncClient(base_url=url, timeout=120) as public:
        bench = Burst(public, headers, tokens, *databases)
        lines = {size: await bench.line(size + BURST * (ROUNDS + 1)) for size in SIZES}
        found: dict[int, list[float]] = {size: [] for size in SIZES}
        for number in range(ROUNDS + 1):
            for size in SIZES:
                took = await bench.raise_by(lines[size], BURST)
                if number:  # the first round warms up
                    found[size].append(BURST / took)
        large = await bench.line(LARGE * 4)
        seconds = [await bench.raise_by(large, LARGE) for _ in range(3)]
    for conn in databases:
        await conn.close()
    base = statistics.median(found[SIZES[0]])
    rows = [_row(size, rates, base) for size, rates in found.items()]
    head = ["waiting", f"promotions/s, {BURST} at once", "least to most", f"÷ {SIZES[0]} waiting"]
    last = Spread.of(seconds)
    return (
        f"{ROUNDS} rounds in turn, after one to warm up:\n\n{table(head, rows)}\n\n"
        f"{LARGE:,} seats more at once: the last of {LARGE:,} who wait has a place after "
        f"{last.median:.1f} s ({last.least:.1f} to {last.most:.1f} s, three times), "
        f"{LARGE / last.median:,.0f} promotions a second.\n"
    )


def _row(size: int, rates: list[float], base: float) -> list[str]:
    median = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    return [f"{size:,}", f"{median:,.0f}", spread, f"{median / base:.2f}"]
