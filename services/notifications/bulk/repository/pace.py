"""How fast may be sent, agreed on by all processes through one row for each limit.

Invariant: a limit's row says when the next mail may go (GCRA, ITU-T I.371); whoever wants to send
moves it on under its lock, so all processes together keep to the rate. In any second at most a
quarter of a second's mails more go out than the rate says.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import driver

ALL: Final = ""
_RESERVE: Final = """
    INSERT INTO send_pace AS p (name, free_at) VALUES ($1, clock_timestamp() + $2::interval)
    ON CONFLICT (name) DO UPDATE
    SET free_at = greatest(p.free_at, clock_timestamp()) + $2::interval
    RETURNING greatest(free_at - $2::interval - clock_timestamp(), interval '0') AS wait
"""
_KNOWN: Final = """
    INSERT INTO send_pace (name, free_at) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING
"""
_TAKE: Final = """
    WITH mine AS (SELECT greatest(free_at, clock_timestamp()) AS free_at
                  FROM send_pace WHERE name = $1 FOR UPDATE),
    fits AS (
        SELECT free_at, least($2, greatest(0, ceil(
            extract(epoch FROM clock_timestamp() + $4::interval - free_at) / $3)))::int AS granted
        FROM mine)
    UPDATE send_pace AS p
    SET free_at = fits.free_at + make_interval(secs => $3 * fits.granted)
    FROM fits WHERE p.name = $1
    RETURNING fits.granted, extract(epoch FROM p.free_at - clock_timestamp())::float AS wait
"""


async def reserve(conn: AsyncConnection, mails: int, per_second: float) -> float:
    """Reserves the next `mails` of the whole installation's; returns the seconds to wait."""
    every = timedelta(seconds=mails / per_second)
    wait: timedelta = await (await driver(conn)).fetchval(_RESERVE, ALL, every)
    return wait.total_seconds()


async def take(
    conn: AsyncConnection, name: str, mails: int, per_second: float, burst: float
) -> tuple[int, float]:
    """How many of `mails` may go to the domain `name` at once, and after how many seconds more
    may. `burst`: as many seconds' mails may go together."""
    raw = await driver(conn)
    await raw.execute(_KNOWN, name)
    row = await raw.fetchrow(_TAKE, name, mails, 1 / per_second, timedelta(seconds=burst))
    assert row is not None
    return row["granted"], row["wait"]
