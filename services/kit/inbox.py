"""The inbox: what a consumer has had, and the letters it could not read.

Invariant: a message's effects and its inbox row commit together, so a repeat changes nothing,
whatever offset Kafka remembers. Of two processes that hold the same message the second waits
for the first one's inbox row and then drops it.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
import structlog
from prometheus_client import Counter
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message
from services.kit.db import array

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=Message)

GAPS = Counter("einlass_consumer_gaps", "Messages that came with a gap before them.", ["consumer"])
REPEATS = Counter("einlass_consumer_repeats", "Messages dropped as repeats.", ["consumer"])
DEAD = Counter("einlass_consumer_dead_letters", "Messages set aside.", ["consumer"])

_HAD = sa.text(
    """
    INSERT INTO inbox (consumer, message_id)
    SELECT :consumer, id FROM unnest(:ids) AS m (id) ORDER BY id
    ON CONFLICT DO NOTHING RETURNING message_id
    """
)
_LAST = sa.text(
    """
    SELECT event_id, last_seq FROM inbox_seq
    WHERE consumer = :consumer AND event_id = ANY(:events) ORDER BY event_id FOR UPDATE
    """
)
_MOVE = sa.text(
    """
    INSERT INTO inbox_seq (consumer, event_id, last_seq)
    SELECT :consumer, event_id, seq FROM unnest(:events, :seqs) AS m (event_id, seq)
    ORDER BY event_id
    ON CONFLICT (consumer, event_id) DO UPDATE
    SET last_seq = greatest(inbox_seq.last_seq, excluded.last_seq)
    """
)
_SET_ASIDE = sa.text(
    """
    INSERT INTO dead_letter (consumer, topic, partition, "offset", payload, error)
    VALUES (:consumer, :topic, :partition, :offset, :payload, :error)
    ON CONFLICT DO NOTHING
    """
)
_PRUNE = sa.text(
    """
    DELETE FROM inbox WHERE (consumer, message_id) IN (
        SELECT consumer, message_id FROM inbox
        WHERE received_at < clock_timestamp() - make_interval(days => :days) LIMIT 5000)
    """
)


async def admit(conn: AsyncConnection, consumer: str, messages: Sequence[M]) -> list[M]:
    """The messages not had before, in order; marks them as had.

    A `seq` at or below the event's last one is a repeat from before the inbox was pruned.
    A gap is alarmed and let pass: the message is real, and its predecessor will not come.
    """
    if not messages:
        return []
    ids = [m.id for m in messages]
    new = set(
        (
            await conn.execute(
                _HAD.bindparams(array("ids", ids, PgUUID(as_uuid=True))),
                {"consumer": consumer},
            )
        ).scalars()
    )
    events = sorted({m.event_id for m in messages})
    rows = await conn.execute(
        _LAST.bindparams(array("events", events, PgUUID(as_uuid=True))),
        {"consumer": consumer},
    )
    last: dict[UUID, int] = {row.event_id: row.last_seq for row in rows}
    fresh: list[M] = []
    for message in messages:
        before = last.get(message.event_id)
        if message.id not in new or (before is not None and message.seq <= before):
            continue
        if before is not None and message.seq != before + 1:
            GAPS.labels(consumer).inc()
            log.error(
                "consumer.gap",
                consumer=consumer,
                event_id=str(message.event_id),
                after=before,
                seq=message.seq,
            )
        new.discard(message.id)
        last[message.event_id] = message.seq
        fresh.append(message)
    REPEATS.labels(consumer).inc(len(messages) - len(fresh))
    if fresh:
        moved = {m.event_id: m.seq for m in fresh}
        await conn.execute(
            _MOVE.bindparams(
                array("events", list(moved), PgUUID(as_uuid=True)),
                array("seqs", list(moved.values()), sa.BigInteger),
            ),
            {"consumer": consumer},
        )
    return fresh


async def set_aside(conn: AsyncConnection, consumer: str, record: Any, error: str) -> None:
    """Puts a Kafka record into `dead_letter`; the same record is put there once."""
    DEAD.labels(consumer).inc()
    await conn.execute(
        _SET_ASIDE,
        {
            "consumer": consumer,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "payload": record.value or b"",
            "error": error[:4000],
        },
    )


async def prune(conn: AsyncConnection, days: int = 14) -> int:
    """Forgets up to 5,000 messages had more than `days` ago; returns how many.

    14 days are twice the longest retention of a topic with personal data; older repeats are
    known by their `seq`.
    """
    return (await conn.execute(_PRUNE, {"days": days})).rowcount
