"""Messages that nobody can handle, put beside good ones."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from services.contracts.topics import Topic
from services.kit.ids import uuid7
from services.kit.kafka import partition_of
from tests.support import events


def stranger(neighbour: UUID, partitions: int) -> UUID:
    """The id of an event that nobody knows, on the same partition as `neighbour`."""
    while partition_of(found := uuid4(), partitions) != partition_of(neighbour, partitions):
        pass
    return found


def message(kind: str, event_id: UUID, seq: int, data: dict[str, Any]) -> bytes:
    """A whole message, as a producer of ours would write it."""
    return json.dumps(
        {
            "id": str(uuid7()),
            "event_id": str(event_id),
            "seq": seq,
            "occurred_at": datetime.now(UTC).isoformat(),
            "version": 1,
            "type": kind,
            "data": data,
        }
    ).encode()


def published(event_id: UUID, seq: int) -> bytes:
    """`event.published` of an event of which nothing else was ever told."""
    made = events.event()
    details = {
        "slug": made["slug"],
        "title": made["title"],
        "days": made["days"],
        "timezone": "Europe/Berlin",
        "status": "published",
        "version": 1,
        "url": f"http://127.0.0.1/events/{made['slug']}",
    }
    return message("event.published", event_id, seq, {"event": details})


def confirmed(event_id: UUID, seq: int, email: str) -> bytes:
    """`registration.confirmed` of somebody."""
    person = {"name": "Gast", "email": email, "locale": "de", "manage_url": "http://127.0.0.1/x"}
    data = {
        "registration_id": str(uuid4()),
        "revision": 1,
        "seats": 1,
        "via": "direct",
        "person": person,
    }
    return message("registration.confirmed", event_id, seq, data)


@dataclass(frozen=True, slots=True)
class Put:
    """Where a record lies; `service dead-letters list` calls it by `place`."""

    topic: str
    partition: int
    offset: int

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


async def put(
    bootstrap: str, topic: Topic, neighbour: UUID, value: bytes | None, key: UUID | None = None
) -> Put:
    """Puts a record on the partition of `neighbour`'s event."""
    partition = partition_of(neighbour, topic.partitions)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        done = await producer.send_and_wait(
            topic.name, value, (key or uuid4()).bytes, partition=partition
        )
    return Put(topic.name, partition, done.offset)
