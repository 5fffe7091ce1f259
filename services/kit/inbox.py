"""The inbox: what a consumer has had, and the letters it could not read.

Invariant: a message's effects and its inbox row commit together, so a repeat changes nothing,
whatever offset Kafka remembers. Of two processes that hold the same message the second waits
for the first one's inbox row and then drops it.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import sqlalchemy as sa
import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Message

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=Message)

GAPS = Counter("einlass_consumer_gaps", "Messages that came with a gap before them.", ["consumer"])
REPEATS = Counter("einlass_consumer_repeats", "Messages dropped as repeats.", ["consumer"])
DEAD = Counter("einlass_consumer_dead_letters", "Messages set aside.", ["consumer"])

# One statement, since a consumer begins every batch with it. Ids come back only where not all
# of them are new, which is rare; `before` is what was known of the events until now.
_ADMIT: Final = """
WITH new AS (
    INSERT INTO inbox (consumer, message_id)
    SELECT $1::text, id FROM unnest($2::uuid[]) AS m (id) ORDER BY id
    ON CONFLICT DO NOTHING RETURNING message_id),
moved AS (
    INSERT INTO inbox_seq (consumer, event_id, last_seq)
    SELECT $1::text, event_id, seq FROM unnest($3::uuid[], $4::bigint[]) AS m (event_id, seq)
    ORDER BY event_id
    ON CONFLICT (consumer, event_id) DO UPDATE
    SET last_seq = greatest(inbox_seq.last_seq, excluded.last_seq)
    RETURNING event_id, old.last_seq AS before)
SELECT
    (SELECT CASE WHEN count(*) < cardinality($2)
            THEN coalesce(array_agg(message_id), '{}') END FROM new) AS new,
    array_agg(event_id) AS events,
    array_agg(before) AS before
FROM moved
"""
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
    highest: dict[UUID, int] = {}
    for message in messages:
        event_id, seq = message.event_id, message.seq
        if seq > highest.get(event_id, 0):
            highest[event_id] = seq
    found = await conn.exec_driver_sql(
        _ADMIT,
        (consumer, [m.id for m in messages], list(highest), list(highest.values())),
    )
    row = found.one()
    new: set[UUID] | None = None if row.new is None else set(row.new)
    last: dict[UUID, int | None] = dict(zip(row.events, row.before, strict=True))
    fresh: list[M] = []
    for message in messages:
        event_id, seq = message.event_id, message.seq
        before = last[event_id]
        if before is not None and seq != before + 1:
            if seq <= before:
                continue
            if new is None or message.id in new:
                _alarm(consumer, event_id, before, seq)
        if new is not None:
            if message.id not in new:
                continue
            new.discard(message.id)
        last[event_id] = seq
        fresh.append(message)
    REPEATS.labels(consumer).inc(len(messages) - len(fresh))
    return fresh


def _alarm(consumer: str, event_id: UUID, before: int, seq: int) -> None:
    GAPS.labels(consumer).inc()
    log.error("consumer.gap", consumer=consumer, event_id=str(event_id), after=before, seq=seq)


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
