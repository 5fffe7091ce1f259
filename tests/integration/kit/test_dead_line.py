"""A line to PostgreSQL that is dead without anybody being told, as after a firewall forgot it."""

import asyncio
import os
from datetime import timedelta

import pytest
import sqlalchemy as sa

from deploy.local import Stack
from services.kit import db as kit
from services.kit.db import Database, is_infrastructure
from tests.support.proxy import Proxy

pytestmark = pytest.mark.stack


async def test_nobody_waits_for_ever_on_a_dead_line(
    stack: Stack, administrator_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in hand fail as the servers' fault; the ones that lay idle are replaced with them."""
    monkeypatch.setattr(kit, "LINE_TIMEOUT", timedelta(seconds=0.5))
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 198
    with Proxy(port, stack.ports.postgres) as proxy:
        url = administrator_url.replace(f":{stack.ports.postgres}/", f":{port}/")
        db = Database(url, name="test", pool=3)
        try:
            await asyncio.gather(*(_ask(db) for _ in range(3)))
            proxy.strand()
            with pytest.raises(Exception, match=r"[Cc]onnection") as caught:
                await asyncio.wait_for(_ask(db), 5)
            assert is_infrastructure(caught.value)
            await asyncio.wait_for(asyncio.gather(*(_ask(db) for _ in range(3))), 15)
        finally:
            proxy.cut()
            await db.close()


async def _ask(db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(sa.text("SELECT pg_sleep(0.1)"))
