"""Each process of each service ended with SIGKILL every few seconds, for a minute."""

import asyncio
import time

import pytest

from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import SERVICES, World

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

SECONDS = 60


async def test_every_process_killed(broken: World, figures: list[Figures]) -> None:
    async def kill(trial: Trial, kind: str, until: float) -> None:
        names: list[str] = []
        while time.monotonic() < until:
            if not names:
                names = [f"{service}-{kind}" for service in SERVICES]
                trial.chance.shuffle(names)
            name = names.pop()
            await broken.kill(name)
            await broken.start(name)
            trial.faults += 1
            await trial.pause(0.5, 2)

    async def fault(trial: Trial) -> None:
        until = time.monotonic() + SECONDS
        await asyncio.gather(kill(trial, "api", until), kill(trial, "worker", until))

    found = await Trial(broken, "processes killed").run(fault)
    figures.append(found)
    assert found.faults >= 2 * len(SERVICES)
    assert found.promotions
