"""One trial: load, faults in the middle of it, and the seed that makes it again."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

from tests.chaos import invariants
from tests.support.chaos_figures import Figures
from tests.support.chaos_load import Load
from tests.support.chaos_world import World


class Trial:
    """Runs `fault` under load and checks the invariants. The seed is EINLASS_CHAOS_SEED, or
    drawn, and printed."""

    def __init__(self, world: World, name: str, *, seed: int | None = None, rate: float = 25.0):
        given = os.environ.get("EINLASS_CHAOS_SEED")
        drawn = seed if seed is not None else random.SystemRandom().randrange(10**6)
        self.seed = int(given) if given else drawn
        self.world, self.name, self.faults = world, name, 0
        self.chance = random.Random(self.seed)
        self.load = Load(world, self.seed, rate=rate)
        print(f"{name}: EINLASS_CHAOS_SEED={self.seed}", flush=True)

    async def run(self, fault: Callable[["Trial"], Awaitable[None]]) -> Figures:
        """What came of it. Raises AssertionError."""
        await self.load.prepare()
        async with invariants.watched(self.world, self.load):
            async with self.load.running():
                await asyncio.sleep(1)
                await fault(self)
                await asyncio.sleep(1)
            return await invariants.check(self.world, self.load, self.name, self.faults)

    async def pause(self, least: float, most: float) -> None:
        """Waits a moment of this many seconds, as chance has it."""
        await asyncio.sleep(self.chance.uniform(least, most))
