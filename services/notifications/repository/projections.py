"""Events and participants, as `registration.v1` tells them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Person
from services.contracts.registration import Day, EventDetails
from services.kit.db import array
from services.notifications.domain.mail import Offer
from services.notifications.domain.standing import RegistrationStep, Standing

# Calling off counts although its version be that of the last change.
_PUT_EVENT = sa.text(
    """
    INSERT INTO event AS e (id, slug, version, details, dated_at)
    VALUES (:id, :slug, :version, :details, :at)
    ON CONFLICT (id) DO UPDATE
    SET slug = excluded.slug, version = excluded.version, details = excluded.details,
        dated_at = CASE WHEN e.first_day IS DISTINCT FROM excluded.details #>> '{days,0,date}'
                        THEN excluded.dated_at ELSE e.dated_at END
    WHERE e.version < excluded.version
       OR (e.version = excluded.version
           AND e.details ->> 'status' <> excluded.details ->> 'status')
    RETURNING old.details -> 'days' AS former_days
    """
).bindparams(sa.bindparam("details", type_=JSONB))

_KNOWN = sa.text("SELECT id FROM event WHERE id = ANY(:ids)")

_STANDINGS = sa.text(
    """
    SELECT registration_id, status, seats, name, email, locale, manage_url, offer, confirmed_at
    FROM participant WHERE registration_id = ANY(:ids)
    """
)

_PUT_PARTICIPANTS: Final = """
INSERT INTO participant AS p
    (registration_id, event_id, status, revision, seats, name, email, locale, manage_url,
     offer, quiet_revision, confirmed_at)
SELECT registration_id, event_id, status, revision, seats, name, email, locale, manage_url,
       offer::jsonb, CASE WHEN quiet THEN revision END, confirmed_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::integer[],
            $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[],
            $12::timestamptz[])
    AS r (registration_id, event_id, status, revision, seats, name, email, locale, manage_url,
          offer, quiet, confirmed_at)
ORDER BY 1
ON CONFLICT (registration_id) DO UPDATE
SET status = excluded.status, revision = excluded.revision, seats = excluded.seats,
    name = excluded.name, email = excluded.email, locale = excluded.locale,
    manage_url = excluded.manage_url, offer = excluded.offer,
    quiet_revision = excluded.quiet_revision, confirmed_at = excluded.confirmed_at
WHERE p.revision < excluded.revision
"""


async def put_event(
    conn: AsyncConnection, event_id: UUID, event: EventDetails, at: datetime
) -> tuple[Day, ...] | None:
    """Keeps what an event is since `at`; returns the days it had before, none where it is new.

    None where this or a later version is known already: then nothing has changed.
    """
    found = await conn.execute(
        _PUT_EVENT,
        {
            "id": event_id,
            "slug": event.slug,
            "version": event.version,
            "details": event.model_dump(mode="json"),
            "at": at,
        },
    )
    row = found.one_or_none()
    if row is None:
        return None
    return tuple(Day.model_validate(day) for day in row.former_days or ())


async def unknown_events(conn: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Those of `ids` of which nothing is known."""
    found = await conn.execute(
        _KNOWN.bindparams(array("ids", sorted(set(ids)), PgUUID(as_uuid=True)))
    )
    return set(ids) - set(found.scalars())


async def standings(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Standing]:
    """How those of `ids` stand who are known."""
    found = await conn.execute(
        _STANDINGS.bindparams(array("ids", sorted(set(ids)), PgUUID(as_uuid=True)))
    )
    return {
        row.registration_id: Standing(
            row.status,
            row.seats,
            Person(name=row.name, email=row.email, locale=row.locale, manage_url=row.manage_url),
            Offer.model_validate(row.offer) if row.status == "offered" else None,
            row.confirmed_at,
        )
        for row in found
    }


async def put_participants(conn: AsyncConnection, steps: Sequence[RegistrationStep]) -> None:
    """Keeps the last state of each registration; an older revision changes nothing."""
    last = list({step.registration_id: step for step in steps}.values())
    now = [step.standing for step in last]
    people = [one.person for one in now]
    await conn.exec_driver_sql(
        _PUT_PARTICIPANTS,
        (
            [step.registration_id for step in last],
            [step.event_id for step in last],
            [one.status for one in now],
            [step.revision for step in last],
            [one.seats for one in now],
            [person.name for person in people],
            [person.email for person in people],
            [person.locale for person in people],
            [person.manage_url for person in people],
            [one.offer.model_dump_json() if one.offer is not None else None for one in now],
            [step.kind is None for step in last],
            [one.confirmed_at for one in now],
        ),
    )
