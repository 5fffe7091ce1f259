"""The role "newsletter": from the rows of a send to the SMTP servers.

Some lanes work side by side, each with connections of its own and one leased chunk at a time. A
lane goes step by step: one statement writes what came of the last handful of mails and marks the
next; then those go on the line. While one lane waits for the database another one sends.

Invariants:
- Nothing goes on the line that no committed step has marked, so a process that ends without
  warning leaves `connections` x `handful` mails unknown at most, and all others as they are.
- A mail without a reply is never sent again by itself; one that was certainly not taken is.
- On `stop`, what is on the line is finished and written, and the chunks go back.
- The mail ledger has its own role, connections and lines to the database: however large a send
  is, a confirmation never waits for it here.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.ids import uuid7
from services.kit.roles import every
from services.kit.tasks import cancelled
from services.notifications.bulk import bounces
from services.notifications.bulk.bounces import Refusal
from services.notifications.bulk.domain import backoff
from services.notifications.bulk.domain import bounces as reports
from services.notifications.bulk.domain.backoff import DomainPeace
from services.notifications.bulk.letters import Letters, Library
from services.notifications.bulk.prepared import Recipient
from services.notifications.bulk.repository import chunks, pace, sends
from services.notifications.bulk.repository.chunks import Chunk, LeaseLost, Next, Results
from services.notifications.bulk.servers import Line, Servers
from services.notifications.bulk.wire import NOT_TRIED, Outcome, Ready, Refused, Taken, Unknown

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.5
BACKLOG_SECONDS: Final = 15.0
_LANES: Final = 2
_SLICE: Final = 0.25
_EACH_CHUNK: Final = 0.01
_LONGEST_RETRY: Final = 5.0

MAILS: Final = Metric("einlass_newsletter_mails", "Newsletters that were tried.", ["outcome"])
LOST: Final = Metric("einlass_newsletter_lost", "Made unknown since a process had ended.")
PENDING: Final = Gauge("einlass_newsletter_pending", "Recipients that wait in running sends.")
BROKEN: Final = Metric("einlass_newsletter_broken", "Chunks left by our own mistake.")
UNKNOWN: Final = Gauge(
    "einlass_newsletter_unknown", "Recipients whose mail is unknown, in sends of thirty days."
)


@dataclass(slots=True)
class _Work:
    """A chunk in hand. `start`: no recipient before it is pending and due. `refusals`: addresses
    of the last mails that are no good."""

    chunk: Chunk
    letters: Letters
    start: int
    results: Results = field(default_factory=Results)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class Delivery:
    """One process's role; any number of them share all sends.

    `connections` are kept, with at most `handful` mails each on the line. `rate`: mails a second
    by all processes together, 0 for no limit; `domain_rates` the same for single domains.
    """

    db: Database
    library: Library
    servers: Servers
    clock: Clock
    connections: int = 20
    handful: int = 8
    most_mails: int = 1000
    lease: timedelta = timedelta(seconds=30)
    rate: float = 0.0
    domain_rates: Mapping[str, float] = field(default_factory=dict)
    _held: dict[UUID, Chunk] = field(default_factory=dict)
    _peace: dict[str, DomainPeace] = field(default_factory=dict)
    _full: dict[str, float] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`, then finishes what is on the line."""
        self._held.clear()
        lines = [self._line() for _ in range(self.connections)]
        lanes = min(_LANES, self.connections)
        keeping = asyncio.create_task(self._keep())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(lanes):
                    group.create_task(self._lane(lines[number::lanes], stop))
        finally:
            await cancelled([keeping])
            for line in lines:
                line.close()

    def _line(self) -> Line:
        return Line(self.servers, most_mails=self.most_mails)

    # --- Beside the lanes ------------------------------------------------------------------

    async def _keep(self) -> None:
        """Renews the leases of what is in hand, ends finished sends and looks at the backlog."""
        looked_at = renewed_at = 0.0
        while True:
            now = time.monotonic()
            try:
                if self._held and now - renewed_at > self.lease.total_seconds() / 3:
                    async with self.db.at_once() as conn:
                        await chunks.renew(conn, list(self._held.values()), self.lease)
                    renewed_at = now
                async with self.db.transaction() as conn:
                    await sends.end_finished(conn)
                if now - looked_at > BACKLOG_SECONDS:
                    async with self.db.at_once() as conn:
                        pending, unknown = await chunks.backlog(conn)
                    PENDING.set(pending)
                    UNKNOWN.set(unknown)
                    looked_at = now
            except Exception as error:
                # Without it all leases would run out.
                known = is_infrastructure(error)
                log.warning("newsletter.keep_again", error=type(error).__name__, exc_info=not known)
            await asyncio.sleep(min(POLL_SECONDS, self.lease.total_seconds() / 6))

    # --- A lane ----------------------------------------------------------------------------

    async def _lane(self, lines: Sequence[Line], stop: asyncio.Event) -> None:
        while not stop.is_set():
            if pause := self.servers.pause():
                await every(min(pause, POLL_SECONDS), stop)
                continue
            try:
                async with self.db.at_once() as conn:
                    chunk = await chunks.claim(conn, uuid7(), self.lease)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("newsletter.claim_again", error=type(error).__name__)
                await every(POLL_SECONDS, stop)
                continue
            if chunk is None:
                for line in lines:
                    line.close()
                await every(POLL_SECONDS, stop)
                continue
            if chunk.lost:
                LOST.inc(chunk.lost)
                log.warning("newsletter.lost", issue=str(chunk.issue_id), mails=chunk.lost)
            self._held[chunk.token] = chunk
            try:
                await self._work(chunk, lines, stop)
            except Exception:
                # One lane's mistake must not cut the others off in the middle of their mails.
                BROKEN.inc()
                log.error("newsletter.broken", issue=str(chunk.issue_id), exc_info=True)
                await every(self.lease.total_seconds() / 2, stop)
            finally:
                del self._held[chunk.token]

    async def _work(self, chunk: Chunk, lines: Sequence[Line], stop: asyncio.Event) -> None:
        """Sends what is due of a chunk and gives it back."""
        work = _Work(chunk, await self.library.of(self.db, chunk.issue_id), chunk.first)
        try:
            while True:
                limit = await self._allowed(len(lines) * self.handful, stop)
                found = await self._step(work, limit)
                if not found:
                    break
                await self._send(work, found, lines)
            await self._give_back(chunk)
        except LeaseLost:
            log.warning("newsletter.lease_lost", issue=str(chunk.issue_id))
            await self._late(work)

    async def _allowed(self, most: int, stop: asyncio.Event) -> int:
        """How many mails may be marked now; 0 where it is time to give the chunk back."""
        if stop.is_set() or self.servers.pause():
            return 0
        if not self.rate:
            return most
        mails = min(most, max(1, int(self.rate * _SLICE)))
        try:
            async with self.db.at_once() as conn:
                wait = await pace.reserve(conn, mails, self.rate)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            return 0
        if wait and not await every(wait, stop):
            return 0
        return mails

    async def _step(self, work: _Work, limit: int) -> list[Next]:
        """Writes the last results and marks the next, trying again while the database is away.

        Refused addresses come before, in a transaction of their own: it locks rows of the send
        and of subscribers, which nobody must wait for while holding a chunk. A process that ends
        between the two leaves the mail unknown and the address suppressed.
        """
        pause = 0.05
        while True:
            try:
                if work.refusals:
                    async with self.db.transaction() as conn:
                        now = self.clock.now()
                        await bounces.refused(conn, work.chunk.issue_id, work.refusals, now)
                    work.refusals = []
                async with self.db.at_once() as conn:
                    found = await chunks.step(
                        conn, work.chunk, work.results, work.start, limit, self.lease, self._shut()
                    )
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("newsletter.step_again", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_RETRY)
            else:
                work.results = Results()
                return found

    async def _give_back(self, chunk: Chunk) -> None:
        """A domain that must wait has its rows left for later: the more chunks there are, the
        longer, since each of them is looked at meanwhile."""
        pause = 1 + chunk.no * _EACH_CHUNK if self._shut() else 0.0
        try:
            async with self.db.at_once() as conn:
                await chunks.give_back(conn, chunk, timedelta(seconds=pause))
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("newsletter.lease_left", error=type(error).__name__)

    async def _late(self, work: _Work) -> None:
        try:
            async with self.db.at_once() as conn:
                await chunks.late(conn, work.chunk.issue_id, work.results)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("newsletter.late_lost", error=type(error).__name__)

    # --- Mails -----------------------------------------------------------------------------

    async def _send(self, work: _Work, found: Sequence[Next], lines: Sequence[Line]) -> None:
        """Brings marked recipients to the servers; what came of it is in `work.results`."""
        until = asyncio.get_running_loop().time() + self.lease.total_seconds() / 2
        results = work.results = Results()
        work.start = found[-1].n + 1
        rows = await self._within_limits([one for one in found if one.active], work)
        ready = self._compose(work, rows)
        each = -(-len(ready) // len(lines)) or 1
        shares = [ready[i : i + each] for i in range(0, len(ready), each)]
        told = await asyncio.gather(
            *(
                line.exchange([mail for _, mail in share], until)
                for line, share in zip(lines, shares, strict=False)
            )
        )
        for share, outcomes in zip(shares, told, strict=True):
            for (row, _), outcome in zip(share, outcomes, strict=True):
                if isinstance(outcome, Taken):
                    results.taken.append(row.n)
                    if self._peace:
                        self._peace.pop(_domain(row.email), None)
                else:
                    self._note(work, row, outcome)
        if results.taken:
            MAILS.labels("sent").inc(len(results.taken))

    def _compose(self, work: _Work, rows: Sequence[Next]) -> list[tuple[Next, Ready]]:
        at, ready = self.clock.now(), []
        for row in rows:
            to = Recipient(row.n, row.subscriber_id, row.email, row.generation)
            try:
                ready.append((row, work.letters.for_locale(row.locale).compose(to, at)))
            except ValueError as error:  # BadAddress, and what no codec takes
                work.results.add(row.n, "failed", error=type(error).__name__)
                MAILS.labels("failed").inc()
        return ready

    def _note(self, work: _Work, row: Next, outcome: Outcome) -> None:
        """What shall be written of a mail that was not taken."""
        results, tries = work.results, row.attempts + 1
        if isinstance(outcome, Unknown):
            results.add(row.n, "unknown", error=outcome.reason)
            MAILS.labels("unknown").inc()
        elif isinstance(outcome, Refused) and backoff.for_good(outcome.code, tries):
            results.add(row.n, "failed", code=outcome.code, error=outcome.reason)
            MAILS.labels("failed").inc()
            if status := reports.refused(outcome.code, outcome.reason):
                work.refusals.append(Refusal(row.n, row.subscriber_id, row.generation, status))
        elif isinstance(outcome, Refused):
            pause = backoff.pause(tries, random.random())  # noqa: S311 - keeps no secret
            results.add(row.n, "pending", code=outcome.code, error=outcome.reason, pause=pause)
            peace = self._peace.setdefault(_domain(row.email), DomainPeace())
            peace.refused(time.monotonic())
            MAILS.labels("later").inc()
        else:
            assert outcome is NOT_TRIED
            self._leave(work, row)

    def _leave(self, work: _Work, row: Next) -> None:
        """Goes back as it was."""
        work.results.add(row.n, "pending", tries=0)
        work.start = min(work.start, row.n)

    async def _within_limits(self, rows: Sequence[Next], work: _Work) -> list[Next]:
        """Those of `rows` that may go now by their domains' rates; the others are left."""
        if not self.domain_rates:
            return list(rows)
        wanted = Counter(d for one in rows if (d := _domain(one.email)) in self.domain_rates)
        granted: dict[str, int] = {}
        for domain, mails in wanted.items():
            rate = self.domain_rates[domain]
            try:
                async with self.db.transaction() as conn:
                    granted[domain], wait = await pace.take(conn, domain, mails, rate, _SLICE)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                granted[domain], wait = 0, POLL_SECONDS
            if granted[domain] < mails:
                self._full[domain] = time.monotonic() + max(wait - _SLICE, 0.0) + 1 / rate
        going = []
        for one in rows:
            left = granted.get(_domain(one.email))
            if left is None or left > 0:
                going.append(one)
                if left is not None:
                    granted[_domain(one.email)] = left - 1
            else:
                self._leave(work, one)
        return going

    def _shut(self) -> list[str]:
        """Domains to which nothing goes at the moment."""
        if not self._peace and not self._full:
            return []
        now = time.monotonic()
        for domain in [one for one, until in self._full.items() if until <= now]:
            del self._full[domain]
        resting = [one for one, peace in self._peace.items() if peace.until > now]
        return [*self._full, *resting]


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
