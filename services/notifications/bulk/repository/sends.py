"""A send as a whole: begun, stopped, counted, sent again.

Invariant: what changes a send's state or gives work to its chunks from outside holds the lock of
its row, so it meets neither another of its kind nor the end of the send.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import array, driver
from services.notifications.bulk.domain.progress import (
    DeliveryStatus,
    Progress,
    SendState,
    Trouble,
)
from services.notifications.bulk.letter import Letter

CHUNK: Final = 500

_SEND: Final = sa.text(
    """
    INSERT INTO send (issue_id, letters, fallback, total, begun_at)
    VALUES (:issue_id, CAST(:letters AS jsonb), :fallback, 0, :now)
    ON CONFLICT (issue_id) DO NOTHING
    """
)
# In the order of subscribing, so that what lies together in one table lies together in the other.
_RECIPIENTS: Final = sa.text(
    """
    INSERT INTO delivery (issue_id, n, subscriber_id)
    SELECT :issue_id, row_number() OVER (ORDER BY id), id FROM subscriber WHERE status = 'active'
    """
)
_CHUNKS: Final = sa.text(
    """
    WITH made AS (
        INSERT INTO send_chunk (issue_id, no, first, last)
        SELECT :issue_id, no, (no - 1) * :size + 1, least(no * :size, :total)
        FROM generate_series(1, CAST(ceil(CAST(:total AS numeric) / :size) AS integer)) AS c (no))
    UPDATE send SET total = :total WHERE issue_id = :issue_id
    """
)
_STOP: Final = sa.text(
    "UPDATE send SET state = 'stopped' WHERE issue_id = :issue_id AND state = 'running'"
)
_RESUME: Final = sa.text(
    "UPDATE send SET state = 'running' WHERE issue_id = :issue_id AND state = 'stopped'"
)
_STATE: Final = sa.text("SELECT state FROM send WHERE issue_id = :issue_id")
# A recipient leaves by a row of their own: counted where they ended after the send began.
_PROGRESS: Final = sa.text(
    """
    SELECT s.issue_id, s.total, s.total - c.sent - c.failed - c.unknown - c.suppressed AS pending,
           c.sent, c.failed, c.unknown, c.suppressed, s.bounced, s.complained,
           (SELECT count(*) FROM subscriber AS r JOIN delivery AS d
                ON d.subscriber_id = r.id AND d.issue_id = s.issue_id
            WHERE r.status = 'left' AND r.ended_at >= s.begun_at) AS left_after,
           s.state, s.begun_at, s.ended_at
    FROM send AS s CROSS JOIN LATERAL (
        SELECT coalesce(sum(sent), 0) AS sent, coalesce(sum(failed), 0) AS failed,
               coalesce(sum(unknown), 0) AS unknown, coalesce(sum(suppressed), 0) AS suppressed
        FROM send_chunk WHERE issue_id = s.issue_id) AS c
    WHERE s.issue_id = ANY(:issues)
    """
)
_TROUBLE: Final = sa.text(
    """
    SELECT d.n, d.subscriber_id, r.email, d.status, d.attempts, d.smtp_code, d.error, d.bounce,
           coalesce(d.bounced_at, d.settled_at) AS at
    FROM delivery AS d LEFT JOIN subscriber AS r ON r.id = d.subscriber_id
    WHERE d.issue_id = :issue_id AND d.n > :after
      AND (d.status IN ('failed', 'unknown', 'suppressed') OR d.bounce IS NOT NULL
           OR (d.status = 'pending' AND d.attempts > 0))
    ORDER BY d.n LIMIT :limit
    """
)
_LOCK: Final = sa.text("SELECT state FROM send WHERE issue_id = :issue_id FOR UPDATE")
# Chunks that somebody works on are left alone: their counters are that process's.
_AGAIN: Final = sa.text(
    """
    WITH free AS (
        SELECT no, first, last FROM send_chunk
        WHERE issue_id = :issue_id AND state <> 'leased' ORDER BY no FOR UPDATE),
    found AS (
        SELECT d.n, d.status, free.no FROM free JOIN delivery AS d
            ON d.issue_id = :issue_id AND d.n BETWEEN free.first AND free.last
        WHERE d.status = ANY(:statuses)
          AND (CAST(:everybody AS boolean) OR d.subscriber_id = ANY(:who))),
    back AS (
        UPDATE delivery AS d SET status = 'pending', settled_at = NULL, due_at = NULL, attempts = 0
        FROM found WHERE d.issue_id = :issue_id AND d.n = found.n RETURNING d.n),
    counted AS (
        SELECT no, count(*) FILTER (WHERE status = 'failed') AS failed,
               count(*) FILTER (WHERE status = 'unknown') AS unknown,
               count(*) FILTER (WHERE status = 'suppressed') AS suppressed
        FROM found GROUP BY no),
    opened AS (
        UPDATE send_chunk AS c
        SET state = 'pending', due_at = clock_timestamp(), failed = c.failed - k.failed,
            unknown = c.unknown - k.unknown, suppressed = c.suppressed - k.suppressed
        FROM counted AS k WHERE c.issue_id = :issue_id AND c.no = k.no)
    SELECT count(*) FROM back
    """
)
_REOPEN: Final = sa.text(
    "UPDATE send SET state = 'running', ended_at = NULL WHERE issue_id = :issue_id"
    " AND state = 'done'"
)
# The lock first, and the chunks by a later statement: whoever gives them work holds that lock.
_RUNNING: Final = sa.text(
    "SELECT issue_id FROM send WHERE state = 'running' FOR UPDATE SKIP LOCKED"
)
_END: Final = sa.text(
    """
    UPDATE send AS s SET state = 'done', ended_at = clock_timestamp()
    WHERE s.issue_id = ANY(:issues) AND s.state = 'running' AND NOT EXISTS (
        SELECT 1 FROM send_chunk AS c WHERE c.issue_id = s.issue_id AND c.state <> 'done')
    """
)


async def begin(
    conn: AsyncConnection,
    issue_id: UUID,
    letters: Mapping[Locale, Letter],
    fallback: Locale,
    now: datetime,
) -> int | None:
    """Fixes the recipients and returns how many they are, or None where it was begun before."""
    stored = orjson.dumps({locale: letter.stored() for locale, letter in letters.items()}).decode()
    begun = await conn.execute(
        _SEND, {"issue_id": issue_id, "letters": stored, "fallback": fallback, "now": now}
    )
    if not begun.rowcount:
        return None
    fixed = await conn.execute(_RECIPIENTS, {"issue_id": issue_id})
    total = int(fixed.rowcount)
    await conn.execute(_CHUNKS, {"issue_id": issue_id, "size": CHUNK, "total": total})
    return total


async def state(conn: AsyncConnection, issue_id: UUID) -> SendState | None:
    """What a send does; None where it was never begun."""
    found: SendState | None = await conn.scalar(_STATE, {"issue_id": issue_id})
    return found


async def stop(conn: AsyncConnection, issue_id: UUID) -> bool:
    """From now on nothing more is put on the line; whether it was running."""
    return bool((await conn.execute(_STOP, {"issue_id": issue_id})).rowcount)


async def resume(conn: AsyncConnection, issue_id: UUID) -> bool:
    """Goes on; whether it was stopped."""
    return bool((await conn.execute(_RESUME, {"issue_id": issue_id})).rowcount)


async def progress(conn: AsyncConnection, issues: Sequence[UUID]) -> dict[UUID, Progress]:
    """How the sends of these issues stand; those that were never begun are left out."""
    rows = await conn.execute(_PROGRESS.bindparams(array("issues", list(issues), sa.UUID())))
    return {issue_id: Progress(*counts) for issue_id, *counts in rows}


async def trouble(conn: AsyncConnection, issue_id: UUID, after: int, limit: int) -> list[Trouble]:
    """Recipients that may have got nothing, by their number, from `after` on."""
    rows = await conn.execute(_TROUBLE, {"issue_id": issue_id, "after": after, "limit": limit})
    return [Trouble(*row) for row in rows]


async def again(
    conn: AsyncConnection,
    issue_id: UUID,
    statuses: Sequence[DeliveryStatus],
    who: Sequence[UUID] | None,
) -> int | None:
    """Makes recipients pending again, all of these statuses or only `who`; returns how many, or
    None where there is no such send. What a process works on right now is left alone."""
    if await conn.scalar(_LOCK, {"issue_id": issue_id}) is None:
        return None
    back = await conn.scalar(
        _AGAIN.bindparams(
            array("statuses", list(statuses), sa.Text()),
            array("who", list(who or ()), sa.UUID()),
        ),
        {"issue_id": issue_id, "everybody": who is None},
    )
    if back:
        await conn.execute(_REOPEN, {"issue_id": issue_id})
    return int(back or 0)


async def end_finished(conn: AsyncConnection) -> None:
    """Ends the sends in which nothing is left to do."""
    issues = list((await conn.execute(_RUNNING)).scalars())
    if issues:
        await conn.execute(_END.bindparams(array("issues", issues, sa.UUID())))


async def letters(
    conn: AsyncConnection, issue_id: UUID
) -> tuple[int, dict[Locale, Letter], Locale]:
    """Number, letters by language and the fallback of a send."""
    row = await (await driver(conn)).fetchrow(
        "SELECT number, letters, fallback FROM send WHERE issue_id = $1", issue_id
    )
    assert row is not None
    kept = row["letters"]
    kept = orjson.loads(kept) if isinstance(kept, str | bytes) else kept
    return row["number"], {k: Letter.of(v) for k, v in kept.items()}, row["fallback"]
