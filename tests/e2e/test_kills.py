"""Each service killed with SIGKILL in the middle of 500 cancellations, and started again.

Invariants, checked from outside: promotions equal freed seats; first in, first out; none twice;
every mail at least once, and no ledger row twice; a replay of the topics from the first offset
changes nothing and sends nothing.
"""

import asyncio
import itertools
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from deploy.local import Stack
from services.contracts import topics
from tests.support import events, kafka, people
from tests.support.people import Signed
from tests.support.sink import Sink, sink
from tests.support.waiting import until

pytestmark = pytest.mark.stack

EVENTS, PLACES, WAITING, SEED = 5, 100, 120, 20261124
CLIENTS = 16
KILLED = ("registration-worker", "waitlist-worker", "notifications-worker", "registration-api")
GROUPS = {
    "einlass.registration": topics.WAITLIST,
    "einlass.waitlist": topics.REGISTRATION,
    "einlass.notifications": topics.REGISTRATION,
}
TABLES = {
    "registration": ("registration", "seats"),
    "waitlist": ("line", "entry", "ledger"),
    "notifications": ("mail", "participant", "event"),
}


@pytest.fixture(scope="module")
def smtp() -> Iterator[Sink]:
    with sink(int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 199) as found:
        yield found


@pytest.fixture(scope="module")
def own(smtp: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own, since it is killed in parts and its topics are counted."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    environ |= {
        "EINLASS_RATE_LIMITS": "off",
        "EINLASS_SMTP_URL": smtp.url,
        "EINLASS_SMTP_TIMEOUT_SECONDS": "1",
        "EINLASS_MAIL_LEASE_SECONDS": "10",
    }
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 100
    home: Path = tmp_path_factory.mktemp("kills")
    with Stack(home, port, environ) as running:
        running.up()
        yield running


@pytest_asyncio.fixture(scope="module")
async def databases(own: Stack) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    env = own.environment()
    found = {
        service: await asyncpg.connect(env[f"EINLASS_{service.upper()}_DATABASE_URL"])
        for service in TABLES
    }
    yield found
    for conn in found.values():
        await conn.close()


async def _fill(own: Stack, public: httpx.AsyncClient) -> dict[str, list[Signed]]:
    """EVENTS events, each with PLACES people confirmed and WAITING in line; who signed up."""
    assert own.operator is not None
    signed: dict[str, list[Signed]] = {}
    headers = {"Authorization": f"Bearer {own.operator.token}"}
    for _ in range(EVENTS):
        made = events.event(capacity=PLACES)
        answer = await public.post("/admin/events", json=made, headers=headers)
        answer.raise_for_status()
        signed[made["slug"]] = []
    work = iter(list(itertools.product(signed, range(PLACES + WAITING))))
    domain = events.domain()

    async def client() -> None:
        for slug, number in work:
            signed[slug].append(await people.sign_up(public, slug, number, domain))

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return signed


async def _cancel_stubbornly(public: httpx.AsyncClient, who: Signed) -> None:
    """Cancels, again and again while the service is away."""
    while True:
        with suppress(httpx.TransportError):
            answer = await public.post(f"{who.path}/cancellation", headers=who.auth)
            if answer.status_code < 500:
                answer.raise_for_status()
                return
        await asyncio.sleep(0.2)


async def _cancel_all(
    public: httpx.AsyncClient, gone: Sequence[Signed], begun: asyncio.Semaphore
) -> None:
    work = iter(gone)

    async def client() -> None:
        for who in work:
            await _cancel_stubbornly(public, who)
            begun.release()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def _kill_in_the_middle(own: Stack, begun: asyncio.Semaphore, total: int) -> None:
    """Kills and restarts each of KILLED twice, spread over the cancellations."""
    every = total // (2 * len(KILLED) + 1)
    for name in KILLED * 2:
        for _ in range(every):
            await begun.acquire()
        child = own.children[name]
        await asyncio.to_thread(child.kill)
        await asyncio.to_thread(child.start)


async def _snapshot(databases: dict[str, asyncpg.Connection]) -> dict[str, list[Any]]:
    """Every row of every table that a message could change."""
    return {
        table: [tuple(r) for r in await conn.fetch(f"SELECT * FROM {table} ORDER BY 1")]
        for service, conn in databases.items()
        for table in TABLES[service]
    }


async def test_killed_in_the_middle_of_500_cancellations(
    own: Stack, smtp: Sink, databases: dict[str, asyncpg.Connection]
) -> None:
    chance = random.Random(SEED)
    url = f"{own.public_url}/api/v1"
    async with httpx.AsyncClient(base_url=url, timeout=30) as public:
        signed = await _fill(own, public)
        for found in signed.values():
            assert Counter(s.status for s in found) == {"confirmed": PLACES, "waitlisted": WAITING}
        gone = [s for found in signed.values() for s in found if s.status == "confirmed"]
        chance.shuffle(gone)
        begun = asyncio.Semaphore(0)
        await asyncio.gather(
            _cancel_all(public, gone, begun), _kill_in_the_middle(own, begun, len(gone))
        )
        await _drained(databases, freed=len(gone))
        await _check_line(databases)
        await _check_log(own, freed=len(gone))
        await _check_mails(databases, smtp)
        await _check_replay(own, databases, smtp)


async def _drained(databases: dict[str, asyncpg.Connection], freed: int) -> None:
    """Waits until every freed seat has gone to somebody, and every mail is sent."""

    async def moved_up() -> int:
        return int(
            await databases["registration"].fetchval(
                "SELECT count(*) FROM registration WHERE via = 'waitlist'"
            )
        )

    await until(moved_up, lambda n: n >= freed, timeout=120)
    expected = EVENTS * (PLACES + WAITING) + 2 * freed

    async def sent() -> int:
        return int(
            await databases["notifications"].fetchval(
                "SELECT count(*) FROM mail WHERE status = 'sent'"
            )
        )

    await until(sent, lambda n: n >= expected, timeout=120)
    for conn in databases.values():
        left = partial(conn.fetchval, "SELECT count(*) FROM outbox")
        await until(left, lambda n: n == 0, timeout=60)


async def _check_line(databases: dict[str, asyncpg.Connection]) -> None:
    """Promotions equal freed seats, in the order of the line, none twice."""
    for row in await databases["registration"].fetch("SELECT * FROM seats"):
        counts = (row["confirmed"], row["held"], row["waiting"])
        assert counts == (PLACES, 0, WAITING - PLACES)
    people_in_line = await databases["registration"].fetch(
        "SELECT event_id, id, via FROM registration WHERE first_status = 'waitlisted' "
        "ORDER BY event_id, seq"
    )
    lines = defaultdict(list)
    for row in people_in_line:
        lines[row["event_id"]].append(row)
    assert len(lines) == EVENTS
    promoted = await databases["waitlist"].fetch(
        "SELECT event_id, registration_id FROM ledger WHERE kind = 'promoted' ORDER BY id"
    )
    for event_id, line in lines.items():
        assert [row["via"] for row in line] == ["waitlist"] * PLACES + [None] * (WAITING - PLACES)
        in_turn = [row["registration_id"] for row in promoted if row["event_id"] == event_id]
        assert in_turn == [row["id"] for row in line[:PLACES]]


async def _check_log(own: Stack, freed: int) -> None:
    """Kafka's log: per event and topic `seq` rises by one, repeats aside; none promoted twice."""
    bootstrap = own.environment()["EINLASS_KAFKA_BOOTSTRAP"]
    for topic in topics.ALL:
        had: dict[str, list[int]] = defaultdict(list)
        ids: dict[str, str] = {}
        for message in await kafka.log_of(bootstrap, topic):
            if message["id"] not in ids:
                ids[message["id"]] = message["type"]
                had[message["event_id"]].append(message["seq"])
        for seqs in had.values():
            assert seqs == list(range(1, len(seqs) + 1))
        if topic is topics.WAITLIST:
            assert Counter(ids.values())["waitlist.promoted"] == freed


async def _check_mails(databases: dict[str, asyncpg.Connection], smtp: Sink) -> None:
    """One ledger row a mail, and each came at least once."""
    rows = await databases["notifications"].fetch("SELECT kind, message_id, status FROM mail")
    assert {row["status"] for row in rows} == {"sent"}
    assert Counter(row["kind"] for row in rows) == {
        "confirmed": EVENTS * PLACES,
        "waitlisted": EVENTS * WAITING,
        "cancelled": EVENTS * PLACES,
        "promoted": EVENTS * PLACES,
    }
    came = {mail.message_id for mail in smtp.mails}
    assert came == {row["message_id"].strip("<>") for row in rows}


async def _check_replay(own: Stack, databases: dict[str, asyncpg.Connection], smtp: Sink) -> None:
    """All topics once more from the first offset: nothing changes, nothing is sent."""
    bootstrap = own.environment()["EINLASS_KAFKA_BOOTSTRAP"]
    workers = [own.children[f"{service}-worker"] for service in TABLES]
    for child in workers:
        assert await asyncio.to_thread(child.terminate) == 0
    before, mails = await _snapshot(databases), len(smtp.mails)
    ends = await kafka.ends_of(bootstrap, topics.ALL)
    for group, topic in GROUPS.items():
        # The group's members are gone for Kafka when their session has run out.
        members = partial(kafka.members_of, bootstrap, group)
        await until(members, lambda n: n == 0, timeout=60)
        await kafka.rewind(bootstrap, group, topic)
    for child in workers:
        await asyncio.to_thread(child.start)
    for group, topic in GROUPS.items():
        mine = {tp: end for tp, end in ends.items() if tp.topic == topic.name and end}
        await until(partial(kafka.committed, bootstrap, group), partial(_reached, mine), timeout=60)
    assert await _snapshot(databases) == before
    assert len(smtp.mails) == mails
    assert await kafka.ends_of(bootstrap, topics.ALL) == ends


def _reached(ends: dict[TopicPartition, int], found: dict[TopicPartition, int]) -> bool:
    return all(found.get(tp) == end for tp, end in ends.items())
