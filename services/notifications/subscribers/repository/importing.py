"""The SQL of an import: some hundred lines in one statement each.

Invariant: the suppression list is held (suppression.hold_list), so that no address is suppressed
between the look at the list and the row that is written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.subscribers.domain.files import Line, Why

_STAMP: Final = sa.DateTime(timezone=True)

# Of those who are here already, only who was asked and has not confirmed is taken.
_TAKE: Final = """
    WITH r AS (
        SELECT * FROM unnest(:emails, :keys, :hashes, :locales, :wishes, :confirmed, :paused)
            AS w (email, key, hash, locale, wish, confirmed, paused)),
    put AS (
        INSERT INTO subscriber AS p (id, email, email_key, address_hash, locale, status, source,
                                     created_at, confirmed_at, paused_until)
        SELECT uuidv7(), email, key, hash, locale, wish, 'import', :now,
               coalesce(confirmed, :now), paused
        FROM r
        WHERE NOT EXISTS (SELECT FROM suppression AS s WHERE s.address_hash = r.hash)
        ORDER BY hash
        ON CONFLICT (address_hash) DO UPDATE
            SET status = excluded.status, locale = excluded.locale, source = excluded.source,
                confirmed_at = excluded.confirmed_at, paused_until = excluded.paused_until
            WHERE p.status = 'asked'
        RETURNING p.id, p.email, p.address_hash, p.locale, p.confirmed_at),
    agreed AS (
        INSERT INTO consent (subscriber_id, email, locale, source, confirmed_at, by)
        SELECT id, email, locale, 'import', confirmed_at, :by FROM put),
    told AS (
        INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind, by, why)
        SELECT id, address_hash, :now, 'imported', :by, :why FROM put)
    SELECT address_hash FROM put
"""

_SUPPRESS: Final = """
    WITH r AS (
        SELECT hash, reason FROM unnest(:hashes, :reasons) AS w (hash, reason)),
    had AS (
        SELECT r.hash, p.status FROM r JOIN subscriber AS p ON p.address_hash = r.hash
        ORDER BY r.hash FOR UPDATE OF p),
    put AS (
        INSERT INTO suppression AS s (address_hash, reason, at, by, why)
        SELECT r.hash, r.reason, :now, :by, :why
        FROM r LEFT JOIN had ON had.hash = r.hash
        WHERE r.reason <> 'left' OR had.status IS NULL OR had.status = 'asked'
        ORDER BY r.hash
        ON CONFLICT (address_hash) DO UPDATE
            SET reason = excluded.reason, at = excluded.at, by = excluded.by, why = excluded.why
            WHERE s.reason = 'left' AND excluded.reason <> 'left'
        RETURNING s.address_hash, s.reason),
    ended AS (
        UPDATE subscriber AS p
        SET status = CASE put.reason WHEN 'left' THEN 'left' ELSE 'suppressed' END,
            ended_at = :now, paused_until = NULL
        FROM put WHERE p.address_hash = put.address_hash RETURNING p.id, p.address_hash),
    told AS (
        INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind, by, why, details)
        SELECT ended.id, put.address_hash, :now, 'suppressed', :by, :why,
               jsonb_build_object('reason', put.reason)
        FROM put LEFT JOIN ended ON ended.address_hash = put.address_hash)
    SELECT address_hash FROM put
"""

_WHY_NOT: Final = """
    SELECT w.hash,
           CASE WHEN s.reason = 'left' THEN 'left' WHEN s.reason IS NOT NULL THEN 'suppressed'
                WHEN p.status = 'left' THEN 'left' ELSE 'known' END AS why
    FROM unnest(:hashes) AS w (hash)
    LEFT JOIN suppression AS s ON s.address_hash = w.hash
    LEFT JOIN subscriber AS p ON p.address_hash = w.hash
"""


async def take(
    conn: AsyncConnection, lines: Sequence[Line], now: datetime, by: str, why: str
) -> set[bytes]:
    """Makes subscribers of the lines that wish so and may; the hashes of their addresses."""
    wanted = sa.text(_TAKE).bindparams(
        array("emails", [one.address.email for one in lines], sa.Text),
        array("keys", [one.address.key for one in lines], sa.Text),
        array("hashes", [one.address.digest for one in lines], BYTEA),
        array("locales", [one.locale for one in lines], sa.Text),
        array("wishes", [one.wish for one in lines], sa.Text),
        array("confirmed", [one.confirmed_at for one in lines], _STAMP),
        array("paused", [one.paused_until for one in lines], _STAMP),
    )
    return set((await conn.execute(wanted, {"now": now, "by": by, "why": why})).scalars())


async def suppress(
    conn: AsyncConnection, lines: Sequence[Line], now: datetime, by: str, why: str
) -> set[bytes]:
    """Puts the addresses of lines on the list, and ends their subscriptions. Who left elsewhere
    and gets the newsletter here has come back meanwhile and keeps it."""
    wanted = sa.text(_SUPPRESS).bindparams(
        array("hashes", [one.address.digest for one in lines], BYTEA),
        array("reasons", [one.reason for one in lines], sa.Text),
    )
    return set((await conn.execute(wanted, {"now": now, "by": by, "why": why})).scalars())


async def why_not(conn: AsyncConnection, digests: Sequence[bytes]) -> Mapping[bytes, Why]:
    """Why addresses were not taken."""
    wanted = sa.text(_WHY_NOT).bindparams(array("hashes", list(digests), BYTEA))
    return {row.hash: row.why for row in await conn.execute(wanted)}
