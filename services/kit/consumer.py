"""From Kafka into a service: many messages of one partition, in order, in one transaction.

Invariants:
- Offsets are committed after the transaction and only to the message after its last one. The
  inbox, not the offset, is the truth.
- An infrastructure error changes nothing: the partition is taken up again at the same message,
  with fewer messages at a time, lest a batch that takes too long be tried for ever.
  Any other error is the message's own: it is found by halving, set aside with its reason, and
  the partition goes on.
- A partition that is taken away is first finished; no lock is held while waiting for messages.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Histogram
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message
from services.contracts.topics import Topic
from services.kit import inbox
from services.kit.db import Database, is_infrastructure
from services.kit.kafka import consumer as new_consumer
from services.kit.kafka import leave, start
from services.kit.roles import every, unless
from services.kit.telemetry import places

log = structlog.get_logger(__name__)

HANDLED = Counter("einlass_consumer_messages", "Messages handled.", ["consumer"])
RETRIES = Counter("einlass_consumer_retries", "Batches the servers failed.", ["consumer"])
SECONDS = Histogram("einlass_consumer_batch_seconds", "Time of one batch.", ["consumer"])

# Of all partitions together. Of one it is what Kafka hands over at once, 1 MiB: some 2,000
# sign-ups, whose transaction takes a fifth of a second.
BATCH_MESSAGES: Final = 8000
COMMIT_SECONDS: Final = 5.0
M = TypeVar("M", bound=Message)
Handler = Callable[[AsyncConnection, Sequence[M]], Awaitable[None]]


def _passes(error: BaseException) -> bool:
    return is_infrastructure(error) or isinstance(error, KafkaError)


@dataclass(slots=True)
class Consumer(Generic[M]):
    """One member of a consumer group. `name` is the group and the inbox's key."""

    db: Database
    bootstrap: str
    name: str
    topic: Topic
    adapter: TypeAdapter[M]
    handler: Handler[M]
    instance_id: str | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _batch: int = BATCH_MESSAGES

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until `stop`, then finishes the batch in hand and leaves."""
        while not stop.is_set():
            self._idle.set()
            client = await start(self._client, stop)
            if client is None:
                return
            try:
                await self._consume(client, stop)
            except KafkaError as error:
                log.warning("consumer.restart", consumer=self.name, error=type(error).__name__)
            finally:
                await leave(client)
            await every(1, stop)

    def _client(self) -> AIOKafkaConsumer:
        member = self.instance_id and f"{self.name}-{self.instance_id}"
        client = new_consumer(self.bootstrap, self.name, member)
        client.subscribe([self.topic.name], listener=_Finishing(self._idle))
        return client

    async def _consume(self, client: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        pause = 0.0
        while not stop.is_set():
            found = await unless(stop, client.getmany(timeout_ms=250, max_records=self._batch))
            if not found:
                continue
            if await self._partitions(client, found):
                pause, self._batch = 0.0, min(self._batch * 2, BATCH_MESSAGES)
            else:
                most = max(map(len, found.values()))
                pause, self._batch = min(max(0.1, pause * 2), 5.0), max(1, most // 2)
                await every(pause, stop)

    async def _partitions(
        self, client: AIOKafkaConsumer, found: Mapping[TopicPartition, Sequence[Any]]
    ) -> bool:
        """Handles each partition's records; False where the servers failed at any. All are
        done when it raises what one of them did."""
        self._idle.clear()
        try:
            ends = await asyncio.gather(
                *(self._partition(client, tp, records) for tp, records in found.items()),
                return_exceptions=True,
            )
        finally:
            self._idle.set()
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return all(ends)

    async def _partition(
        self, client: AIOKafkaConsumer, tp: TopicPartition, records: Sequence[Any]
    ) -> bool:
        """Handles one partition's records; False where the servers failed."""
        began = time.monotonic()
        try:
            await self.apply(records)
        except Exception as error:
            if not _passes(error):
                raise
            RETRIES.labels(self.name).inc()
            log.warning("consumer.retry", consumer=self.name, error=type(error).__name__)
            if tp in client.assignment():
                client.seek(tp, records[0].offset)
            return False
        SECONDS.labels(self.name).observe(time.monotonic() - began)
        if tp in client.assignment():
            # aiokafka tries until there is a coordinator; the inbox does not need the offset.
            try:
                await asyncio.wait_for(client.commit({tp: records[-1].offset + 1}), COMMIT_SECONDS)
            except (KafkaError, TimeoutError) as error:
                log.warning("consumer.commit", consumer=self.name, error=type(error).__name__)
        return True

    async def apply(self, records: Sequence[Any]) -> None:
        """Handles records of one partition in one transaction; where one is bad, in several.

        Raises infrastructure errors only; then nothing of the failing part has happened.
        """
        try:
            async with self.db.transaction() as conn:
                await self._handle(conn, records)
        except Exception as error:
            if _passes(error):
                raise
            if len(records) == 1:
                await self._give_up(records[0], error)
                return
            middle = len(records) // 2
            await self.apply(records[:middle])
            await self.apply(records[middle:])

    async def _handle(self, conn: AsyncConnection, records: Iterable[Any]) -> None:
        messages: list[M] = []
        decode = self.adapter.validator.validate_json
        for record in records:
            try:
                messages.append(decode(record.value or b""))
            except ValidationError as error:
                await inbox.set_aside(conn, self.name, record, _reason(error))
        fresh = await inbox.admit(conn, self.name, messages)
        if fresh:
            await self.handler(conn, fresh)
            HANDLED.labels(self.name).inc(len(fresh))

    async def _give_up(self, record: Any, error: Exception) -> None:
        """Sets one message aside and counts it as had, so that the next is no gap; one that
        cannot even be counted is only set aside."""
        log.error("consumer.dead_letter", consumer=self.name, error=type(error).__name__)
        try:
            async with self.db.transaction() as conn:
                await inbox.admit(conn, self.name, [self.adapter.validate_json(record.value)])
                await inbox.set_aside(conn, self.name, record, _reason(error))
        except Exception as second:
            if _passes(second):
                raise
            async with self.db.transaction() as conn:
                await inbox.set_aside(conn, self.name, record, _reason(error))

    async def replay(self, letter_id: int) -> None:
        """Handles a dead letter again, and counts it as had where it never was. Raises
        LookupError, and what the handler raises."""
        async with self.db.transaction() as conn:
            payload = (
                await conn.execute(
                    sa.text(
                        """
                        UPDATE dead_letter SET replayed_at = clock_timestamp()
                        WHERE id = :id AND consumer = :consumer AND replayed_at IS NULL
                        RETURNING payload
                        """
                    ),
                    {"id": letter_id, "consumer": self.name},
                )
            ).scalar_one_or_none()
            if payload is None:
                raise LookupError(letter_id)
            message = self.adapter.validate_json(payload)
            await inbox.admit(conn, self.name, [message])
            await self.handler(conn, [message])


def _reason(error: Exception) -> str:
    """Why and where, without the values that a message held and an error may quote."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'/'.join(map(str, e['loc']))}: {e['type']}"
            for e in error.errors(include_input=False)
        )
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else None
    names = " from ".join(type(e).__name__ for e in (error, cause) if e is not None)
    return f"{names} at {', '.join(reversed(places(error.__traceback__)[-5:]))}"


class _Finishing(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Lets the batch in hand finish before its partitions go to another member."""

    def __init__(self, idle: asyncio.Event) -> None:
        self._idle = idle

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._idle.wait()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        return None
