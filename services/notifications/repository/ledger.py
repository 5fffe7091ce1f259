"""The mail ledger: writing mails into it, and what operators see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.registration import Day
from services.kit.db import array
from services.notifications.domain.mail import (
    AnyKind,
    MailStatus,
    Priority,
    SubscriberContent,
    SubscriberKind,
    SubscriberMail,
    priority_of,
)
from services.notifications.domain.plan import EventStep
from services.notifications.domain.standing import RegistrationStep
from services.notifications.models import event, mail

__all__ = [
    "LedgerRow",
    "SubscriberMail",
    "forget",
    "forget_subscriber",
    "one",
    "page",
    "send_again",
    "write",
    "write_to_all",
    "write_to_subscriber",
]

# `sequence` is domain.mail.sequence_of, added up where the event's version is known.
_WRITE: Final = """
INSERT INTO mail (id, kind, registration_id, version, event_id, sequence, priority, content)
SELECT uuidv7(), kind, registration_id, revision, event_id, sequence, priority, content
FROM (
    SELECT r.kind, r.registration_id, r.revision, e.id AS event_id,
           e.version + r.revision - 1 AS sequence, r.priority,
           e.told || jsonb_build_object(
               'person', jsonb_build_object(
                   'name', r.name, 'email', r.email, 'locale', r.locale,
                   'manage_url', r.manage_url),
               'seats', r.seats, 'holds_place', r.holds_place, 'position', r.position,
               'offer', r.offer::jsonb) AS content
    FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[],
                $6::boolean[], $7::integer[], $8::text[], $9::text[], $10::text[], $11::text[],
                $12::text[], $13::smallint[])
        WITH ORDINALITY AS r (
            kind, event_id, registration_id, revision, seats,
            holds_place, position, name, email, locale, manage_url, offer, priority, place)
    JOIN (SELECT id, version, jsonb_build_object('event', details) AS told FROM event
          WHERE id = ANY($14::uuid[])) AS e ON e.id = r.event_id
    ORDER BY r.place) AS due
ON CONFLICT (kind, registration_id, version) DO NOTHING
"""

# Of the pending ones alone: those that are being sent are locked by who settles them, in another
# order.
_HURRY: Final = """
UPDATE mail SET priority = due.priority
FROM (SELECT registration_id, min(priority) AS priority
      FROM unnest($1::uuid[], $2::smallint[]) AS told (registration_id, priority)
      GROUP BY registration_id) AS due
WHERE mail.registration_id = due.registration_id AND mail.status = 'pending'
  AND mail.priority > due.priority
"""

_WRITE_TO_ALL = sa.text(
    """
    INSERT INTO mail (id, kind, registration_id, version, event_id, sequence, priority, content)
    SELECT uuidv7(), :kind, p.registration_id, e.version, e.id, e.version + p.revision - 1,
           :priority,
           jsonb_build_object(
               'event', e.details,
               'person', jsonb_build_object(
                   'name', p.name, 'email', p.email, 'locale', p.locale,
                   'manage_url', p.manage_url),
               'seats', p.seats, 'holds_place', p.status = 'confirmed',
               'offer', CASE p.status WHEN 'offered' THEN p.offer END) || :more
    FROM participant AS p JOIN event AS e ON e.id = p.event_id
    WHERE p.event_id = :event_id AND p.status IN ('confirmed', 'offered', 'waitlisted')
    ON CONFLICT (kind, registration_id, version) DO NOTHING
    """
).bindparams(sa.bindparam("more", type_=JSONB))

_WRITE_TO_SUBSCRIBER = sa.text(
    """
    INSERT INTO mail (id, kind, subscriber_id, version, sequence, priority, content)
    VALUES (uuidv7(), :kind, :subscriber_id, :version, :version, :priority, :content)
    ON CONFLICT (kind, subscriber_id, version) WHERE subscriber_id IS NOT NULL DO NOTHING
    """
).bindparams(sa.bindparam("content", type_=JSONB))

_RESEND = sa.text(
    """
    UPDATE mail SET status = 'pending', attempts = 0, due_at = clock_timestamp(),
                    sent_at = NULL, smtp_code = NULL, last_error = NULL
    WHERE id = :id AND status IN ('sent', 'failed') AND content IS NOT NULL
    """
)

_FORGET = sa.text(
    """
    UPDATE mail SET content = NULL WHERE id IN (
        SELECT id FROM mail
        WHERE content IS NOT NULL AND status IN ('sent', 'failed')
          AND due_at < clock_timestamp() - make_interval(days => :days)
        LIMIT 1000)
    """
)

# What is on the line may still arrive; what is said of it finds the lease gone.
_FORGET_SUBSCRIBER = sa.text(
    """
    UPDATE mail SET content = NULL, lease_token = NULL,
        status = CASE WHEN status IN ('pending', 'sending') THEN 'withdrawn' ELSE status END,
        due_at = CASE WHEN status IN ('pending', 'sending') THEN clock_timestamp() ELSE due_at END
    WHERE kind = ANY(:kinds) AND subscriber_id = :subscriber_id AND content IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A mail as operators see it: what became of it, and not to whom it went.

    `next_attempt_at` is None for a mail that nobody will try again by itself. A mail to a
    subscriber of the newsletter is about no registration and no event.
    """

    id: UUID
    kind: AnyKind
    registration_id: UUID | None
    version: int
    event_id: UUID | None
    event_slug: str | None
    status: MailStatus
    attempts: int
    next_attempt_at: datetime | None
    smtp_code: int | None
    last_error: str | None
    message_id: str | None
    created_at: datetime
    sent_at: datetime | None
    forgotten: bool


async def write(conn: AsyncConnection, steps: Sequence[RegistrationStep]) -> int:
    """Puts the mail of each step that has one into the ledger, once; returns how many are new."""
    due = [(step.kind, step) for step in steps if step.kind is not None]
    if not due:
        return 0
    kinds, steps = [kind for kind, _ in due], [step for _, step in due]
    people = [step.standing.person for step in steps]
    events = [step.event_id for step in steps]
    priorities = [priority_of(kind) for kind in kinds]
    found = await conn.exec_driver_sql(
        _WRITE,
        (
            kinds,
            events,
            [step.registration_id for step in steps],
            [step.revision for step in steps],
            [step.standing.seats for step in steps],
            [step.holds_place for step in steps],
            [step.position for step in steps],
            [person.name for person in people],
            [person.email for person in people],
            [person.locale for person in people],
            [person.manage_url for person in people],
            [step.offer.model_dump_json() if step.offer is not None else None for step in steps],
            priorities,
            list(set(events)),
        ),
    )
    later = [
        (step.registration_id, priority)
        for step, priority in zip(steps, priorities, strict=True)
        if step.revision > 1
    ]
    if later:
        await _hurry(conn, later)
    return found.rowcount


async def _hurry(conn: AsyncConnection, later: Sequence[tuple[UUID, Priority]]) -> None:
    """Lets no mail wait behind an earlier one to the same registration that has less priority."""
    await conn.exec_driver_sql(
        _HURRY, ([one for one, _ in later], [priority for _, priority in later])
    )


async def write_to_all(conn: AsyncConnection, step: EventStep, former_days: Sequence[Day]) -> int:
    """Puts a mail about an event into the ledger for everybody who has a place, is offered
    one or waits, in one statement; returns how many are new."""
    assert step.announce is not None
    more = {
        "changes": list(step.changes),
        "former_days": [day.model_dump(mode="json") for day in former_days],
        "reason": step.reason,
    }
    found = await conn.execute(
        _WRITE_TO_ALL,
        {
            "kind": step.announce,
            "event_id": step.event_id,
            "priority": priority_of(step.announce),
            "more": more,
        },
    )
    return found.rowcount


async def write_to_subscriber(conn: AsyncConnection, due: SubscriberMail) -> bool:
    """Puts a mail to a subscriber of the newsletter into the ledger, once for each version; False
    where it is there already. Nothing of what becomes of it is told on `notifications.v1`, which
    is about events."""
    content = SubscriberContent(
        email=due.email,
        locale=due.locale,
        confirm_url=due.confirm_url,
        valid_until=due.valid_until,
    )
    found = await conn.execute(
        _WRITE_TO_SUBSCRIBER,
        {
            "kind": due.kind,
            "subscriber_id": due.subscriber_id,
            "version": due.version,
            "priority": priority_of(due.kind),
            "content": content.model_dump(mode="json"),
        },
    )
    return found.rowcount == 1


async def page(
    conn: AsyncConnection,
    *,
    status: MailStatus | None,
    kind: AnyKind | None,
    slug: str | None,
    registration_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> list[LedgerRow]:
    """Mails that match all that is given, newest first, from below the id `before` on."""
    wanted = _ledger_rows().order_by(mail.c.id.desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(mail.c.status == status)
    if kind is not None:
        wanted = wanted.where(mail.c.kind == kind)
    if slug is not None:
        # The event's id in a sub-query lets the index on (event_id, id) give the order.
        of_slug = sa.select(event.c.id).where(event.c.slug == slug)
        wanted = wanted.where(mail.c.event_id.in_(of_slug))
    if registration_id is not None:
        wanted = wanted.where(mail.c.registration_id == registration_id)
    if before is not None:
        wanted = wanted.where(mail.c.id < before)
    return [LedgerRow(*row) for row in await conn.execute(wanted)]


async def one(conn: AsyncConnection, mail_id: UUID) -> LedgerRow | None:
    """A mail, or None."""
    row = (await conn.execute(_ledger_rows().where(mail.c.id == mail_id))).one_or_none()
    return None if row is None else LedgerRow(*row)


async def send_again(conn: AsyncConnection, mail_id: UUID) -> bool:
    """Makes a sent or failed mail due again, as if never tried; False where it is neither, or
    where its content is gone."""
    return (await conn.execute(_RESEND, {"id": mail_id})).rowcount == 1


async def forget(conn: AsyncConnection, days: int) -> int:
    """Erases the content of up to 1,000 mails sent or given up more than `days` ago; returns how
    many."""
    return (await conn.execute(_FORGET, {"days": days})).rowcount


async def forget_subscriber(conn: AsyncConnection, subscriber_id: UUID) -> int:
    """Erases the content of all mails to a subscriber, and withdraws those that are not sent;
    returns how many."""
    kinds = array("kinds", list(get_args(SubscriberKind)), sa.Text())
    wanted = _FORGET_SUBSCRIBER.bindparams(kinds)
    return (await conn.execute(wanted, {"subscriber_id": subscriber_id})).rowcount


def _ledger_rows() -> sa.Select[Any]:
    waits = mail.c.status.in_(("pending", "sending"))
    return sa.select(
        mail.c.id,
        mail.c.kind,
        mail.c.registration_id,
        mail.c.version,
        mail.c.event_id,
        event.c.slug,
        mail.c.status,
        mail.c.attempts,
        sa.case((waits, mail.c.due_at)),
        mail.c.smtp_code,
        mail.c.last_error,
        mail.c.message_id,
        mail.c.created_at,
        mail.c.sent_at,
        mail.c.content.is_(None),
    ).join_from(mail, event, event.c.id == mail.c.event_id, isouter=True)
