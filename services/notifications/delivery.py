"""The delivery role: from the ledger to the SMTP server.

Three kinds of task work side by side: one claims due mails, some send them, each over a kept
connection of its own, and one writes down what came of them: many together under load, each at
once without it.

Invariants:
- At least once: a mail counts as sent only when the ledger says so. A process that dies in
  between loses its leases, and another sends those mails (again).
- The server being away is nobody's fault: what was claimed goes back untried, nothing is claimed
  until a connection stands again, and the pauses between attempts to connect grow.
- On `stop`, what is on the line is finished and the rest goes back at once.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.ids import uuid7
from services.kit.tasks import cancelled
from services.kit.wake import Wake
from services.notifications import service
from services.notifications.domain.retry import Outcome, Refused, Released
from services.notifications.mailer import Mailer
from services.notifications.mime import Envelope
from services.notifications.repository import delivery as repository
from services.notifications.repository.delivery import Claimed
from services.notifications.service import Tried
from services.notifications.smtp import Connection, ServerAwayError

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.5
GATHER_SECONDS: Final = 0.02
BACKLOG_SECONDS: Final = 15.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_SAFETY: Final = 0.5

SECONDS = Histogram("einlass_notifications_send_seconds", "Rendering and sending one mail.")
TRIES = Counter("einlass_notifications_tries", "Tries at the SMTP server.", ["outcome"])
BROKEN = Counter("einlass_notifications_broken_mails", "Tries that failed by our own mistake.")
AWAY = Gauge("einlass_notifications_smtp_away", "1 while the SMTP server cannot be used.")
WAITING = Gauge("einlass_notifications_backlog_mails", "Mails that wait or are being sent.")
OLDEST = Gauge("einlass_notifications_backlog_seconds", "Age of the oldest of them.")


@dataclass(frozen=True, slots=True, order=True)
class _InHand:
    """A claimed mail in the order in which it is sent, or where there is none, the end of all.
    `until`: when its sending must have begun, monotonic seconds."""

    priority: float
    number: int
    until: float = field(compare=False, default=0.0)
    claimed: Claimed | None = field(compare=False, default=None)


@dataclass(slots=True)
class Delivery:
    """One delivery process's role; any number of them share the ledger.

    `connect` makes a connection that is not open yet; `senders` of them are used. `batch`: how
    many mails are claimed and not settled at most. `lease`: for how long.
    """

    db: Database
    mailer: Mailer
    connect: Callable[[], Connection]
    wake: Wake
    clock: Clock
    senders: int = 4
    batch: int = 50
    lease: timedelta = timedelta(minutes=5)
    first_pause: float = _FIRST_PAUSE
    _queue: asyncio.PriorityQueue[_InHand] = field(default_factory=asyncio.PriorityQueue)
    _tried: list[Tried] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)
    _in_hand: int = 0
    _claims: int = 0
    _away: str | None = None
    _pause: float = 0.0
    _looked_at: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`, then finishes what is on the line."""
        self._queue, self._tried = asyncio.PriorityQueue(), []
        self._in_hand, self._away = 0, None
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            settling = group.create_task(self._settle_all(ended))
            senders = [group.create_task(self._send_all(stop)) for _ in range(self.senders)]
            await self._claim_all(stop)
            for number, _ in enumerate(senders):
                self._queue.put_nowait(_InHand(math.inf, number))
            await asyncio.gather(*senders)
            ended.set()
            self._news.set()
            await settling

    # --- Claiming --------------------------------------------------------------------------

    async def _claim_all(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._away is not None:
                await self._wait_for_server(stop)
                continue
            room = self.batch - self._in_hand
            try:
                found = await self._claim(room) if room else 0
                await self._look_at_backlog()
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("delivery.retry", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)
                continue
            if found < room or not room:
                # A settled mail makes room, and may have held up the next one to its person.
                await self._first_of(
                    self.wake.wait(POLL_SECONDS), self._settled.wait(), stop.wait()
                )
                self._settled.clear()

    async def _claim(self, room: int) -> int:
        """Claims and hands out up to `room` mails; returns how many."""
        until = time.monotonic() + self.lease.total_seconds() * _SAFETY
        async with self.db.transaction() as conn:
            claimed = await repository.claim(conn, uuid7(), room, self.lease)
        self._in_hand += len(claimed)
        for one in claimed:
            self._claims += 1
            self._queue.put_nowait(_InHand(one.priority, self._claims, until, one))
        return len(claimed)

    async def _look_at_backlog(self) -> None:
        if time.monotonic() - self._looked_at < BACKLOG_SECONDS:
            return
        async with self.db.read() as conn:
            mails, age = await repository.backlog(conn)
        WAITING.set(mails)
        OLDEST.set(age)
        self._looked_at = time.monotonic()

    async def _wait_for_server(self, stop: asyncio.Event) -> None:
        """Pauses, longer each time, then tries to connect."""
        self._pause = min(max(self._pause * 2, self.first_pause), _LONGEST_PAUSE)
        log.warning("delivery.server_away", reason=self._away, pause=round(self._pause, 1))
        AWAY.set(1)
        pause = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - keeps no secret
        await self._first_of(asyncio.sleep(pause), stop.wait())
        if stop.is_set():
            return
        probe = self.connect()
        try:
            await probe.ready()
        except ServerAwayError as error:
            self._away = str(error)
        else:
            self._away = None
            AWAY.set(0)
        finally:
            await probe.close()

    async def _first_of(self, *waiting: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(one) for one in waiting]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled(tasks)

    # --- Sending ---------------------------------------------------------------------------

    async def _send_all(self, stop: asyncio.Event) -> None:
        """Sends what comes out of the queue over one connection, until the end comes."""
        connection = self.connect()
        try:
            while (claimed := (found := await self._queue.get()).claimed) is not None:
                late = time.monotonic() > found.until
                if stop.is_set() or self._away is not None or late or claimed.taken_back:
                    self._done(claimed, Released())
                else:
                    await self._send(connection, claimed)
        finally:
            await connection.close()

    async def _send(self, connection: Connection, claimed: Claimed) -> None:
        mail: Envelope | None = None
        outcome: Outcome
        try:
            with SECONDS.time():
                mail = self.mailer.render(claimed.mail())
                outcome = await connection.send(mail)
        except ServerAwayError as error:
            self._away = str(error)
            outcome = Released()
        except Exception as error:
            # A mistake of ours must hold up no other mail, and a new version puts it right: the
            # mail is tried again like one that the server refused.
            BROKEN.inc()
            log.error("delivery.broken", kind=claimed.kind, exc_info=True)
            outcome = Refused(None, f"{'send' if mail else 'render'}: {type(error).__name__}")
        else:
            self._pause = 0.0
        self._done(claimed, outcome, mail)

    def _done(self, claimed: Claimed, outcome: Outcome, mail: Envelope | None = None) -> None:
        TRIES.labels(type(outcome).__name__.lower()).inc()
        chance = random.random()  # noqa: S311 - spreads pauses, keeps no secret
        self._tried.append(
            Tried(claimed, outcome, chance, mail.message_id if mail is not None else None)
        )
        self._news.set()

    # --- Settling --------------------------------------------------------------------------

    async def _settle_all(self, ended: asyncio.Event) -> None:
        """Writes down outcomes until all senders have ended and nothing is left."""
        while self._tried or not ended.is_set():
            await self._news.wait()
            if len(self._tried) < self._in_hand:
                # Others are on the line; a moment later many can be written down at once.
                await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            tried, self._tried = self._tried, []
            if tried:
                await self._settle(tried)
                self._in_hand -= len(tried)
                self._settled.set()

    async def _settle(self, tried: Sequence[Tried]) -> None:
        """Writes down outcomes, trying again while the database is away: a mail that was sent
        is sent twice otherwise."""
        pause = 0.1
        while True:
            try:
                async with self.db.transaction() as conn:
                    await service.settle(conn, tried, self.clock.now())
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("delivery.settle_again", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            else:
                return
