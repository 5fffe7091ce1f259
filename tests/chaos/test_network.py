"""Slow, cut and half-open lines between the services and each of their servers."""

import asyncio
import time

import pytest

from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import Server, World
from tests.support.proxy import COMMITS
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

PROXIED: tuple[Server, ...] = ("postgres", "valkey", "kafka", "smtp")
# What a dead line may cost: longer than a transaction may take, and a few tries more.
PATIENCE = 60.0


async def test_slow_lines(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(6):
            for proxy in broken.proxies.values():
                proxy.latency = trial.chance.uniform(0.0, 0.1)
                proxy.bandwidth = trial.chance.uniform(50_000, 500_000)
            trial.faults += len(broken.proxies)
            await asyncio.sleep(5)
        for proxy in broken.proxies.values():
            proxy.heal()

    figures.append(await Trial(broken, "slow lines", rate=15).run(fault))


async def test_cut_lines(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(60):
            broken.proxies[trial.chance.choice(PROXIED)].cut()
            trial.faults += 1
            await trial.pause(0.1, 0.9)

    figures.append(await Trial(broken, "cut lines").run(fault))


async def test_commits_without_an_answer(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(60):
            times = trial.chance.randint(1, 3)
            broken.proxies["postgres"].cut_answer(*COMMITS, times=times)
            trial.faults += 1
            await trial.pause(0.05, 0.6)

    before = broken.proxies["postgres"].cuts
    figures.append(await Trial(broken, "lost COMMIT answers", rate=40).run(fault))
    assert broken.proxies["postgres"].cuts - before >= 60


@pytest.mark.parametrize("server", PROXIED)
async def test_half_open_lines(broken: World, figures: list[Figures], server: Server) -> None:
    """Nobody is told that the line is dead; new connections work."""

    async def fault(trial: Trial) -> None:
        began = time.monotonic()
        broken.proxies[server].strand()
        trial.faults += 1
        await asyncio.sleep(2)
        await _goes_on(trial)
        print(f"  {server}: sign-ups go on {time.monotonic() - began - 2:.1f} s after it")

    figures.append(await Trial(broken, f"half-open: {server}", rate=15).run(fault))


@pytest.mark.parametrize("server", PROXIED)
async def test_deaf_servers(broken: World, figures: list[Figures], server: Server) -> None:
    """Nothing passes for a while, on new connections neither."""

    async def fault(trial: Trial) -> None:
        broken.proxies[server].deafen()
        trial.faults += 1
        await asyncio.sleep(8)
        broken.proxies[server].heal()
        await _goes_on(trial)

    figures.append(await Trial(broken, f"deaf: {server}", rate=15).run(fault))


async def _goes_on(trial: Trial) -> None:
    """Waits until another ten sign-ups are answered."""
    before = trial.load.acknowledged

    async def more() -> int:
        return trial.load.acknowledged - before

    await until(more, lambda n: n >= 10, timeout=PATIENCE)
