"""One process that does one thing and prints how fast: ``python -m benchmarks.streams_process``.

It reads a JSON object with the fields of `Order` from standard input and answers with one of
`Done`. A process of its own for each measurement is what a site runs, and leaves nothing behind
for the next one.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import uvloop

from services.contracts.registration import ADAPTER, RegistrationMessage
from services.contracts.topics import DAY_MS, Topic
from services.kit import kafka
from services.kit.clock import SystemClock
from services.kit.consumer import Consumer, Handler
from services.kit.db import Database
from services.kit.relay import Relay
from services.kit.wake import Wake
from services.notifications.handlers import OnRegistration as OnNotifications
from services.waitlist.handlers import OnRegistration as OnWaitlist

NO_REDIS: Final = "redis://127.0.0.1:1/0"
HANDLERS: Final[Mapping[str, Callable[[], Handler[RegistrationMessage]]]] = {
    "waitlist": lambda: OnWaitlist(SystemClock()),
    "notifications": lambda: OnNotifications(lambda: None),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with `messages` messages of `topic`; `file` holds them for who produces them."""

    what: str
    bootstrap: str
    topic: str
    messages: int
    database: str = ""
    group: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """How many messages in how many seconds, and the process's own processor seconds."""

    messages: int
    seconds: float
    processor: float


@dataclass(slots=True)
class Watch:
    """Runs from the first `begin` until `of` messages are done."""

    of: int
    done: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _at: float = 0.0
    _used: float = 0.0

    def begin(self) -> None:
        if not self._at:
            self._at, self._used = time.perf_counter(), _processor()

    def add(self, messages: int) -> None:
        self.done += messages
        if self.done >= self.of:
            self.ended.set()

    def read(self) -> Done:
        return Done(self.done, time.perf_counter() - self._at, _processor() - self._used)


def _processor() -> float:
    used = os.times()
    return used.user + used.system


class _TimedRelay(Relay):
    """From its first look at the outbox to its last deletion."""

    watch: Watch

    async def _fetch(self) -> Any:
        self.watch.begin()
        return await super()._fetch()

    async def _settle(self, sent: Any) -> None:
        await super()._settle(sent)
        self.watch.add(len(sent))


class _TimedConsumer(Consumer[RegistrationMessage]):
    """From the first batch that Kafka handed over to the commit of the last."""

    watch: Watch

    async def apply(self, records: Sequence[Any]) -> None:
        self.watch.begin()
        await super().apply(records)
        self.watch.add(len(records))


async def _run(role: Callable[[asyncio.Event], Awaitable[None]], watch: Watch) -> Done:
    stop = asyncio.Event()
    task = asyncio.ensure_future(role(stop))
    ended = asyncio.ensure_future(watch.ended.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    done = watch.read()
    stop.set()
    await task
    assert ended.done(), "it ended before its work"
    return done


async def relay(order: Order) -> Done:
    """One relay, from an outbox that is full."""
    db = Database(order.database, name="bench")
    role = _TimedRelay(db, order.bootstrap, Wake(NO_REDIS, "bench"))
    role.watch = Watch(order.messages)
    try:
        return await _run(role.run, role.watch)
    finally:
        await db.close()


async def consumer(order: Order) -> Done:
    """One consumer with all its effects, from the topic's first message."""
    db = Database(order.database, name="bench")
    role = _TimedConsumer(
        db=db,
        bootstrap=order.bootstrap,
        name=order.group,
        topic=Topic(order.topic, DAY_MS),
        adapter=ADAPTER,
        handler=HANDLERS[order.what](),
    )
    role.watch = Watch(order.messages)
    try:
        return await _run(role.run, role.watch)
    finally:
        await db.close()


async def bare_consumer(order: Order) -> Done:
    """aiokafka alone, the same settings; each payload is decoded by orjson and dropped."""
    watch = Watch(order.messages)
    client = kafka.consumer(order.bootstrap, order.group, None)
    client.subscribe([order.topic])
    async with client:
        while not watch.ended.is_set():
            found = await client.getmany(timeout_ms=250, max_records=5000)
            if found:
                watch.begin()
            for tp, records in found.items():
                for record in records:
                    orjson.loads(record.value)
                await client.commit({tp: records[-1].offset + 1})
                watch.add(len(records))
        return watch.read()


async def bare_send(order: Order) -> Done:
    """aiokafka alone: `send` for each message, all answers awaited at the end."""
    told, watch = _read(order), Watch(order.messages)
    async with kafka.producer(order.bootstrap) as client:
        await client.partitions_for(order.topic)
        watch.begin()
        answers = [await client.send(order.topic, value, key=key) for key, value in told]
        await asyncio.gather(*answers)
        watch.add(len(told))
        return watch.read()


async def bare_batches(order: Order) -> Done:
    """aiokafka alone: batches as full as they go, one a partition at a time."""
    told, watch = _read(order), Watch(order.messages)
    async with kafka.producer(order.bootstrap) as client:
        partitions = len(await client.partitions_for(order.topic))
        places = {key: kafka.partition_of(UUID(bytes=key), partitions) for key, _ in told}
        watch.begin()
        batches: dict[int, Any] = {}
        answers = []
        for key, value in told:
            place = places[key]
            batch = batches.get(place) or batches.setdefault(place, client.create_batch())
            if batch.append(key=key, value=value, timestamp=None) is None:
                answers.append(await client.send_batch(batch, order.topic, partition=place))
                batches[place] = batch = client.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        for place, batch in batches.items():
            answers.append(await client.send_batch(batch, order.topic, partition=place))
        await asyncio.gather(*answers)
        watch.add(len(told))
        return watch.read()


def _read(order: Order) -> list[tuple[bytes, bytes]]:
    lines = Path(order.file).read_bytes().splitlines()
    return [(bytes.fromhex(line[:32].decode()), line[32:]) for line in lines]


WHAT: Final[Mapping[str, Callable[[Order], Awaitable[Done]]]] = {
    "relay": relay,
    "waitlist": consumer,
    "notifications": consumer,
    "bare consumer": bare_consumer,
    "bare send": bare_send,
    "bare batches": bare_batches,
}


async def _main() -> None:
    order = Order(**orjson.loads(sys.stdin.buffer.read()))
    print(orjson.dumps(asdict(await WHAT[order.what](order))).decode())


def _spare_the_collector() -> None:
    """As kit.server does it for a worker."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


if __name__ == "__main__":
    _spare_the_collector()
    uvloop.run(_main())
