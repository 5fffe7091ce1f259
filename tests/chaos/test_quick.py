"""Each kind of fault once and briefly, in the ordinary run of the tests; see docs/faults.md."""

from uuid import UUID

import pytest

from services.contracts import topics
from tests.support import chaos_poison as poison
from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import World
from tests.support.proxy import COMMITS

pytestmark = pytest.mark.stack

PROXIED = ("postgres",)


async def test_servers_and_processes_killed_once(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for name in ("postgres", "valkey", "registration-worker", "waitlist-worker"):
            await broken.kill(name)
            await broken.start(name)
            trial.faults += 1
            await trial.pause(0.5, 1.5)

    found = await Trial(broken, "quick: kills", seed=20261124).run(fault)
    figures.append(found)
    assert found.promotions


async def test_commits_without_an_answer(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(10):
            broken.proxies["postgres"].cut_answer(*COMMITS)
            await trial.pause(0.1, 0.5)
            trial.faults += 1

    before = broken.proxies["postgres"].cuts
    found = await Trial(broken, "quick: lost COMMIT answers", seed=20261125).run(fault)
    figures.append(found)
    assert broken.proxies["postgres"].cuts - before >= 10


async def test_poison_once(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        beside = UUID(next(iter(trial.load.slugs.values())))
        for topic in topics.ALL:
            await poison.put(broken.bootstrap, topic, beside, b"no json")
            trial.faults += 1
        await trial.pause(1, 2)

    figures.append(await Trial(broken, "quick: poison", seed=20261126).run(fault))
    for service in ("registration", "waitlist", "notifications"):
        code, listed = await broken.einlass("dead-letters", "list", service)
        assert (code, listed.count("json_invalid")) == (0, 1), listed
