"""People are reminded of what they have a place in: the real stack, its clock put forward."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from tests.support import events, people
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A stack of this module's own, since its clock is moved."""
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 600
    with rehearsal(tmp_path_factory.mktemp("reminders"), port) as running:
        yield running


@pytest_asyncio.fixture
async def public(own: Rehearsal) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the public API."""
    async with httpx.AsyncClient(base_url=f"{own.stack.public_url}/api/v1", timeout=60) as client:
        yield client


async def test_a_week_and_a_day_before(own: Rehearsal, public: httpx.AsyncClient) -> None:
    """One signs up at once, one three days before, and one waits."""
    first_day = (own.now() + timedelta(days=40)).date()
    days = [{"date": first_day.isoformat(), "starts_at": "18:00:00"}]
    slug = await own.event(public, capacity=2, days=days)
    domain = events.domain()

    async def reminded() -> Counter[str]:
        return Counter(to.partition("@")[0] for to in own.mailed("reminder") if to.endswith(domain))

    def morning(days_before: int) -> datetime:
        zone = ZoneInfo("Europe/Berlin")
        return datetime.combine(first_day - timedelta(days=days_before), time(9, 1), zone)

    await people.sign_up(public, slug, 1, domain)
    own.advance_to(morning(7))
    await until(reminded, lambda seen: seen == {"gast-1": 1}, timeout=60)
    own.advance_to(morning(3))
    await people.sign_up(public, slug, 2, domain)
    assert (await people.sign_up(public, slug, 3, domain)).status == "waitlisted"
    own.advance_to(morning(1))
    await until(reminded, lambda seen: seen == {"gast-1": 2, "gast-2": 1}, timeout=60)
