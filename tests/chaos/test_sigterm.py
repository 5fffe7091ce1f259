"""SIGTERM under load: each process ends with 0, and people behind the gateway notice nothing.

Registration has two api processes, as it must where one of them is to be replaced at any time.
"""

import pytest

from deploy.local.plan import HOST
from tests.support.chaos_figures import Figures
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import SERVICES, World, first_port

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

TIMES = 10
FIRST, SECOND = first_port() + 41, first_port() + 90
SETTINGS = {"EINLASS_REGISTRATION_UPSTREAMS": f"{HOST}:{FIRST} {HOST}:{SECOND}"}


async def test_sigterm_under_load(broken: World, figures: list[Figures]) -> None:
    assert broken.site.ports.api("registration") == FIRST
    await broken.spawn_api("second-api", SECOND)
    apis = ("registration-api", "second-api")
    codes: dict[str, list[int | None]] = {}

    async def fault(trial: Trial) -> None:
        for turn in range(TIMES):
            for name in (apis[turn % 2], f"{SERVICES[turn % len(SERVICES)]}-worker"):
                codes.setdefault(name, []).append(await broken.terminate(name))
                await broken.start(name)
                trial.faults += 1
                await trial.pause(0.3, 1.5)

    found = await Trial(broken, "SIGTERM", rate=40).run(fault)
    figures.append(found)
    assert {code for ends in codes.values() for code in ends} == {0}, codes
    assert found.refused == found.dropped == 0
