"""Reminders: of which events people are to be reminded, and their mails.

Invariant: a reminder's row and its mails are there together or not at all, and the row is there
once, so that any number of processes may write at the same time.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.registration import Day
from services.notifications.domain.mail import priority_of
from services.notifications.domain.reminders import Reminder, Upcoming

_DAYS: Final = TypeAdapter(tuple[Day, ...])

_UPCOMING = sa.text(
    """
    SELECT e.id, e.details -> 'days' AS days, e.details ->> 'timezone' AS timezone, e.dated_at,
           ARRAY(SELECT r.days FROM reminder AS r
                 WHERE r.event_id = e.id AND r.first_day = e.first_day) AS written
    FROM event AS e
    WHERE e.first_day BETWEEN :first AND :last AND e.details ->> 'status' = 'published'
    """
)

_WRITE = sa.text(
    """
    WITH chosen AS (
        SELECT p.*, e.version AS event_version, e.details
        FROM participant AS p JOIN event AS e ON e.id = p.event_id
        WHERE p.event_id = :event_id AND p.status = 'confirmed'
          AND (p.confirmed_at IS NULL OR p.confirmed_at < :since)),
    made AS (
        INSERT INTO reminder (event_id, first_day, days, recipients)
        SELECT e.id, e.first_day, :days, (SELECT count(*) FROM chosen)
        FROM event AS e
        WHERE e.id = :event_id AND e.first_day = :first_day
          AND e.details ->> 'status' = 'published'
        ON CONFLICT (event_id, first_day, days) DO NOTHING
        RETURNING number, recipients),
    written AS (
        INSERT INTO mail (id, kind, registration_id, version, event_id, sequence, priority,
                          content)
        SELECT uuidv7(), 'reminder', c.registration_id, m.number, c.event_id,
               c.event_version + c.revision - 1, :priority,
               jsonb_build_object(
                   'event', c.details,
                   'person', jsonb_build_object(
                       'name', c.name, 'email', c.email, 'locale', c.locale,
                       'manage_url', c.manage_url),
                   'seats', c.seats, 'holds_place', true)
        FROM chosen AS c CROSS JOIN made AS m)
    SELECT recipients FROM made
    """
)


async def upcoming(conn: AsyncConnection, first: date, last: date) -> list[Upcoming]:
    """Events that take place and whose first day lies between `first` and `last`, both
    included."""
    span = {"first": first.isoformat(), "last": last.isoformat()}
    rows: Sequence[sa.Row[tuple[UUID]]] = (await conn.execute(_UPCOMING, span)).all()
    return [
        Upcoming(
            row.id,
            _DAYS.validate_python(row.days),
            ZoneInfo(row.timezone),
            row.dated_at,
            frozenset(row.written),
        )
        for row in rows
    ]


async def write(conn: AsyncConnection, due: Reminder) -> int:
    """Writes the mails of a reminder in one statement, however many they are; returns how many:
    none where another process did, or where the event has changed meanwhile."""
    found = await conn.execute(
        _WRITE,
        {
            "event_id": due.event_id,
            "first_day": due.first_day,
            "days": due.days,
            "since": due.since,
            "priority": priority_of("reminder"),
        },
    )
    return found.scalar_one_or_none() or 0
