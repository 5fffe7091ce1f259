"""What Kafka says: the topics, and how far each consumer has come.

Invariant: only reads, joins no group and commits nothing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.contracts import topics
from services.contracts.topics import Topic
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.waitlist import audit as waitlist

READS: Final[Mapping[str, Topic]] = {
    registration.CONSUMER: topics.WAITLIST,
    waitlist.CONSUMER: topics.REGISTRATION,
    notifications.CONSUMER: topics.REGISTRATION,
}
_TIMEOUT_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class SeenTopic:
    """A topic as it is."""

    partitions: int
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Lag:
    """What a consumer has not handled: messages by partition, and how many seconds ago the
    oldest of them was published."""

    partitions: Mapping[int, int]
    oldest: float

    @property
    def messages(self) -> int:
        """All of them."""
        return sum(self.partitions.values())


@dataclass(frozen=True, slots=True)
class Broker:
    """Kafka at one moment; topics that do not exist are absent."""

    topics: Mapping[str, SeenTopic]
    lags: Mapping[str, Lag]


async def look(bootstrap: str) -> Broker:
    """Asks for topics and offsets. Raises KafkaError, OSError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_TIMEOUT_MS)
    await admin.start()
    try:
        found = await _topics(admin)
        committed = {
            group: await admin.list_consumer_group_offsets(group)
            for group, topic in READS.items()
            if topic.name in found
        }
    finally:
        await admin.close()
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, request_timeout_ms=_TIMEOUT_MS
    )
    await reader.start()
    try:
        lags = {
            group: await _lag(reader, READS[group].name, found[READS[group].name], offsets)
            for group, offsets in committed.items()
        }
    finally:
        await reader.stop()
    return Broker(found, lags)


async def _topics(admin: AIOKafkaAdminClient) -> dict[str, SeenTopic]:
    existing = set(await admin.list_topics())
    names = [topic.name for topic in topics.ALL if topic.name in existing]
    if not names:
        return {}
    described = await admin.describe_topics(names)
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    retention = {
        resource[3]: _setting(resource[4], "retention.ms")
        for answer in answers
        for resource in answer.resources
    }
    return {
        one["topic"]: SeenTopic(len(one["partitions"]), retention[one["topic"]])
        for one in described
    }


def _setting(entries: Any, name: str) -> int:
    return next(int(entry[1]) for entry in entries if entry[0] == name)


async def _lag(
    reader: AIOKafkaConsumer, name: str, topic: SeenTopic, offsets: Mapping[TopicPartition, Any]
) -> Lag:
    parts = [TopicPartition(name, number) for number in range(topic.partitions)]
    begins = await reader.beginning_offsets(parts)
    ends = await reader.end_offsets(parts)
    at = {tp: max(begins[tp], offsets[tp].offset if tp in offsets else 0) for tp in parts}
    behind = {tp: ends[tp] - at[tp] for tp in parts if ends[tp] > at[tp]}
    oldest = [await _age(reader, tp, at[tp]) for tp in behind]
    return Lag({tp.partition: count for tp, count in behind.items()}, max(oldest, default=0.0))


async def _age(reader: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> float:
    """How many seconds ago the message at this offset was published; 0 where it is gone."""
    reader.assign([tp])
    reader.seek(tp, offset)
    records = await reader.getmany(timeout_ms=1000, max_records=1)
    found = [record for batch in records.values() for record in batch]
    return max(0.0, time.time() - found[0].timestamp / 1000) if found else 0.0
