"""The checks can fail: each finds what it is there for, when it is done on purpose."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import pytest

from tests.chaos import invariants
from tests.support.chaos_figures import Figures
from tests.support.chaos_load import Load
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import World

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

# By the service whose database it is: what is done, and how it is undone.
DONE = {
    "a counter that is no recount": (
        "registration",
        "UPDATE seats SET confirmed = confirmed - 1 WHERE event_id = $1",
        "UPDATE seats SET confirmed = confirmed + 1 WHERE event_id = $1",
    ),
    "seats held that the line does not know": (
        "waitlist",
        "UPDATE line SET free = free + 1 WHERE event_id = $1",
        "UPDATE line SET free = free - 1 WHERE event_id = $1",
    ),
    "a message that was not taken": (
        "notifications",
        "UPDATE inbox SET consumer = 'x' || consumer WHERE $1::uuid IS NOT NULL",
        "UPDATE inbox SET consumer = substr(consumer, 2) WHERE $1::uuid IS NOT NULL",
    ),
    "a mail that was given up": (
        "notifications",
        "UPDATE mail SET status = 'failed' WHERE event_id = $1",
        "UPDATE mail SET status = 'sent' WHERE event_id = $1",
    ),
    "somebody who was passed over": (
        "waitlist",
        "UPDATE entry SET seq = -seq WHERE $1::uuid IS NOT NULL",
        "UPDATE entry SET seq = -seq WHERE $1::uuid IS NOT NULL",
    ),
}


@asynccontextmanager
async def _done(world: World, load: Load, name: str) -> AsyncIterator[None]:
    service, does, undoes = DONE[name]
    event_id = UUID(next(iter(load.slugs.values())))
    async with invariants.connected(world) as conns:
        await conns[service].execute(does, event_id)
        try:
            yield
        finally:
            await conns[service].execute(undoes, event_id)


@contextmanager
def _forgotten(load: Load, *, cancelled: bool) -> Iterator[None]:
    """Has people be answered what nobody wrote down."""
    here = next(a for a in load.attempts if a.answer and not a.cancelling)
    if cancelled:
        here.cancelled = True
        yield
        here.cancelled = False
    else:
        email, here.email = here.email, f"nobody-{here.email}"
        yield
        here.email = email


async def _finds(world: World, load: Load) -> bool:
    """Whether the checks find anything wrong."""
    try:
        await invariants.check(world, load, "", 0, patience=5)
    except AssertionError:
        return True
    return False


async def test_the_checks_can_fail(broken: World, figures: list[Figures]) -> None:
    async def fault(trial: Trial) -> None:
        await trial.pause(8, 8)

    trial = Trial(broken, "nothing broken", rate=40)
    figures.append(await trial.run(fault))
    assert figures[-1].promotions
    for name in DONE:
        async with _done(broken, trial.load, name):
            assert await _finds(broken, trial.load), name
    for cancelled in (True, False):
        with _forgotten(trial.load, cancelled=cancelled):
            assert await _finds(broken, trial.load), "an answer that was forgotten"
    lost = broken.smtp.mails.pop()
    assert await _finds(broken, trial.load), "a lost mail"
    broken.smtp.mails.append(lost)
    await invariants.check(broken, trial.load, "whole again", 0)
