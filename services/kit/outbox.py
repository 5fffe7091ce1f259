"""The outbox: what a transaction has to say goes into a table of the same transaction.

Invariant: nothing reaches Kafka any other way, so a message exists if and only if its effect
does. A row is inserted while the producer holds the lock of the event it is about; ids of one
event therefore rise in commit order (docs/decisions/0003).
"""

from collections.abc import Sequence
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message
from services.contracts.topics import Topic
from services.kit.db import OUTBOX, SHARDS, array

_INSERT = sa.text(
    """
    INSERT INTO outbox (shard, topic, key, payload)
    SELECT shard, :topic, key, payload
    FROM unnest(:shards, :keys, :payloads) WITH ORDINALITY AS m (shard, key, payload, place)
    ORDER BY place
    """
)


def shard_of(event_id: UUID) -> int:
    """The shard of an event, 0 to SHARDS - 1; the last bytes of a UUIDv7 are random."""
    return int.from_bytes(event_id.bytes[-4:]) % SHARDS


def encode(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return orjson.dumps(message.model_dump(mode="json"))


async def add(conn: AsyncConnection, topic: Topic, messages: Sequence[Message]) -> None:
    """Says `messages`, in this order, if and when the transaction of `conn` commits."""
    if not messages:
        return
    conn.info[OUTBOX] = True
    await conn.execute(
        _INSERT.bindparams(
            array("shards", [shard_of(m.event_id) for m in messages], sa.SmallInteger),
            array("keys", [m.event_id.bytes for m in messages], BYTEA),
            array("payloads", [encode(m) for m in messages], BYTEA),
        ),
        {"topic": topic.name},
    )
