"""Several relays and consumers for the same shards and partitions: more, fewer, one frozen."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.chaos import invariants
from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import SERVICES, World
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

ROLES = {
    "registration": "relay,consumer",
    "waitlist": "relay,consumer",
    "notifications": "relay,consumer,delivery",
}
_HOLDERS = """
    SELECT count(DISTINCT owner) FROM outbox_shard WHERE leased_until > clock_timestamp()
"""


async def _more(broken: World, each: int) -> list[str]:
    """`each` further workers for every service."""
    return [
        await broken.spawn_worker(service, ROLES[service])
        for _ in range(each)
        for service in SERVICES
    ]


async def _end(broken: World, names: Sequence[str]) -> None:
    for code in await asyncio.gather(*(broken.terminate(name) for name in names)):
        assert code == 0


async def _shared_by(broken: World, relays: int) -> None:
    """Waits until so many relays hold all the shards of each service."""
    async with invariants.connected(broken) as conns:
        for service, conn in conns.items():

            async def holders(conn: invariants.Connection = conn) -> int:
                return int(await conn.fetchval(_HOLDERS))

            try:
                await until(holders, lambda n: n == relays, timeout=30)
            except AssertionError as error:
                raise AssertionError(f"{service}: {error} relays, not {relays}") from None


async def test_scaled_from_one_to_three_and_back(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        for _ in range(2):
            more = await _more(broken, 2)
            await _shared_by(broken, 3)
            await trial.pause(5, 10)
            await _end(broken, more)
            await _shared_by(broken, 1)
            trial.faults += 2 * len(more)

    figures.append(await Trial(broken, "scaled 1, 3, 1", rate=15).run(fault))


async def test_frozen_past_the_lease(broken: World, figures: list[Figures]) -> None:
    """Whoever slept while others took over neither overtakes them nor has an effect twice. The
    last sleep outlasts the consumers' session too."""

    async def fault(trial: Trial) -> None:
        more = await _more(broken, 1)
        await _shared_by(broken, 2)
        for seconds in (7, 9, 11, 40):
            await trial.pause(1, 3)
            for name in more:
                broken.freeze(name)
            trial.faults += len(more)
            await asyncio.sleep(6)
            await _shared_by(broken, 1)
            await asyncio.sleep(seconds - 6)
            for name in more:
                broken.thaw(name)
            await _shared_by(broken, 2)
        await _end(broken, more)

    figures.append(await Trial(broken, "frozen past the lease", rate=15).run(fault))
