"""Outbox → Kafka, and Kafka → the tables of waitlist and notifications, beside aiokafka alone.

Each measurement is a process of its own (benchmarks/streams_process.py) on a database of its own;
the cases take turns, so that what else the machine does meets all of them alike. Processor time
is told beside the rates, since it is the steadier of the two while others use the machine.
`EINLASS_BENCH_MESSAGES` and `EINLASS_BENCH_ROUNDS` make it shorter or longer.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import orjson
import psutil

from benchmarks.figures import table
from benchmarks.streams_messages import Said, rush
from benchmarks.streams_process import Done, Order
from deploy.local import Stack
from services.contracts.topics import DAY_MS, Topic
from services.kit import kafka
from services.kit.outbox import shard_of
from tests.support import databases

MESSAGES: Final = int(os.environ.get("EINLASS_BENCH_MESSAGES", "100000"))
ROUNDS: Final = int(os.environ.get("EINLASS_BENCH_ROUNDS", "3"))
SHAPES: Final = {100: "100 events", 1: "one event"}
TARGETS: Final = {"relay": 15_000, "waitlist": 10_000, "notifications": 10_000}
NAMES: Final = {
    "relay": "relay: outbox → Kafka, rows deleted",
    "bare batches": "baseline: aiokafka alone, `send_batch`",
    "bare send": "aiokafka alone, `send`",
    "waitlist": "waitlist: Kafka → lines, ledger, outbox",
    "notifications": "notifications: Kafka → participants, mail ledger",
    "bare consumer": "baseline: aiokafka alone, orjson",
}
PRODUCERS: Final = ("bare batches", "bare send", "relay")
CONSUMERS: Final = ("bare consumer", "waitlist", "notifications")


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement; processor seconds of PostgreSQL and Kafka beside the process's own."""

    done: Done
    postgres: float
    kafka: float

    @property
    def rate(self) -> float:
        return self.done.messages / self.done.seconds

    def each(self) -> tuple[float, float, float]:
        """Processor microseconds a message: the process, PostgreSQL, Kafka."""
        every = self.done.messages / 1e6
        return self.done.processor / every, self.postgres / every, self.kafka / every


@dataclass(frozen=True, slots=True)
class _Bench:
    """A stack, and one shape's messages in a topic of their own and in a file."""

    stack: Stack
    bootstrap: str
    told: Sequence[Said]
    full: Topic
    empty: Topic
    file: Path

    async def measure(self, what: str) -> Taken:
        if what == "relay":
            async with databases.fresh(self.stack.administrator_url(), "registration") as url:
                await self._fill(url)
                return await self._process(what, self.empty, database=url)
        if what in ("waitlist", "notifications"):
            async with databases.fresh(self.stack.administrator_url(), what) as url:
                return await self._process(what, self.full, database=url, group=_name())
        topic = self.full if what in CONSUMERS else self.empty
        return await self._process(what, topic, group=_name(), file=str(self.file))

    async def _process(self, what: str, topic: Topic, **more: str) -> Taken:
        order = Order(what, self.bootstrap, topic.name, len(self.told), **more)
        before = self._servers()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.streams_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate(orjson.dumps(asdict(order)))
        assert process.returncode == 0, what
        after = self._servers()
        return Taken(
            Done(**orjson.loads(said.splitlines()[-1])),
            *(b - a for a, b in zip(before, after, strict=True)),
        )

    def _servers(self) -> tuple[float, float]:
        """Processor seconds of PostgreSQL and Kafka so far; zeros where they run elsewhere."""
        children = self.stack.children
        found = [
            _processor(children[name].pid) if name in children else 0.0
            for name in ("postgres", "kafka")
        ]
        return found[0], found[1]

    async def _fill(self, url: str) -> None:
        conn = await asyncpg.connect(url)
        await conn.copy_records_to_table(
            "outbox",
            records=[
                (shard_of(event), self.empty.name, event.bytes, payload)
                for event, payload in self.told
            ],
            columns=("shard", "topic", "key", "payload"),
        )
        await conn.execute("VACUUM (ANALYZE) outbox")
        await conn.execute("CHECKPOINT")
        await conn.close()


def _processor(pid: int) -> float:
    """Processor seconds of a process, its children and those of them that have ended."""
    total = 0.0
    parent = psutil.Process(pid)
    for process in (parent, *parent.children(recursive=True)):
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system + used.children_user + used.children_system
    return total


def _name() -> str:
    return f"bench-{uuid4().hex}"


@asynccontextmanager
async def _prepared(stack: Stack, events: int, messages: int) -> AsyncIterator[_Bench]:
    bootstrap = stack.environment()["EINLASS_KAFKA_BOOTSTRAP"]
    told = rush(events, messages)
    full, empty = Topic(_name(), DAY_MS), Topic(_name(), DAY_MS)
    await kafka.create_topics(bootstrap, [full, empty], 1)
    with tempfile.NamedTemporaryFile(prefix="einlass-streams-") as file:
        file.writelines(event.hex.encode() + payload + b"\n" for event, payload in told)
        file.flush()
        bench = _Bench(stack, bootstrap, told, full, empty, Path(file.name))
        await bench._process("bare batches", full, file=file.name)
        yield bench


async def run(
    stack: Stack,
    *,
    rounds: int = ROUNDS,
    messages: int = MESSAGES,
    cases: Sequence[str] = (*PRODUCERS, *CONSUMERS),
) -> str:
    """Measures, and returns the tables as Markdown. `messages` a measurement."""
    taken: dict[tuple[str, int], list[Taken]] = {}
    for events in SHAPES:
        async with _prepared(stack, events, messages) as bench:
            for _ in range(rounds):
                for case in cases:
                    taken.setdefault((case, events), []).append(await bench.measure(case))
    size = statistics.mean(len(payload) for _, payload in bench.told)
    head = f"{messages:,} messages of {size:.0f} bytes, {rounds} rounds in turn, events a second"
    return f"{head}:\n\n" + "\n\n".join(
        _table(taken, [case for case in group if case in cases])
        for group in (PRODUCERS, CONSUMERS)
        if any(case in cases for case in group)
    )


def _table(taken: Mapping[tuple[str, int], Sequence[Taken]], cases: Sequence[str]) -> str:
    rows = []
    for events, shape in SHAPES.items():
        base = statistics.median(one.rate for one in taken[cases[0], events])
        for case in cases:
            ones = taken[case, events]
            rates = [one.rate for one in ones]
            median = statistics.median(rates)
            each = (statistics.median(c) for c in zip(*(one.each() for one in ones), strict=True))
            rows.append(
                [
                    f"{NAMES[case]}, {shape}",
                    f"{median:,.0f}",
                    f"{min(rates):,.0f}–{max(rates):,.0f}",
                    f"{median / base:.2f}",
                    f"{TARGETS[case]:,}" if case in TARGETS else "",
                    *(f"{one:.1f}" for one in each),
                ]
            )
    return table(
        [
            "",
            "median",
            "spread",
            "÷ baseline",
            "wanted",
            "processor µs an event",
            "PostgreSQL µs",
            "Kafka µs",
        ],
        rows,
    )
