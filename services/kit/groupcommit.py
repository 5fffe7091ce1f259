"""Group commit: what arrives while one transaction is under way forms the next one.

Invariants:
- Items of one key are handled in the order of their arrival, one batch at a time; there is no
  timer, so a lone item waits for nobody.
- A batch runs in a task of its own: whoever waits for an item may go away, and the batch goes on.
- At most one batch of a key waits, of `limit` items, and `most` items over all keys; what comes
  beyond is refused at once with Busy, before it has cost anything.
- A batch that fails is run again in halves until the item that fails stands alone, so a bad item
  never fails its neighbours. Where the servers failed, the same batch is tried again, told so by
  `again`: its commit may have come through without an answer (see `run`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

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
MOST: Final = 5000
PAUSES: Final = (0.05, 0.2, 0.5, 1.0)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Line(Generic[T, R]):
    """What waits of one key."""

    items: list[T] = field(default_factory=list)
    answers: list[asyncio.Future[R]] = field(default_factory=list)
    busy: bool = False


@dataclass(slots=True)
class GroupCommit(Generic[K, T, R]):
    """Collects items into transactions.

    `run(key, items, again)` handles a batch in one transaction and returns an outcome for each
    item, in order; an EinlassError among them is raised to whoever waits for that item. With
    `again` an earlier attempt may have been committed, and `run` answers from what it finds.
    """

    name: str
    run: Callable[[K, Sequence[T], bool], Awaitable[Sequence[R | EinlassError]]]
    limit: int = LIMIT
    most: int = MOST
    pauses: Sequence[float] = PAUSES
    _lines: dict[K, _Line[T, R]] = field(default_factory=dict)
    _waiting: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def submit(self, key: K, item: T) -> R:
        """The outcome of `item`. Raises Busy where the line is too long, and what `run` gives."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        if len(line.items) >= self.limit or self._waiting >= self.most:
            SHED.labels(self.name).inc()
            raise Busy
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        line.items.append(item)
        line.answers.append(answer)
        self._waiting += 1
        if not line.busy:
            line.busy = True
            task = asyncio.create_task(self._empty(key, line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def drain(self) -> None:
        """Returns when nothing waits any more; for the end of the process."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _empty(self, key: K, line: _Line[T, R]) -> None:
        while line.items:
            items, answers = line.items, line.answers
            line.items, line.answers = [], []
            self._waiting -= len(items)
            SIZE.labels(self.name).observe(len(items))
            await self._batch(key, items, answers, again=False)
        line.busy = False
        self._lines.pop(key, None)

    async def _batch(
        self, key: K, items: list[T], answers: list[asyncio.Future[R]], *, again: bool
    ) -> None:
        """Runs one batch, and answers all of it."""
        try:
            outcomes = await self._stubbornly(key, items, again)
        except Exception as error:
            if isinstance(error, EinlassError) or len(items) == 1:
                _fail(answers, error)
                return
            log.warning("group_commit.halved", group=self.name, error=type(error).__name__)
            middle = len(items) // 2
            await self._batch(key, items[:middle], answers[:middle], again=again)
            await self._batch(key, items[middle:], answers[middle:], again=again)
            return
        if len(outcomes) != len(items):
            # Whose is missing cannot be told, and a second run would do the others twice.
            _fail(answers, AssertionError(f"{self.name}: an outcome is missing"))
            return
        for answer, outcome in zip(answers, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, EinlassError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    async def _stubbornly(self, key: K, items: list[T], again: bool) -> Sequence[R | EinlassError]:
        """Tries again while the servers fail. Raises Busy where they do not come back."""
        for pause in (*self.pauses, None):
            try:
                return await self.run(key, items, again)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("group_commit.again", group=self.name, error=type(error).__name__)
                if pause is None:
                    raise Busy from error
                again = True
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")


def _fail(answers: Sequence[asyncio.Future[R]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
