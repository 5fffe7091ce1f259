"""Group commit: what arrives while one transaction is under way forms the next one.

Invariants:
- Items of one key are handled in the order of their arrival, in one batch at a time; there is no
  timer, so a lone item waits for nobody. A batch takes what waits of any keys.
- A batch runs in a task of its own: whoever waits for an item may go away, and the batch goes on.
- Of a key wait at most `limit` items, and `most` over all keys; what comes beyond is refused at
  once with Busy, before it has cost anything.
- No key waits for another's lock: what `run` puts off is run alone next, and may wait there.
- A batch that fails is run again in halves until the item that fails stands alone, so a bad item
  never fails its neighbours. Where the servers failed, the same batch is tried again, told so by
  `again`: its commit may have come through without an answer (see `run`).
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Histogram

from services.kit.db import is_infrastructure
from services.kit.errors import Busy, EinlassError

log = structlog.get_logger(__name__)

SIZE = Histogram(
    "einlass_group_commit_items",
    "Items of one commit.",
    ["group"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
SHED = Counter("einlass_group_commit_shed", "Items refused because the queue was full.", ["group"])

LIMIT: Final = 500
SHARE: Final = 32
MOST: Final = 5000
PAUSES: Final = (0.05, 0.2, 0.5, 1.0)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Later:
    """The outcome of an item whose key is locked by somebody else."""


LATER: Final = Later()


@dataclass(slots=True)
class _Line(Generic[T, R]):
    """What waits of one key. `alone`: its lock is contended, so it is run by itself."""

    items: list[T] = field(default_factory=list)
    answers: list[asyncio.Future[R]] = field(default_factory=list)
    alone: bool = False


@dataclass(slots=True)
class _Batch(Generic[K, T, R]):
    """What is run together; `keys`, `items` and `answers` are of one length. `again`: an attempt
    may have been committed already."""

    keys: list[K]
    items: list[T]
    answers: list[asyncio.Future[R]]
    alone: bool
    again: bool = False

    def halves(self) -> "tuple[_Batch[K, T, R], _Batch[K, T, R]]":
        """The same in two, which put nothing off: the second would overtake the first."""
        n = len(self.items) // 2
        head = _Batch(self.keys[:n], self.items[:n], self.answers[:n], True, self.again)
        tail = _Batch(self.keys[n:], self.items[n:], self.answers[n:], True, self.again)
        return head, tail


class Run(Protocol[T_contra, R_co]):
    """Handles a batch in one transaction and returns an outcome for each item, in order; an
    EinlassError among them is raised to whoever waits for that item. With `again` an earlier
    attempt may have been committed, and the answer is made from what is found. Only without
    `alone` may an outcome be LATER: nothing was done for the item, nor for a later one of its
    key."""

    async def __call__(
        self, items: Sequence[T_contra], *, again: bool, alone: bool
    ) -> Sequence[R_co | EinlassError | Later]: ...


@dataclass(slots=True)
class GroupCommit(Generic[K, T, R]):
    """Collects items into transactions, at most `parallel` at a time beside those run alone."""

    name: str
    run: Run[T, R]
    limit: int = LIMIT
    most: int = MOST
    parallel: int = 1
    pauses: Sequence[float] = PAUSES
    _lines: dict[K, _Line[T, R]] = field(default_factory=dict)
    _ready: deque[K] = field(default_factory=deque)
    _running: int = 0
    _waiting: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None

    async def submit(self, key: K, item: T) -> R:
        """The outcome of `item`. Raises Busy where the line is too long, and what `run` gives."""
        line = self._lines.get(key)
        if self._waiting >= self.most or (line is not None and len(line.items) >= self.limit):
            SHED.labels(self.name).inc()
            raise Busy
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if line is None:
            line = self._lines[key] = _Line()
            self._ready.append(key)
        answer: asyncio.Future[R] = loop.create_future()
        line.items.append(item)
        line.answers.append(answer)
        self._waiting += 1
        if self._ready and self._running < self.parallel:
            self._running += 1
            self._start(self._empty())
        return await answer

    async def drain(self) -> None:
        """Returns when nothing waits any more; for the end of the process."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _empty(self) -> None:
        """Runs batches while something is ready."""
        try:
            while self._ready:
                keys, batch = self._next()
                if batch.items:
                    await self._batch(batch)
                    self._give_back(keys)
        finally:
            self._running -= 1

    def _next(self) -> tuple[list[K], _Batch[K, T, R]]:
        """The keys whose items are taken, and the batch. Until they are given back, what arrives
        of them waits."""
        keys: list[K] = []
        batch: _Batch[K, T, R] = _Batch([], [], [], alone=False)
        while self._ready and len(batch.items) < self.limit:
            key = self._ready.popleft()
            if self._lines[key].alone:
                self._start(self._alone(key))
            else:
                keys.append(key)
                self._take(key, batch)
        if batch.items:
            SIZE.labels(self.name).observe(len(batch.items))
        return keys, batch

    def _take(self, key: K, batch: _Batch[K, T, R]) -> None:
        """Moves a line's share into the batch: of a long one the half, so that while it is with
        the servers, the other half waits ready and this process is busy with what came before."""
        line = self._lines[key]
        share = max(SHARE, (len(line.items) + 1) // 2)
        room = min(share, self.limit - len(batch.items))
        taken, answers = line.items[:room], line.answers[:room]
        line.items, line.answers = line.items[room:], line.answers[room:]
        self._waiting -= len(taken)
        batch.keys += [key] * len(taken)
        batch.items += taken
        batch.answers += answers

    async def _alone(self, key: K) -> None:
        """Runs what waits of one key, which may wait for its lock."""
        line = self._lines[key]
        while line.items:
            batch: _Batch[K, T, R] = _Batch([], [], [], alone=True)
            self._take(key, batch)
            SIZE.labels(self.name).observe(len(batch.items))
            await self._batch(batch)
        del self._lines[key]

    def _give_back(self, keys: Sequence[K]) -> None:
        for key in keys:
            if self._lines[key].items:
                self._ready.append(key)
            else:
                del self._lines[key]

    async def _batch(self, batch: _Batch[K, T, R]) -> None:
        """Runs one batch, and answers all of it."""
        try:
            outcomes = await self._stubbornly(batch)
        except Exception as error:
            if isinstance(error, EinlassError) or len(batch.items) == 1:
                _fail(batch.answers, error)
                return
            log.warning("group_commit.halved", group=self.name, error=type(error).__name__)
            for half in batch.halves():
                await self._batch(half)
            return
        if len(outcomes) != len(batch.items):
            # Whose is missing cannot be told, and a second run would do the others twice.
            _fail(batch.answers, AssertionError(f"{self.name}: an outcome is missing"))
            return
        put_off: list[int] = []
        for number, (answer, outcome) in enumerate(zip(batch.answers, outcomes, strict=True)):
            if isinstance(outcome, Later):
                put_off.append(number)
            elif answer.done():
                continue
            elif isinstance(outcome, EinlassError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
        if put_off:
            self._put_off(batch, put_off)

    def _put_off(self, batch: _Batch[K, T, R], numbers: Sequence[int]) -> None:
        """Puts items back to the head of their lines, which are run alone from now on."""
        for number in reversed(numbers):
            line = self._lines[batch.keys[number]]
            line.alone = True
            line.items.insert(0, batch.items[number])
            line.answers.insert(0, batch.answers[number])
        self._waiting += len(numbers)

    async def _stubbornly(self, batch: _Batch[K, T, R]) -> Sequence[R | EinlassError | Later]:
        """Tries again while the servers fail. Raises Busy where they do not come back."""
        for pause in (*self.pauses, None):
            try:
                return await self.run(batch.items, again=batch.again, alone=batch.alone)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("group_commit.again", group=self.name, error=type(error).__name__)
                if pause is None:
                    raise Busy from error
                # It may still hold its locks, and an item put off would forget that it was tried.
                batch.again = batch.alone = True
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")


def _fail(answers: Sequence[asyncio.Future[R]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
