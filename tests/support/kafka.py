"""Reading Kafka's log from outside, and setting a group back to its beginning."""

import json
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.contracts.topics import Topic


async def log_of(bootstrap: str, topic: Topic) -> list[dict[str, Any]]:
    """Every message of a topic; those of one partition in order."""
    return [message for _, message in await timed_log_of(bootstrap, topic)]


async def timed_log_of(bootstrap: str, topic: Topic) -> list[tuple[float, dict[str, Any]]]:
    """The same, each with the Unix seconds at which its producer batched it."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as reader:
        parts = _partitions(topic)
        reader.assign(parts)
        await reader.seek_to_beginning(*parts)
        ends = await reader.end_offsets(parts)
        found: list[tuple[float, dict[str, Any]]] = []
        while [tp for tp in parts if await reader.position(tp) < ends[tp]]:
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [(r.timestamp / 1000, json.loads(r.value)) for r in records]
        return found


async def ends_of(bootstrap: str, topics: Sequence[Topic]) -> dict[TopicPartition, int]:
    """Where each partition ends."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as reader:
        parts = [tp for topic in topics for tp in _partitions(topic)]
        return dict(await reader.end_offsets(parts))


def _partitions(topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for number in range(topic.partitions)]


async def members_of(bootstrap: str, group: str) -> int:
    """How many members a group has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
        return len(answer.groups[0][5])
    finally:
        await admin.close()


async def rewind(bootstrap: str, group: str, topic: Topic) -> None:
    """Sets an empty group back to the first offset of every partition."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    async with reader:
        parts = _partitions(topic)
        reader.assign(parts)
        begins = await reader.beginning_offsets(parts)
        await reader.commit(begins)


async def committed(bootstrap: str, group: str) -> dict[TopicPartition, int]:
    """The offsets that a group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
        return {tp: meta.offset for tp, meta in found.items()}
    finally:
        await admin.close()
