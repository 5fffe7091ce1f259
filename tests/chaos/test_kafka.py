"""Kafka ended with SIGKILL, and away for a minute: sign-ups go on, and what waited goes out."""

import asyncio

import pytest

from tests.chaos import invariants
from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import World

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

KILLS, AWAY_SECONDS = 5, 60


async def test_kafka_killed(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(KILLS):
            await broken.kill("kafka")
            await broken.start("kafka")
            trial.faults += 1
            await trial.pause(1, 5)

    figures.append(await Trial(broken, "Kafka killed").run(fault))


async def test_kafka_away(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        before = trial.load.acknowledged
        await broken.kill("kafka")
        trial.faults += 1
        await asyncio.sleep(AWAY_SECONDS)
        meanwhile = trial.load.acknowledged - before
        assert meanwhile > AWAY_SECONDS, "sign-ups did not go on"
        async with invariants.connected(broken) as conns:
            waiting = await conns["registration"].fetchval("SELECT count(*) FROM outbox")
        assert waiting >= meanwhile
        await broken.start("kafka")

    found = await Trial(broken, "Kafka away for a minute").run(fault)
    figures.append(found)
    assert found.refused == found.dropped == 0
