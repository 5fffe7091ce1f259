"""Claiming due mails and saying what became of them.

Invariant: all times are the database's, so that processes with different clocks agree on who
holds a mail; what a process says about a mail counts only under the lease it was claimed with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.domain.mail import (
    AnyKind,
    Mail,
    MailContent,
    MailStatus,
    SubscriberContent,
    SubscriberLetter,
)

# A person's mails go out in the order of what happened: none before an earlier one is settled.
# One that tells of no change has the sequence of the one before. What an operator wrote to all
# stands once, in the broadcast.
_CLAIM = sa.text(
    """
    WITH due AS (
        SELECT id, broadcast_id FROM mail AS m
        WHERE status IN ('pending', 'sending') AND due_at <= now()
          AND NOT EXISTS (
              SELECT 1 FROM mail AS earlier
              WHERE earlier.registration_id = m.registration_id
                AND (earlier.sequence, earlier.id) < (m.sequence, m.id)
                AND earlier.status IN ('pending', 'sending'))
        ORDER BY priority, due_at LIMIT :batch FOR UPDATE SKIP LOCKED)
    UPDATE mail SET status = 'sending', lease_token = :token,
                    due_at = clock_timestamp() + make_interval(secs => :lease)
    FROM due LEFT JOIN broadcast AS b ON b.id = due.broadcast_id
    WHERE mail.id = due.id
    RETURNING mail.id, mail.kind, mail.registration_id, mail.version, mail.sequence,
              mail.created_at, mail.content, mail.attempts, mail.lease_token, mail.priority,
              b.texts, b.cancelled_at IS NOT NULL AS taken_back, mail.subscriber_id
    """
)

_FINISH = sa.text(
    """
    UPDATE mail AS m
    SET status = r.status,
        attempts = m.attempts + r.tries,
        due_at = clock_timestamp() + make_interval(secs => r.pause),
        lease_token = NULL,
        smtp_code = CASE WHEN r.tries = 0 THEN m.smtp_code ELSE r.smtp_code END,
        last_error = CASE WHEN r.tries = 0 THEN m.last_error ELSE r.error END,
        message_id = coalesce(r.message_id, m.message_id),
        sent_at = CASE WHEN r.status = 'sent' THEN clock_timestamp() END
    FROM unnest(:ids, :tokens, :statuses, :tries, :pauses, :codes, :errors, :message_ids)
        AS r (id, token, status, tries, pause, smtp_code, error, message_id)
    WHERE m.id = r.id AND m.status = 'sending' AND m.lease_token = r.token
    RETURNING m.id, m.event_id, m.registration_id, m.kind, m.status, m.attempts, m.smtp_code,
              m.broadcast_id
    """
)

# Whoever takes a broadcast back holds its row meanwhile: either this waits and sees it, or they
# wait and then see what went back.
_BROADCASTS = sa.text(
    "SELECT id, cancelled_at FROM broadcast WHERE id = ANY(:ids) ORDER BY id FOR SHARE"
)
_WITHDRAW = sa.text(
    """
    UPDATE mail SET status = 'withdrawn', content = NULL, due_at = clock_timestamp()
    WHERE id = ANY(:ids) AND status = 'pending'
    """
)

_LOCK_EVENTS = sa.text("SELECT id FROM event WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_COUNT_ON = sa.text(
    """
    UPDATE event SET seq = seq + c.messages
    FROM unnest(:ids, :counts) AS c (id, messages)
    WHERE event.id = c.id RETURNING event.id, event.seq
    """
)
_BACKLOG = sa.text(
    """
    SELECT count(*) AS mails,
           coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age
    FROM mail WHERE status IN ('pending', 'sending')
    """
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail and the lease under which this process may send it. `attempts`: tries before;
    `priority`: as in domain.mail; `texts`: what an operator wrote to all; `taken_back`: and took
    back before it was sent, so that it must not go out."""

    id: UUID
    kind: AnyKind
    registration_id: UUID | None
    version: int
    sequence: int
    created_at: datetime
    content: Mapping[str, Any]
    attempts: int
    token: UUID
    priority: int
    texts: Mapping[str, Any] | None = None
    taken_back: bool = False
    subscriber_id: UUID | None = None

    def mail(self) -> Mail | SubscriberLetter:
        """The mail with its content read. Raises pydantic's ValidationError."""
        if self.kind == "newsletter_confirm":
            assert self.subscriber_id is not None
            return SubscriberLetter(
                id=self.id,
                kind=self.kind,
                subscriber_id=self.subscriber_id,
                version=self.version,
                created_at=self.created_at,
                content=SubscriberContent.model_validate(self.content),
            )
        assert self.registration_id is not None
        content = {**self.content, "texts": self.texts} if self.texts else self.content
        return Mail(
            id=self.id,
            kind=self.kind,
            registration_id=self.registration_id,
            version=self.version,
            sequence=self.sequence,
            created_at=self.created_at,
            content=MailContent.model_validate(content),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What the ledger shall say of a claimed mail. `tries`: 1, or 0 where it was not tried."""

    id: UUID
    token: UUID
    status: MailStatus
    tries: int
    pause: timedelta = timedelta(0)
    smtp_code: int | None = None
    error: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A mail of which the ledger took the result. `event_id` and `registration_id` are None of a
    mail to a subscriber of the newsletter."""

    id: UUID
    event_id: UUID | None
    registration_id: UUID | None
    kind: AnyKind
    status: MailStatus
    attempts: int
    smtp_code: int | None
    broadcast_id: UUID | None


async def claim(conn: AsyncConnection, token: UUID, batch: int, lease: timedelta) -> list[Claimed]:
    """Takes up to `batch` due mails for `lease`, by priority and then the longest due first, and
    at most one of each registration; mails whose lease ran out are due as well."""
    rows = await conn.execute(
        _CLAIM, {"token": token, "batch": batch, "lease": lease.total_seconds()}
    )
    return sorted((Claimed(*row) for row in rows), key=lambda one: (one.priority, one.id))


async def finish(conn: AsyncConnection, results: Sequence[Result]) -> list[Finished]:
    """Writes the results of mails that are still under the lease they were claimed with;
    returns those, each once, in the order of `results`: a process whose lease ran out while the
    database was away may have claimed the same mail again, and then brings two results of it."""
    uuids, text = PgUUID(as_uuid=True), sa.Text()
    rows = await conn.execute(
        _FINISH.bindparams(
            array("ids", [r.id for r in results], uuids),
            array("tokens", [r.token for r in results], uuids),
            array("statuses", [r.status for r in results], text),
            array("tries", [r.tries for r in results], sa.Integer()),
            array("pauses", [r.pause.total_seconds() for r in results], sa.Double()),
            array("codes", [r.smtp_code for r in results], sa.SmallInteger()),
            array("errors", [r.error for r in results], text),
            array("message_ids", [r.message_id for r in results], text),
        )
    )
    found = {row.id: Finished(*row) for row in rows}
    await _withdraw(conn, [one for one in found.values() if one.status == "pending"])
    return [found.pop(r.id) for r in results if r.id in found]


async def _withdraw(conn: AsyncConnection, back: Sequence[Finished]) -> None:
    """Withdraws those that went back to be tried later and were taken back meanwhile."""
    ids = {one.broadcast_id for one in back if one.broadcast_id is not None}
    if not ids:
        return
    uuids = PgUUID(as_uuid=True)
    rows = await conn.execute(_BROADCASTS.bindparams(array("ids", sorted(ids), uuids)))
    over = {row.id for row in rows if row.cancelled_at is not None}
    gone = [one.id for one in back if one.broadcast_id in over]
    if gone:
        await conn.execute(_WITHDRAW.bindparams(array("ids", gone, uuids)))


async def count_on(conn: AsyncConnection, messages: Mapping[UUID, int]) -> dict[UUID, int]:
    """Takes the next numbers of each event for so many messages, under the event's lock;
    returns the first of them. Locks are taken in the order of ids, so no two wait in a ring."""
    ids, uuids = sorted(messages), PgUUID(as_uuid=True)
    await conn.execute(_LOCK_EVENTS.bindparams(array("ids", ids, uuids)))
    rows = await conn.execute(
        _COUNT_ON.bindparams(
            array("ids", ids, uuids), array("counts", [messages[i] for i in ids], sa.BigInteger())
        )
    )
    return {row.id: row.seq - messages[row.id] + 1 for row in rows}


async def backlog(conn: AsyncConnection) -> tuple[int, float]:
    """How many mails wait or are being sent, and the age of the oldest in seconds."""
    row: Any = (await conn.execute(_BACKLOG)).one()
    return int(row.mails), float(row.age)
