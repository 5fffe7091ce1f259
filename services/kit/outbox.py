"""The outbox: what a transaction has to say goes into a table of the same transaction.

Invariant: nothing reaches Kafka any other way, so a message exists if and only if its effect
does. A row is inserted while the producer holds the lock of the event it is about; ids of one
event therefore rise in commit order (docs/decisions/0003).
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message
from services.contracts.topics import Topic
from services.kit.db import OUTBOX, SHARDS, driver


def shard_of(event_id: UUID) -> int:
    """The shard of an event, 0 to SHARDS - 1; the last bytes of a UUIDv7 are random."""
    return int.from_bytes(event_id.bytes[-4:]) % SHARDS


def encode(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return message.__pydantic_serializer__.to_json(message)


def insert(first: int, *, turn: str | None = None) -> str:
    """The statement that adds messages; its parameters, numbered from `first`, are `columns`.
    `turn` names a table in the same statement: only of the events in it is anything said."""
    shards, events, payloads, topic = (f"${first + place}" for place in range(4))
    return f"""
        INSERT INTO outbox (shard, topic, key, payload)
        SELECT shard, {topic}::text, uuid_send(event_id), payload
        FROM unnest({shards}::smallint[], {events}::uuid[], {payloads}::bytea[])
            WITH ORDINALITY AS said (shard, event_id, payload, number)
        {f"JOIN {turn} USING (event_id)" if turn else ""}
        ORDER BY number
    """  # noqa: S608  # numbers of parameters


def columns(
    conn: AsyncConnection, topic: Topic, messages: Sequence[tuple[UUID, bytes]]
) -> tuple[list[int], list[UUID], list[bytes], str]:
    """Shards, events and payloads of messages that are JSON already, each with its event's id,
    and the topic. Whoever asks for them says the messages in the transaction of `conn`."""
    conn.info[OUTBOX] = True
    return (
        [shard_of(event_id) for event_id, _ in messages],
        [event_id for event_id, _ in messages],
        [payload for _, payload in messages],
        topic.name,
    )


_ADD: Final = insert(1)


async def add(conn: AsyncConnection, topic: Topic, messages: Sequence[Message]) -> None:
    """Says `messages`, in this order, if and when the transaction of `conn` commits."""
    if messages:
        said = columns(conn, topic, [(m.event_id, encode(m)) for m in messages])
        await (await driver(conn)).execute(_ADD, *said)
