"""Reading the dead letters of one service; kit.consumer replays them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.kit.db import Database

_WAITING = sa.text(
    """
    SELECT id, at, consumer, topic, partition, "offset", error
    FROM dead_letter WHERE replayed_at IS NULL ORDER BY id LIMIT 1000
    """
)


async def waiting(db: Database) -> Sequence[sa.Row[Any]]:
    """Letters not yet replayed, the oldest first, 1,000 at most."""
    async with db.read() as conn:
        return (await conn.execute(_WAITING)).all()
