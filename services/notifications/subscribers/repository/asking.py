"""The SQL of asking: requests, mails that ask to confirm, and what came of them.

Invariant: an address is asked once within the time of `claim`, by whichever process: the row of
the address itself says when it was asked last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import array
from services.notifications.subscribers.domain.address import look
from services.notifications.subscribers.domain.model import Asking, Request
from services.notifications.subscribers.domain.rules import FORGET_ASKED_AFTER
from services.notifications.subscribers.models import asking

_PUT = sa.text(
    """
    INSERT INTO subscription_request
        (subscriber_id, email, locale, source, wording_version, asked_at)
    VALUES (:subscriber_id, :email, :locale, :source, :wording_version, :asked_at)
    """
)

_TAKE = sa.text(
    """
    DELETE FROM subscription_request WHERE id IN (
        SELECT id FROM subscription_request ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id, subscriber_id, email, locale, source, wording_version, asked_at
    """
)

_CLAIM: Final = """
    INSERT INTO asked_address AS a (address_hash, mailed_at)
    SELECT hash, :now FROM unnest(:hashes) AS w (hash)
    WHERE NOT EXISTS (
            SELECT FROM suppression AS s
            WHERE s.address_hash = w.hash AND s.reason <> 'left')
        AND NOT EXISTS (
            SELECT FROM subscriber AS p
            WHERE p.address_hash = w.hash AND p.status IN ('active', 'paused'))
    ORDER BY hash
    ON CONFLICT (address_hash) DO UPDATE SET mailed_at = excluded.mailed_at
        WHERE a.mailed_at <= excluded.mailed_at - CAST(:pause AS interval)
    RETURNING address_hash
"""

_PUT_SUBSCRIBERS: Final = """
    INSERT INTO subscriber AS p
        (id, email, email_key, address_hash, locale, status, source, version, created_at)
    SELECT uuidv7(), email, key, hash, locale, 'asked', source, 1, :now
    FROM unnest(:emails, :keys, :hashes, :locales, :sources)
        AS w (email, key, hash, locale, source)
    ORDER BY hash
    ON CONFLICT (address_hash) DO UPDATE SET version = p.version + 1
    RETURNING p.id, p.version, p.address_hash
"""

_NEXT_VERSIONS: Final = """
    UPDATE subscriber AS p SET version = version + 1
    WHERE id = ANY(:ids) AND status IN ('active', 'paused')
    RETURNING id, version
"""

_TIRELESS: Final = """
    SELECT subscriber_id FROM asking
    WHERE subscriber_id = ANY(:ids) AND purpose = 'address' AND asked_at > :since
    GROUP BY subscriber_id HAVING count(*) >= :most
"""

_PUT_ASKINGS: Final = """
    WITH put AS (
        INSERT INTO asking (subscriber_id, version, purpose, email, locale, source,
                            wording_version, wording, asked_at, valid_until)
        SELECT * FROM unnest(:ids, :versions, :purposes, :emails, :locales, :sources,
                             :wording_versions, :wordings, :asked, :until)
        RETURNING subscriber_id, purpose, source, locale)
    INSERT INTO subscriber_journal (subscriber_id, address_hash, at, kind, details)
    SELECT put.subscriber_id, p.address_hash, :now,
           CASE put.purpose WHEN 'address' THEN 'address_asked' ELSE 'asked' END,
           jsonb_build_object('source', put.source, 'language', put.locale)
    FROM put JOIN subscriber AS p ON p.id = put.subscriber_id
"""

_CONFIRMED = sa.text(
    """
    UPDATE asking SET confirmed_at = :now
    WHERE subscriber_id = :subscriber_id AND version = :version
    """
)

_FORGET_ASKINGS = sa.text(
    """
    DELETE FROM asking WHERE (subscriber_id, version) IN (
        SELECT subscriber_id, version FROM asking
        WHERE valid_until < :before ORDER BY valid_until LIMIT 1000)
    """
)
_FORGET_ADDRESSES = sa.text(
    """
    DELETE FROM asked_address WHERE address_hash IN (
        SELECT address_hash FROM asked_address
        WHERE mailed_at < :before ORDER BY mailed_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
    """
)
_FORGET_ASKED = sa.text(
    """
    WITH gone AS (
        DELETE FROM subscriber WHERE id IN (
            SELECT id FROM subscriber AS p
            WHERE status = 'asked' AND created_at < :before
                AND NOT EXISTS (SELECT FROM asking AS a WHERE a.subscriber_id = p.id)
            ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING id)
    DELETE FROM subscriber_journal AS j USING gone WHERE j.subscriber_id = gone.id
    """
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscriber who is asked to confirm, and the number of the asking."""

    subscriber_id: UUID
    version: int
    digest: bytes


async def put(conn: AsyncConnection, request: Request) -> None:
    """Keeps a request until it is taken; always one statement."""
    await conn.execute(
        _PUT,
        {
            "subscriber_id": request.subscriber_id,
            "email": request.address.email,
            "locale": request.locale,
            "source": request.source,
            "wording_version": request.wording_version,
            "asked_at": request.asked_at,
        },
    )


async def take(conn: AsyncConnection, limit: int) -> tuple[int, list[Request]]:
    """Takes up to `limit` requests out, in the order of their coming; how many there were."""
    rows = sorted((await conn.execute(_TAKE, {"limit": limit})).all(), key=lambda row: row.id)
    found = [
        Request(
            address=address,
            locale=row.locale,
            source=row.source,
            wording_version=row.wording_version,
            asked_at=row.asked_at,
            subscriber_id=row.subscriber_id,
        )
        for row in rows
        if (address := look(row.email)) is not None
    ]
    return len(rows), found


async def claim(
    conn: AsyncConnection, digests: Sequence[bytes], now: datetime, pause: timedelta
) -> set[bytes]:
    """Those of the addresses that may be asked to confirm now; they count as asked from here on.

    Not those that get the newsletter, that are suppressed for another reason than having left, or
    that were asked within `pause`.
    """
    wanted = sa.text(_CLAIM).bindparams(array("hashes", sorted(set(digests)), BYTEA))
    rows = await conn.execute(wanted, {"now": now, "pause": pause})
    return set(rows.scalars())


async def put_subscribers(
    conn: AsyncConnection, requests: Sequence[Request], now: datetime
) -> dict[bytes, Asked]:
    """Who asked, each with the number of a new asking; new ones are made. By the address."""
    wanted = sa.text(_PUT_SUBSCRIBERS).bindparams(
        array("emails", [one.address.email for one in requests], sa.Text),
        array("keys", [one.address.key for one in requests], sa.Text),
        array("hashes", [one.address.digest for one in requests], BYTEA),
        array("locales", [one.locale for one in requests], sa.Text),
        array("sources", [one.source for one in requests], sa.Text),
    )
    rows = await conn.execute(wanted, {"now": now})
    return {row.address_hash: Asked(row.id, row.version, row.address_hash) for row in rows}


async def next_versions(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The numbers of new askings of those who get the newsletter."""
    wanted = sa.text(_NEXT_VERSIONS).bindparams(array("ids", list(ids), sa.Uuid))
    return {row.id: row.version for row in await conn.execute(wanted)}


async def tireless(
    conn: AsyncConnection, ids: Sequence[UUID], since: datetime, most: int
) -> set[UUID]:
    """Who asked for `most` or more other addresses since then."""
    wanted = sa.text(_TIRELESS).bindparams(array("ids", list(ids), sa.Uuid))
    return set((await conn.execute(wanted, {"since": since, "most": most})).scalars())


async def put_askings(conn: AsyncConnection, askings: Sequence[Asking], now: datetime) -> None:
    """Keeps askings, and writes them into the journal."""
    stamp = sa.DateTime(timezone=True)
    await conn.execute(
        sa.text(_PUT_ASKINGS).bindparams(
            array("ids", [one.subscriber_id for one in askings], sa.Uuid),
            array("versions", [one.version for one in askings], sa.Integer),
            array("purposes", [one.purpose for one in askings], sa.Text),
            array("emails", [one.email for one in askings], sa.Text),
            array("locales", [one.locale for one in askings], sa.Text),
            array("sources", [one.source for one in askings], sa.Text),
            array("wording_versions", [one.wording_version for one in askings], sa.Text),
            array("wordings", [one.wording for one in askings], sa.Text),
            array("asked", [one.asked_at for one in askings], stamp),
            array("until", [one.valid_until for one in askings], stamp),
        ),
        {"now": now},
    )


async def one(conn: AsyncConnection, subscriber_id: UUID, version: int) -> Asking | None:
    """An asking, or None."""
    wanted: sa.Select[Any] = sa.select(asking).where(
        asking.c.subscriber_id == subscriber_id, asking.c.version == version
    )
    row = (await conn.execute(wanted)).one_or_none()
    return None if row is None else Asking(*row)


async def confirmed(
    conn: AsyncConnection, subscriber_id: UUID, version: int, now: datetime
) -> None:
    """Marks an asking as answered."""
    await conn.execute(_CONFIRMED, {"subscriber_id": subscriber_id, "version": version, "now": now})


async def forget(conn: AsyncConnection, now: datetime) -> int:
    """Forgets askings whose time is long over, when addresses were asked, and who never
    confirmed; returns how many rows."""
    told = 0
    for statement, age in (
        (_FORGET_ASKINGS, FORGET_ASKED_AFTER),
        (_FORGET_ADDRESSES, timedelta(days=2)),
        (_FORGET_ASKED, FORGET_ASKED_AFTER),
    ):
        told += (await conn.execute(statement, {"before": now - age})).rowcount
    return told
