"""Not too fast: all mails together, and those to one domain."""

import time
from collections import Counter

import pytest
import sqlalchemy as sa

from services.kit.db import Database
from services.notifications.bulk.repository import pace
from tests.integration.bulk.people import begin, done, many, role, running
from tests.support.newsletter_sink import Sink


class Times:
    """When each mail came."""

    def __init__(self, sink: Sink) -> None:
        self.at: list[tuple[float, str]] = []
        sink.on_data = self.note

    def note(self, to: str) -> None:
        self.at.append((time.monotonic(), to.rpartition("@")[2]))

    def most_in_a_second(self, domain: str | None = None) -> int:
        times = [at for at, of in self.at if domain in (None, of)]
        return max(sum(begin <= at < begin + 1 for at in times) for begin in times)


async def test_all_processes_together_keep_to_the_rate(db: Database, sink: Sink) -> None:
    times = Times(sink)
    await many(db, 200)
    issue = await begin(db)
    roles = [role(db, sink, rate=100) for _ in range(2)]
    async with running(*roles):
        assert await done(db, issue) == {"sent": 200}
    # A quarter of a second's may come early, and what a late machine held up comes with the next.
    assert times.most_in_a_second() <= 100 * 1.6
    assert times.at[-1][0] - times.at[0][0] > 1.5


async def test_a_domain_has_a_rate_and_holds_up_no_other(db: Database, sink: Sink) -> None:
    times = Times(sink)
    await many(db, 120, "slow.test")
    await many(db, 600, "people.test")
    issue = await begin(db)
    async with running(role(db, sink, domain_rates={"slow.test": 40.0})):
        await sink.wait(601)
        # All others are through while most of the slow ones wait.
        assert Counter(of for _, of in times.at)["people.test"] > 500
        assert await done(db, issue) == {"sent": 720}
    assert times.most_in_a_second("slow.test") <= 40 * 1.6


async def test_reserving_is_one_line_for_all(db: Database) -> None:
    async with db.transaction() as conn:
        waits = [await pace.reserve(conn, 10, 10) for _ in range(3)]
    assert waits[0] == 0
    assert waits[1] == pytest.approx(1, abs=0.2)
    assert waits[2] == pytest.approx(2, abs=0.2)


async def test_a_domain_grants_what_fits(db: Database) -> None:
    async with db.transaction() as conn:
        granted, wait = await pace.take(conn, "slow.test", 100, 40, 0.25)
        assert granted in (10, 11)
        assert wait == pytest.approx(0.25, abs=0.1)
        assert (await pace.take(conn, "slow.test", 100, 40, 0.25))[0] <= 2
        assert (await pace.take(conn, "other.test", 3, 40, 0.25))[0] == 3
        await conn.execute(sa.text("UPDATE send_pace SET free_at = free_at - interval '1 hour'"))
        # What was not used is not saved up.
        assert (await pace.take(conn, "slow.test", 100, 40, 0.25))[0] in (10, 11)
