"""PostgreSQL ended with SIGKILL in the middle of commits, its backends with it, 20 times."""

import pytest

from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import World

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

KILLS = 20


async def test_postgres_killed_during_commits(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(KILLS):
            await broken.kill("postgres")
            await broken.start("postgres")
            trial.faults += 1
            await trial.pause(0.5, 2.5)

    found = await Trial(broken, "PostgreSQL killed", rate=40).run(fault)
    figures.append(found)
    assert found.promotions
