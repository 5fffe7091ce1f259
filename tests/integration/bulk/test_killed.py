"""Processes and the database ended in the middle of a large send.

What holds after each of them: everybody was mailed once or is `unknown`, nobody twice, nobody left
out; and `unknown` are at most as many as can be on the line of what was ended.
"""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from services.kit.db import Database
from tests.integration.bulk.people import a_worker, begin, done, many, role, running, states
from tests.support.newsletter_sink import Sink
from tests.support.waiting import until

# In `make chaos`; fewer in `make test`.
MANY = 20_000 if os.environ.get("EINLASS_CHAOS") == "1" else 5_000
ON_THE_LINE = 20 * 8


async def kill(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def end(processes: Sequence[Process]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        assert await asyncio.wait_for(process.wait(), 20) == 0


def nobody_twice_and_nobody_left_out(
    sink: Sink, addresses: Sequence[str], found: dict[str, int], most_unknown: int
) -> None:
    """`unknown` may have been taken or not; whoever is not among them was, and once."""
    times = Counter(sink.recipients)
    unknown = found.get("unknown", 0)
    assert found == {"sent": len(addresses) - unknown} | ({"unknown": unknown} if unknown else {})
    assert unknown <= most_unknown
    assert not times.keys() - set(addresses)
    assert max(times.values()) == 1
    assert len(addresses) - len(times) <= unknown


async def missing(db: Database, issue: UUID, sink: Sink) -> set[str]:
    """Who is said to have been mailed and was not."""
    async with db.read() as conn:
        rows = await conn.execute(
            sa.text(
                "SELECT email FROM delivery AS d JOIN subscriber AS s ON s.id = subscriber_id"
                " WHERE issue_id = :issue AND d.status = 'sent'"
            ),
            {"issue": issue},
        )
        return set(rows.scalars()) - set(sink.recipients)


async def test_kill_in_the_middle(db: Database, bulk_url: str, sink: Sink) -> None:
    addresses = await many(db, MANY)
    issue = await begin(db)
    victim = await a_worker(bulk_url, sink.url)
    await sink.wait(MANY // 3)
    await kill(victim)
    assert 0 < (await states(db, issue))["pending"] < MANY

    survivor = await a_worker(bulk_url, sink.url)
    found = await done(db, issue, 120)
    await end([survivor])

    nobody_twice_and_nobody_left_out(sink, addresses, found, ON_THE_LINE)
    assert not await missing(db, issue, sink)


async def test_two_processes_killed_again_and_again(
    db: Database, bulk_url: str, sink: Sink
) -> None:
    addresses = await many(db, MANY)
    issue = await begin(db)
    workers = [await a_worker(bulk_url, sink.url) for _ in range(2)]
    kills = 0
    for mails in range(MANY // 5, MANY, MANY // 5):
        await sink.wait(mails, 60)
        await kill(workers.pop(0))
        kills += 1
        workers.append(await a_worker(bulk_url, sink.url))
    found = await done(db, issue, 120)
    await end(workers)

    nobody_twice_and_nobody_left_out(sink, addresses, found, kills * ON_THE_LINE)
    assert not await missing(db, issue, sink)


async def test_the_database_ends_every_connection(db: Database, sink: Sink) -> None:
    addresses = await many(db, 8_000)
    issue = await begin(db)
    async with running(role(db, sink, connections=20), role(db, sink, connections=20)):
        for mails in range(MANY // 20, 2 * MANY // 5, MANY // 10):
            await sink.wait(mails, 60)
            async with db.read() as conn:
                await conn.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
        found = await done(db, issue, 120)

    # The processes live on with what the server said, so they know of each mail.
    assert found == {"sent": 8_000}
    assert Counter(sink.recipients) == Counter(addresses)


async def test_a_process_that_froze_tells_the_truth_later(
    db: Database, bulk_url: str, sink: Sink
) -> None:
    addresses = await many(db, 2_000)
    sink.pause = 0.02
    issue = await begin(db)
    frozen = await a_worker(bulk_url, sink.url)
    await sink.wait(200)
    frozen.send_signal(signal.SIGSTOP)
    sink.pause = 0
    other = await a_worker(bulk_url, sink.url)
    found = await done(db, issue)
    lost = found["unknown"]
    assert 0 < lost <= ON_THE_LINE

    frozen.send_signal(signal.SIGCONT)

    async def unknown() -> int:
        return (await states(db, issue)).get("unknown", 0)

    # What it had sent is known now; what it had not, it does not send any more.
    await until(unknown, lambda left: left < lost)
    await end([frozen, other])
    found = await done(db, issue)
    nobody_twice_and_nobody_left_out(sink, addresses, found, lost - 1)
    assert len(sink.taken) == found["sent"]
