"""Chunks of a send: leased, worked on step by step, given back.

Invariants:
- All times are the database's. What a process says counts only under the lease it has.
- A step is one statement and so one commit: it writes what came of the last mails and marks the
  next as in flight. Only what a committed step has marked goes on the line; so after a crash just
  those are unknown, and the rest is known not to have been sent.
- Whether a recipient still wants the issue, and where to, is read in the step that marks it.

On asyncpg's own connection, since each handful of mails costs one of these statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import driver
from services.notifications.bulk.domain.progress import DeliveryStatus

_CLAIM: Final = """
    WITH due AS (
        SELECT c.issue_id, c.no, c.in_flight FROM send_chunk AS c JOIN send AS s USING (issue_id)
        WHERE s.state = 'running' AND c.state <> 'done' AND c.due_at <= clock_timestamp()
        ORDER BY s.begun_at, c.no LIMIT 1 FOR UPDATE OF c SKIP LOCKED),
    lost AS (
        UPDATE delivery AS d
        SET status = 'unknown', attempts = d.attempts + 1, settled_at = clock_timestamp(),
            smtp_code = NULL, error = 'the sending process ended'
        FROM due WHERE d.issue_id = due.issue_id AND d.n = ANY(due.in_flight)
            AND d.status = 'pending'
        RETURNING d.n)
    UPDATE send_chunk AS c
    SET state = 'leased', lease_token = $1, due_at = clock_timestamp() + $2::interval,
        in_flight = '{}', unknown = c.unknown + (SELECT count(*) FROM lost)
    FROM due WHERE c.issue_id = due.issue_id AND c.no = due.no
    RETURNING c.issue_id, c.no, c.first, c.last, (SELECT count(*) FROM lost) AS lost
"""

# `picked` sees the rows as they were before `taken` and `other` changed them, so it leaves out
# whatever they change. It reads no subscriber it does not take.
_STEP_FORM: Final = """
    WITH mine AS MATERIALIZED (
        SELECT s.state = 'running' AS running FROM send_chunk AS c JOIN send AS s USING (issue_id)
        WHERE c.issue_id = $1 AND c.no = $2 AND c.lease_token = $3 FOR UPDATE OF c),
    taken AS (
        UPDATE delivery AS d
        SET status = 'sent', attempts = d.attempts + 1, smtp_code = 250, error = NULL,
            settled_at = clock_timestamp()
        WHERE d.issue_id = $1 AND d.n = ANY($4::int[]) AND d.status = 'pending'
          AND EXISTS (SELECT 1 FROM mine)
        RETURNING 1),
    other AS (
        UPDATE delivery AS d
        SET status = r.status, attempts = d.attempts + r.tries,
            smtp_code = CASE WHEN r.tries = 0 THEN d.smtp_code ELSE r.code END,
            error = CASE WHEN r.tries = 0 THEN d.error ELSE r.error END,
            due_at = clock_timestamp() + r.pause,
            settled_at = CASE WHEN r.status <> 'pending' THEN clock_timestamp() END
        FROM unnest($5::int[], $6::text[], $7::int[], $8::int[], $9::text[], $10::interval[])
            AS r (n, status, tries, code, error, pause)
        WHERE d.issue_id = $1 AND d.n = r.n AND d.status = 'pending'
          AND EXISTS (SELECT 1 FROM mine)
        RETURNING d.status),
    picked AS MATERIALIZED (
        SELECT d.n, d.subscriber_id, d.attempts FROM delivery AS d
        WHERE d.issue_id = $1 AND d.n BETWEEN $11 AND $12 AND d.status = 'pending'
          AND (d.due_at IS NULL OR d.due_at <= clock_timestamp())
          AND d.n <> ALL($4::int[]) AND d.n <> ALL($5::int[])
          AND (SELECT running FROM mine) {only}
        ORDER BY d.n LIMIT $13),
    next AS MATERIALIZED (
        SELECT p.n, p.subscriber_id, p.attempts, r.email, r.locale, r.generation,
               coalesce(r.status = 'active', false) AS active
        FROM picked AS p LEFT JOIN subscriber AS r ON r.id = p.subscriber_id),
    gone AS (
        UPDATE delivery AS d SET status = 'suppressed', settled_at = clock_timestamp()
        FROM next WHERE d.issue_id = $1 AND d.n = next.n AND NOT next.active
        RETURNING 1),
    marked AS (
        UPDATE send_chunk AS c
        SET in_flight = coalesce((SELECT array_agg(n) FROM next WHERE active), '{{}}'),
            due_at = clock_timestamp() + $14::interval,
            sent = c.sent + (SELECT count(*) FROM taken),
            failed = c.failed + (SELECT count(*) FROM other WHERE status = 'failed'),
            unknown = c.unknown + (SELECT count(*) FROM other WHERE status = 'unknown'),
            suppressed = c.suppressed + (SELECT count(*) FROM gone)
        WHERE c.issue_id = $1 AND c.no = $2 AND EXISTS (SELECT 1 FROM mine)
        RETURNING 1)
    SELECT next.n, next.subscriber_id, next.attempts, next.email, next.locale, next.generation,
           next.active
    FROM marked LEFT JOIN next ON true ORDER BY next.n
"""
_STEP: Final = _STEP_FORM.format(only="")
_STEP_BUT: Final = _STEP_FORM.format(
    only="""AND NOT EXISTS (
              SELECT 1 FROM subscriber AS r WHERE r.id = d.subscriber_id AND r.status = 'active'
                AND substring(lower(r.email) FROM '[^@]*$') = ANY($15::text[]))"""
)

_RENEW: Final = """
    UPDATE send_chunk SET due_at = clock_timestamp() + $2::interval
    WHERE lease_token = ANY($1::uuid[]) AND state = 'leased' AND issue_id = ANY($3::uuid[])
"""

# To be tried again as soon as the first of what is left is due.
_GIVE_BACK: Final = """
    UPDATE send_chunk AS c
    SET state = CASE WHEN p.rows = 0 THEN 'done' ELSE 'pending' END, lease_token = NULL,
        in_flight = '{}',
        due_at = greatest(coalesce(p.due_at, '-infinity'), clock_timestamp() + $4::interval)
    FROM (SELECT count(*) AS rows, min(coalesce(d.due_at, '-infinity')) AS due_at
          FROM send_chunk AS k JOIN delivery AS d
              ON d.issue_id = k.issue_id AND d.n BETWEEN k.first AND k.last
          WHERE k.issue_id = $1 AND k.no = $2 AND d.status = 'pending') AS p
    WHERE c.issue_id = $1 AND c.no = $2 AND c.lease_token = $3
"""

# Whoever took the lease over has said unknown; what the server said meanwhile is the truth.
_LATE: Final = """
    WITH told AS (
        UPDATE delivery AS d
        SET status = r.status, smtp_code = r.code, error = r.error, settled_at = clock_timestamp()
        FROM unnest($2::int[], $3::text[], $4::int[], $5::text[]) AS r (n, status, code, error)
        WHERE d.issue_id = $1 AND d.n = r.n AND d.status = 'unknown'
        RETURNING d.n, d.status),
    counted AS (
        SELECT c.no, count(*) AS rows, count(*) FILTER (WHERE told.status = 'sent') AS sent,
               count(*) FILTER (WHERE told.status = 'failed') AS failed
        FROM told JOIN send_chunk AS c ON c.issue_id = $1 AND told.n BETWEEN c.first AND c.last
        GROUP BY c.no)
    UPDATE send_chunk AS c
    SET unknown = c.unknown - k.rows, sent = c.sent + k.sent, failed = c.failed + k.failed
    FROM counted AS k WHERE c.issue_id = $1 AND c.no = k.no
"""

_BACKLOG: Final = """
    SELECT coalesce(sum(c.last - c.first + 1 - c.sent - c.failed - c.unknown - c.suppressed)
               FILTER (WHERE s.state = 'running'), 0) AS pending,
           coalesce(sum(c.unknown), 0) AS unknown
    FROM send AS s JOIN send_chunk AS c USING (issue_id)
    WHERE s.state <> 'done' OR s.ended_at > clock_timestamp() - interval '30 days'
"""


class LeaseLost(Exception):
    """Another process has the chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A leased chunk: recipients `first` to `last`. `lost`: how many of it became unknown as its
    last holder had ended."""

    issue_id: UUID
    no: int
    first: int
    last: int
    token: UUID
    lost: int


@dataclass(frozen=True, slots=True)
class Next:
    """A recipient who is marked as in flight, or no longer `active`: then all but `n` says
    nothing and the row is settled. `attempts`: tries before."""

    n: int
    subscriber_id: UUID
    attempts: int
    email: str
    locale: str
    generation: int
    active: bool


@dataclass(slots=True)
class Results:
    """What came of the last mails. `taken`: numbers of those that are sent; the other lists are
    parallel: `pauses` until the next try of a `pending` one."""

    taken: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    statuses: list[DeliveryStatus] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    codes: list[int | None] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)
    pauses: list[timedelta] = field(default_factory=list)

    def add(
        self,
        n: int,
        status: DeliveryStatus,
        *,
        tries: int = 1,
        code: int | None = None,
        error: str | None = None,
        pause: timedelta = timedelta(0),
    ) -> None:
        """Adds one that was not simply sent."""
        self.numbers.append(n)
        self.statuses.append(status)
        self.tries.append(tries)
        self.codes.append(code)
        self.errors.append(error)
        self.pauses.append(pause)

    def __bool__(self) -> bool:
        return bool(self.taken or self.numbers)


async def claim(conn: AsyncConnection, token: UUID, lease: timedelta) -> Chunk | None:
    """Leases the next chunk that is due, or None. What its last holder had on the line becomes
    unknown."""
    row = await (await driver(conn)).fetchrow(_CLAIM, token, lease)
    if row is None:
        return None
    return Chunk(row["issue_id"], row["no"], row["first"], row["last"], token, row["lost"])


async def step(
    conn: AsyncConnection,
    chunk: Chunk,
    results: Results,
    start: int,
    limit: int,
    lease: timedelta,
    shut: Sequence[str] = (),
) -> list[Next]:
    """Writes `results`, and marks up to `limit` recipients from `start` on as in flight, none at
    the domains `shut`.

    An empty list: nothing of the chunk is due, or the send does not run. Raises LeaseLost; then
    nothing was written.
    """
    arguments: list[Any] = [
        chunk.issue_id,
        chunk.no,
        chunk.token,
        results.taken,
        results.numbers,
        results.statuses,
        results.tries,
        results.codes,
        results.errors,
        results.pauses,
        start,
        chunk.last,
        limit,
        lease,
    ]
    raw = await driver(conn)
    rows = await (
        raw.fetch(_STEP_BUT, *arguments, list(shut)) if shut else raw.fetch(_STEP, *arguments)
    )
    if not rows:
        raise LeaseLost
    return [Next(*row.values()) for row in rows if row["n"] is not None]


async def renew(conn: AsyncConnection, held: Sequence[Chunk], lease: timedelta) -> None:
    """Makes the leases of `held` run from now."""
    await (await driver(conn)).execute(
        _RENEW, [one.token for one in held], lease, list({one.issue_id for one in held})
    )


async def give_back(conn: AsyncConnection, chunk: Chunk, pause: timedelta) -> None:
    """Ends the lease; the chunk is done where nothing of it is pending, and else due after
    `pause`, or when the first of its recipients is."""
    raw = await driver(conn)
    await raw.execute(_GIVE_BACK, chunk.issue_id, chunk.no, chunk.token, pause)


async def late(conn: AsyncConnection, issue_id: UUID, results: Results) -> None:
    """Says what came of mails whose lease was lost meanwhile, where they are unknown."""
    known: dict[int, tuple[str, int | None, str | None]] = dict.fromkeys(
        results.taken, ("sent", 250, None)
    )
    for n, status, code, error in zip(
        results.numbers, results.statuses, results.codes, results.errors, strict=True
    ):
        if status == "failed":
            known[n] = (status, code, error)
    if known:
        told = list(known.values())
        await (await driver(conn)).execute(
            _LATE,
            issue_id,
            list(known),
            [one[0] for one in told],
            [one[1] for one in told],
            [one[2] for one in told],
        )


async def backlog(conn: AsyncConnection) -> tuple[int, int]:
    """How many recipients wait in running sends, and how many are unknown in those of the last
    thirty days."""
    row = await (await driver(conn)).fetchrow(_BACKLOG)
    assert row is not None
    return int(row["pending"]), int(row["unknown"])
