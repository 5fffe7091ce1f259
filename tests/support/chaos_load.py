"""People at the public API while things break, and all that they were answered.

Invariant: what is written down here is what came back over HTTP, never what was asked for; an
answer that did not come leaves its attempt open. All choices come from one seed.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from tests.support import events
from tests.support.chaos_world import World

# What an event is, and how many of ten sign-ups it gets.
EVENTS: Final[tuple[tuple[dict[str, Any], int], ...]] = (
    ({"capacity": 20}, 3),
    ({"capacity": 15, "max_party": 3}, 3),
    ({"capacity": 8, "max_party": 2, "waitlist": {"enabled": True, "limit": 12}}, 1),
    ({"capacity": 500, "max_party": 3}, 3),
)
_PAUSE: Final = 0.25
_GIVE_UP: Final = 90.0


@dataclass(eq=False, slots=True)
class Attempt:
    """One person's sign-up. `answer`: the 201, where it came; `refused`: the code of the
    problem, where that came; with neither nobody knows. `cancelled`: the 200 has come."""

    slug: str
    email: str
    seats: int
    key: str | None
    answer: dict[str, Any] | None = None
    refused: str | None = None
    cancelling: bool = False
    cancelled: bool = False


def _text(found: httpx.Response | None) -> str:
    return f"{found.status_code} {found.text[:200]}" if found is not None else "a broken line"


@dataclass(slots=True)
class Load:
    """Some sign-ups and cancellations a second, through the gateway, by `clients` at once."""

    world: World
    seed: int
    rate: float = 25.0
    clients: int = 8
    slugs: dict[str, str] = field(default_factory=dict)
    capacities: dict[str, int] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    repeated: int = 0
    hung_up: int = 0
    wrong: list[str] = field(default_factory=list)
    _domain: str = field(default_factory=events.domain)
    _acknowledged: list[Attempt] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Sign-ups that were answered with 201."""
        return len(self._acknowledged)

    @property
    def cancellations(self) -> int:
        """Cancellations that were answered with 200."""
        return sum(attempt.cancelled for attempt in self.attempts)

    @property
    def longest_gap(self) -> float:
        """Seconds between two answers, at most."""
        pairs = zip(self.answered_at, self.answered_at[1:], strict=False)
        return max((later - earlier for earlier, later in pairs), default=0.0)

    async def prepare(self) -> None:
        """Puts the events in; `slugs` says their ids."""
        assert self.world.site.operator is not None
        headers = {"Authorization": f"Bearer {self.world.site.operator.token}"}
        async with self._client() as public:
            for changes, _ in EVENTS:
                made = events.event(**changes)
                answer = await public.post("/admin/events", json=made, headers=headers)
                answer.raise_for_status()
                self.slugs[made["slug"]] = answer.json()["id"]
                self.capacities[made["slug"]] = made["capacity"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load while the block lasts. At its end everybody who still waits for an answer to an
        idempotent request gets one, or is `wrong`."""
        stop = asyncio.Event()
        async with self._client() as public:
            work = [
                asyncio.create_task(self._work(public, random.Random(f"{self.seed}-{n}"), stop))
                for n in range(self.clients)
            ]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*work)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self.world.public_url}/api/v1", timeout=20)

    async def _work(
        self, public: httpx.AsyncClient, chance: random.Random, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                pause = chance.expovariate(self.rate / self.clients)
                await asyncio.wait_for(stop.wait(), pause)
                return
            await self._act(public, chance)

    async def _act(self, public: httpx.AsyncClient, chance: random.Random) -> None:
        what = chance.random()
        if what < 0.35 and (leaver := self._leaver(chance)):
            await self._cancel(public, leaver)
        elif what < 0.42 and self._acknowledged:
            once_more = chance.choice(self._acknowledged)
            if once_more.key is not None:
                self.repeated += 1
                await self._sign_up(public, once_more)
        else:
            attempt = self._attempt(chance)
            if what > 0.93:
                await self._hang_up(attempt, chance)
                if attempt.key is None or chance.random() < 0.5:
                    return
            await self._sign_up(public, attempt)

    def _attempt(self, chance: random.Random) -> Attempt:
        number = len(self.attempts)
        slugs = list(self.slugs)
        weights = [weight for _, weight in EVENTS]
        slug = chance.choices(slugs, weights)[0]
        most = EVENTS[slugs.index(slug)][0].get("max_party", 1)
        key = f"{self._domain}-{number}" if chance.random() < 0.9 else None
        email = f"gast-{number}@{self._domain}"
        attempt = Attempt(slug, email, chance.randint(1, most), key)
        self.attempts.append(attempt)
        return attempt

    def _leaver(self, chance: random.Random) -> Attempt | None:
        """Somebody who gives up; mostly one of long standing, who is likely to have a place."""
        here = [a for a in self._acknowledged if not a.cancelling]
        if not here:
            return None
        elders = here[: max(1, len(here) // 4)]
        chosen = chance.choice(elders if chance.random() < 0.7 else here)
        chosen.cancelling = True
        return chosen

    def _body(self, attempt: Attempt) -> dict[str, Any]:
        return {
            "name": f"Gast {attempt.email.partition('@')[0]}",
            "email": attempt.email,
            "seats": attempt.seats,
            "terms_accepted": True,
            "locale": "de" if attempt.seats % 2 else "en",
        }

    async def _sign_up(self, public: httpx.AsyncClient, attempt: Attempt) -> None:
        """Signs up; with a key again and again until there is an answer, without one once."""
        headers = {"Idempotency-Key": attempt.key} if attempt.key else {}
        path = f"/events/{attempt.slug}/registrations"
        until = time.monotonic() + _GIVE_UP
        while True:
            found = await self._post(public, path, headers, self._body(attempt))
            if found is not None and found.status_code < 500 and found.status_code != 429:
                self._take(attempt, found)
                return
            if attempt.key is None:
                return
            if time.monotonic() > until:
                self.wrong.append(f"{attempt.email}: no answer to a sign-up, last {_text(found)}")
                return
            await asyncio.sleep(_PAUSE)

    def _take(self, attempt: Attempt, found: httpx.Response) -> None:
        if found.status_code == 201:
            self.answered_at.append(time.monotonic())
            if attempt.answer is None:
                attempt.answer = found.json()
                self._acknowledged.append(attempt)
            elif attempt.answer != found.json():
                self.wrong.append(f"{attempt.email}: two answers to one key")
        elif found.json().get("code") == "event_full" and attempt.answer is None:
            attempt.refused = "event_full"
        else:
            self.wrong.append(f"{attempt.email}: {_text(found)}")

    async def _cancel(self, public: httpx.AsyncClient, attempt: Attempt) -> None:
        assert attempt.answer is not None
        token = attempt.answer["manage_url"].rsplit("/", 1)[1]
        path = f"/registrations/{attempt.answer['id']}/cancellation"
        until = time.monotonic() + _GIVE_UP
        while True:
            found = await self._post(public, path, {"Authorization": f"Bearer {token}"}, None)
            if found is not None and found.status_code == 200:
                self.answered_at.append(time.monotonic())
                attempt.cancelled = True
                return
            if found is not None and found.status_code < 500 and found.status_code != 429:
                self.wrong.append(f"{attempt.email}: {found.status_code} to a cancellation")
                return
            if time.monotonic() > until:
                self.wrong.append(
                    f"{attempt.email}: no answer to a cancellation, last {_text(found)}"
                )
                return
            await asyncio.sleep(_PAUSE)

    async def _post(
        self, public: httpx.AsyncClient, path: str, headers: dict[str, str], body: Any
    ) -> httpx.Response | None:
        """The answer; None where the line broke."""
        try:
            found = await public.post(path, headers=headers, json=body)
        except httpx.TransportError:
            self.dropped += 1
            return None
        self.statuses[found.status_code] += 1
        return found

    async def _hang_up(self, attempt: Attempt, chance: random.Random) -> None:
        """Sends a sign-up and goes away, at once or a moment later, without its answer."""
        self.hung_up += 1
        parts = urlsplit(self.world.public_url)
        body = orjson.dumps(self._body(attempt))
        head = [
            f"POST /api/v1/events/{attempt.slug}/registrations HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *([f"Idempotency-Key: {attempt.key}"] if attempt.key else []),
        ]
        with suppress(OSError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            await writer.drain()
            await asyncio.sleep(chance.choice((0.0, 0.002, 0.01)))
            writer.transport.abort()
