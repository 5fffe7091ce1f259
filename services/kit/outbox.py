"""The outbox: what a transaction has to say goes into a table of the same transaction.

Invariant: nothing reaches Kafka any other way, so a message exists if and only if its effect
does. A row is inserted while the producer holds the lock of the event it is about; ids of one
event therefore rise in commit order (docs/decisions/0003).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message
from services.contracts.topics import Topic
from services.kit.db import OUTBOX, SHARDS, copy

_COLUMNS = ("shard", "topic", "key", "payload")


def shard_of(event_id: UUID) -> int:
    """The shard of an event, 0 to SHARDS - 1; the last bytes of a UUIDv7 are random."""
    return int.from_bytes(event_id.bytes[-4:]) % SHARDS


def encode(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return message.__pydantic_serializer__.to_json(message)


async def add(conn: AsyncConnection, topic: Topic, messages: Sequence[Message]) -> None:
    """Says `messages`, in this order, if and when the transaction of `conn` commits."""
    await add_encoded(conn, topic, [(m.event_id, encode(m)) for m in messages])


async def add_encoded(
    conn: AsyncConnection, topic: Topic, messages: Sequence[tuple[UUID, bytes]]
) -> None:
    """The same for messages that are JSON already, each with its event's id."""
    if not messages:
        return
    conn.info[OUTBOX] = True
    rows = [(shard_of(key), topic.name, key.bytes, payload) for key, payload in messages]
    await copy(conn, "outbox", _COLUMNS, rows)
