"""Redis flushed, ended with SIGKILL and away: nobody who signs up notices."""

import asyncio

import httpx
import pytest
import redis.asyncio as aioredis

from deploy.local.plan import HOST
from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import World

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

TIMES, AWAY_SECONDS = 5, 3
SETTINGS = {"EINLASS_RATE_LIMITS": "on", "EINLASS_RATE_LIMIT_SCALE": "100000"}


async def test_redis_flushed_and_killed(broken: World, figures: list[Figures]) -> None:
    url = f"redis://{HOST}:{broken.servers.ports.valkey}/0"
    ready = f"http://{HOST}:{broken.site.ports.api('registration')}/readyz"

    async def fault(trial: Trial) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            for _ in range(TIMES):
                async with aioredis.from_url(url) as redis:
                    await redis.flushall()
                await trial.pause(0.5, 1.5)
                before = trial.load.acknowledged
                await broken.kill("valkey")
                await asyncio.sleep(AWAY_SECONDS)
                answer = await client.get(ready)
                assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
                assert trial.load.acknowledged > before, "sign-ups did not go on"
                await broken.start("valkey")
                trial.faults += 2
                await trial.pause(0.5, 1.5)

    found = await Trial(broken, "Redis flushed and killed").run(fault)
    figures.append(found)
    assert found.refused == found.dropped == 0
