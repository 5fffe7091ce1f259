"""Kafka: the settings in which aiokafka keeps what the design promises, and the topics.

Invariants:
- A producer waits for all replicas and is idempotent; a consumer commits by itself only what its
  transaction has committed.
- A client that did not start is ended before another is made. One that was dropped half-way
  would stay in its group and keep partitions that nobody reads.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from services.contracts.topics import Topic
from services.kit.roles import every, unless

log = structlog.get_logger(__name__)

MAX_BATCH_BYTES: Final = 900_000
SESSION_MS: Final = 30_000
LEAVE_SECONDS: Final = 5.0

Client = TypeVar("Client", AIOKafkaProducer, AIOKafkaConsumer)
_ending: set[asyncio.Task[None]] = set()


def producer(bootstrap: str) -> AIOKafkaProducer:
    """A producer for whole batches; see kit.relay."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=1_000_000,
        request_timeout_ms=10_000,
        retry_backoff_ms=50,
        linger_ms=0,
    )


def consumer(bootstrap: str, group: str, instance_id: str | None) -> AIOKafkaConsumer:
    """A consumer of `group`, not yet subscribed.

    With `instance_id` the member is a static one (KIP-345): a restarted process gets its
    partitions back without waiting for the dead one's session to run out.

    aiokafka asks a broker for one thing at a time. Once a partition's messages have lain unread
    for 100 ms it asks for those of the others alone, and that partition gets nothing until the
    answer is there. So an answer that finds nothing comes after 100 ms, or one hot event would
    be read at 2,000 messages each half second.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=3_000,
        rebalance_timeout_ms=60_000,
        max_poll_interval_ms=300_000,
        fetch_max_wait_ms=100,
        fetch_max_bytes=16_777_216,
        fetch_min_bytes=1,
        retry_backoff_ms=100,
    )


def partition_of(key: UUID, partitions: int) -> int:
    """The partition of a key, as every Kafka client with the default partitioner has it."""
    return int((murmur2(key.bytes) & 0x7FFFFFFF) % partitions)


async def create_topics(bootstrap: str, topics: Sequence[Topic], replication: int) -> list[str]:
    """Makes the topics that do not exist and returns their names. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [t for t in topics if t.name not in existing]
        if not missing:
            return []
        answer = await admin.create_topics(
            [
                NewTopic(
                    name=topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=replication,
                    topic_configs={
                        "retention.ms": str(topic.retention_ms),
                        "min.insync.replicas": str(max(1, replication - 1)),
                    },
                )
                for topic in missing
            ]
        )
        for _, code, *_rest in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error
        return [t.name for t in missing]
    finally:
        await admin.close()


async def start(make: Callable[[], Client], stop: asyncio.Event) -> Client | None:
    """A started client, tried for again while Kafka is away; None where `stop` came first."""
    pause = 0.2
    while not stop.is_set():
        client = make()
        started = False
        try:
            started = await unless(stop, _started(client)) is True
        except (KafkaError, OSError) as error:
            log.warning("kafka.away", error=type(error).__name__)
        finally:
            if not started:
                await leave(client)
        if started:
            return client
        await every(pause, stop)
        pause = min(pause * 2, 5)
    return None


async def _started(client: Any) -> bool:
    await client.start()
    return True


async def leave(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Ends a client. Where its broker does not answer within `LEAVE_SECONDS`, it goes on ending
    by itself: cut off, its connections and what it has in flight would outlive it."""
    ending = asyncio.create_task(client.stop())
    _ending.add(ending)
    ending.add_done_callback(_ended)
    await asyncio.wait({ending}, timeout=LEAVE_SECONDS)


def _ended(ending: "asyncio.Task[None]") -> None:
    _ending.discard(ending)
    if not ending.cancelled() and (error := ending.exception()) is not None:
        log.warning("kafka.left_badly", error=type(error).__name__)
