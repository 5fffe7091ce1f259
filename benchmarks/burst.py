"""Many seats that become free at once: promotions a second against the number of those who wait,
the time until the last of 5,000 has a place, and 10,000 who cancel at once.

All services run. Those who wait or have places are written into the tables, since a hundred
thousand sign-ups would leave as many mails; whoever cancels or moves up does so through the API
and Kafka, and gets a mail like anybody.
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

from benchmarks import load
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
CANCEL: Final = 10_000
CLIENTS: Final = 64

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

    async def line(self, waiting: int, confirmed: int = 0) -> dict[str, Any]:
        """A full event for which so many wait, and which so many can cancel: `links` are their
        ids and tokens."""
        made = events.event(capacity=1 + confirmed)
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
        event["links"] = await self._fill(event, confirmed, domain)
        seq = await self.registration.fetchval(
            "SELECT seq FROM seats WHERE event_id = $1", event["id"]
        )
        numbers = range(confirmed + 1, confirmed + waiting + 1)
        people = [self._person(event["id"], seq + n - confirmed, n, domain)[0] for n in numbers]
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

    async def _fill(self, event: dict[str, Any], confirmed: int, domain: str) -> list[str]:
        """So many more have a place; their ids and tokens."""
        seq = await self.registration.fetchval(
            "SELECT seq FROM seats WHERE event_id = $1", event["id"]
        )
        made = [
            self._person(event["id"], seq + n, n, domain, "confirmed")
            for n in range(1, confirmed + 1)
        ]
        async with self.registration.transaction():
            await self.registration.copy_records_to_table(
                "registration", records=[row for row, _ in made], columns=_PERSON
            )
            await self.registration.execute(
                "UPDATE seats SET confirmed = confirmed + $2, seq = seq + $2 WHERE event_id = $1",
                event["id"],
                confirmed,
            )
        return [f"{row[0]} {clear}" for row, clear in made]

    def _person(
        self, event_id: str, seq: int, number: int, domain: str, status: str = "waitlisted"
    ) -> tuple[tuple[Any, ...], str]:
        """Somebody with a link of their own, as registration keeps it, and the link's token."""
        who, now, mail = uuid7(), datetime.now(UTC), f"gast-{number}@{domain}"
        token = self.tokens.issue(who)
        row = (
            *(who, event_id, seq, seq, status, 1, "Gast", mail, mail, "de"),
            *("{}", "2026-11", now, token.digest, token.sealed),
            *(token.digest, status, number if status == "waitlisted" else None, now, now),
        )
        return row, token.clear

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

    async def cancel_all(self, event: dict[str, Any], waiting: int) -> tuple[float, float]:
        """All of `links` cancel: cancellations a second, and seconds from the last answer until
        the last of those who wait has moved up."""
        # Two mails for each of 10,000 would be most of the time; what is still to be sent goes.
        await self.notifications.execute("DELETE FROM mail WHERE status = 'pending'")
        await until(self._unsent, lambda count: count == 0, timeout=300)
        where = self.public.base_url
        requests = [_cancellation(where.host, *link.split()) for link in event["links"]]
        began = time.perf_counter()
        statuses = await load.once_each(where.host, where.port or 80, requests, connections=CLIENTS)
        assert set(statuses) == {200}, set(statuses)
        answered = time.perf_counter()
        moved = "SELECT count(moved_up_at) FROM registration WHERE event_id = $1"
        while (have := await self.registration.fetchval(moved, event["id"])) < waiting:
            assert time.perf_counter() < answered + 120, f"{have} of {waiting} have moved up"
            await asyncio.sleep(0.01)
        took = time.perf_counter() - answered
        left = "SELECT held + waiting FROM seats WHERE event_id = $1"
        assert await self.registration.fetchval(left, event["id"]) == 0
        return len(requests) / (answered - began), took

    async def steps(self, event: dict[str, Any]) -> tuple[int, int]:
        """In how many transactions people were called up, and how many, by the ledger."""
        (row,) = await self.waitlist.fetch(
            "SELECT count(DISTINCT xmin::text) AS steps, count(*) AS people FROM ledger "
            "WHERE event_id = $1 AND kind = 'promoted'",
            event["id"],
        )
        return int(row["steps"]), int(row["people"])

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
        cancelled = [await _cancelled(bench) for _ in range(3)]
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
        f"{LARGE / last.median:,.0f} promotions a second.\n\n"
        f"{CANCEL:,} cancel over {CLIENTS} connections, three times each in turn:\n\n"
        f"{table(CANCELLED, [_shown(found) for found in cancelled])}\n"
    )


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Cancellations a second without and with as many waiting; seconds from the last answer to
    the last promotion; transactions in which people were called up, and how many people."""

    alone: float
    waited_for: float
    behind: float
    steps: int
    people: int


CANCELLED: Final = (
    *("cancellations/s, nobody waits", f"{CANCEL:,} wait", "ratio"),
    *("the last has moved up after the last answer", "called up in"),
)


async def _cancelled(bench: Burst) -> Cancelled:
    alone, _ = await bench.cancel_all(await bench.line(0, CANCEL), 0)
    event = await bench.line(CANCEL, CANCEL)
    waited_for, behind = await bench.cancel_all(event, CANCEL)
    return Cancelled(alone, waited_for, behind, *await bench.steps(event))


def _shown(found: Cancelled) -> list[str]:
    return [
        f"{found.alone:,.0f}",
        f"{found.waited_for:,.0f}",
        f"{found.waited_for / found.alone:.2f}",
        f"{found.behind:.1f} s",
        f"{found.steps:,} transactions, {found.people / found.steps:,.0f} people each",
    ]


def _cancellation(host: str, registration_id: str, token: str) -> bytes:
    return (
        f"POST /api/v1/registrations/{registration_id}/cancellation HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _row(size: int, rates: list[float], base: float) -> list[str]:
    median = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    return [f"{size:,}", f"{median:,.0f}", spread, f"{median / base:.2f}"]
