"""The board: all public events and their lights in memory, for pages, API and stream.

Invariant: it holds no number of seats. It shows a change at once when it hears of it through
Redis, and within `LOOK_SECONDS` when it does not; what only the time changes (opening, closing)
shows within half a second. Nobody gets a seat by what the board says.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from services.kit import etag
from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.tasks import cancelled
from services.registration.domain.event import Event
from services.registration.domain.light import Light, State
from services.registration.lights import Lights
from services.registration.repository import events

log = structlog.get_logger(__name__)

STREAMS = Gauge("einlass_registration_streams", "Open streams of lights.")

LOOK_SECONDS: Final = 1.0
TICK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class PublicEvent:
    """An event as the public sees it now."""

    event: Event
    light: Light | None
    state: State


@dataclass(frozen=True, slots=True)
class Change:
    """What an open page must learn."""

    slug: str
    light: Light | None
    state: State

    def json(self) -> bytes:
        """As the stream and the API give it."""
        return orjson.dumps({"slug": self.slug, "light": self.light, "state": self.state})


@dataclass(frozen=True, slots=True)
class Availability:
    """All lights as ready JSON, with its strong ETag (RFC 9110, 8.8.3)."""

    body: bytes
    etag: str


def seen(event: Event, lamp: Light | None, now: datetime) -> PublicEvent:
    """How the public sees an event whose counters light `lamp`."""
    phase = event.phase(now)
    if phase == "open":
        if lamp == "red" and event.line(now).over:
            lamp = None  # nobody waits any more
        return PublicEvent(event, lamp, "booked_up" if lamp is None else "open")
    if phase == "draft":
        raise ValueError("a draft is not public")
    return PublicEvent(event, None, phase)


class Board:
    """Kept by each api process."""

    def __init__(self, db: Database, lights: Lights, clock: Clock) -> None:
        self._db, self._lights, self._clock = db, lights, clock
        self._lamps: dict[str, tuple[Event, Light | None, datetime]] = {}
        self._meanwhile: dict[str, tuple[Light | None, datetime]] = {}
        self._shown: dict[str, PublicEvent] = {}
        self._sorted: tuple[PublicEvent, ...] = ()
        self._availability = Availability(b"[]", '""')
        self.generation = 0
        """Rises when anything is seen differently."""
        self._listeners: set[asyncio.Queue[Change]] = set()
        self._stale = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Loads all events and begins to follow them."""
        await self._load()
        self._lights.channel.start(self._hear, self._stale.set)
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._tick())]

    async def stop(self) -> None:
        """Stops following."""
        await cancelled(self._tasks)

    def all(self) -> Sequence[PublicEvent]:
        """Every public event, by its first day."""
        return self._sorted

    def get(self, slug: str) -> PublicEvent | None:
        """The public event with this slug."""
        return self._shown.get(slug)

    @property
    def availability(self) -> Availability:
        """The lights of all events that are not over."""
        return self._availability

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Queue[Change]]:
        """A queue of changes from now on; one that is not emptied loses the newest."""
        queue: asyncio.Queue[Change] = asyncio.Queue(maxsize=1000)
        self._listeners.add(queue)
        STREAMS.inc()
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            STREAMS.dec()

    async def _load(self) -> None:
        self._meanwhile.clear()
        async with self._db.read() as conn:
            found = await events.public_events(conn)
        lamps = {row.event.slug: (row.event, row.light, row.light_at) for row in found}
        for slug, (event, _, at) in lamps.items():
            # Told of while we were reading. What was told before has been read, or was untrue.
            light, since = self._meanwhile.get(slug, (None, at))
            if since > at:
                lamps[slug] = (event, light, since)
        self._lamps = lamps
        self._show()

    def _hear(self, message: bytes) -> None:
        """Takes a notice (see lights.notice); whatever else comes along means: look yourself."""
        try:
            heard = orjson.loads(message)
            slug, light, at = heard["slug"], heard["light"], datetime.fromisoformat(heard["at"])
            event, _, since = self._lamps[slug]
            newer = at > since
        except (ValueError, KeyError, TypeError):
            self._stale.set()
            return
        if newer:
            self._lamps[slug] = (event, light, at)
            self._meanwhile[slug] = (light, at)
            self._show()

    async def _look(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), LOOK_SECONDS)
            self._stale.clear()
            try:
                await self._load()
            except (SQLAlchemyError, OSError) as error:
                log.warning("board.look", error=type(error).__name__)
            except Exception:  # the board goes on with what it has
                log.error("board.look", exc_info=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self._show()
            except Exception:  # the same; without this it would stand still for good
                log.error("board.tick", exc_info=True)

    def _show(self) -> None:
        """Works out what is seen now, and tells the listeners what differs."""
        now = self._clock.now()
        shown = {slug: seen(event, lamp, now) for slug, (event, lamp, _) in self._lamps.items()}
        if shown == self._shown:
            return
        before, self._shown = self._shown, shown
        self.generation += 1
        self._sorted = tuple(sorted(shown.values(), key=lambda e: (e.event.begins, e.event.slug)))
        self._write()
        for slug, public in shown.items():
            old = before.get(slug)
            if old is None or (old.light, old.state) != (public.light, public.state):
                self._tell(Change(slug, public.light, public.state))

    def _write(self) -> None:
        body = orjson.dumps(
            [
                {"slug": p.event.slug, "light": p.light, "state": p.state}
                for p in self._sorted
                if p.state != "past"
            ]
        )
        self._availability = Availability(body, etag.of(body))

    def _tell(self, change: Change) -> None:
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(change)
