"""What must hold whatever breaks, seen from outside.

The witnesses are the answers that people got, Kafka's log, the three databases and the SMTP
server's log; none of them is asked to vouch for itself. Everything is said of the events of one
load, so that several loads can share a world.

1. Never more seats confirmed and held than there are, at any moment.
2. No answered sign-up or cancellation is missing; nobody is there twice, or unasked.
3. In Kafka each event's `seq` rises from 1 without a gap, repeats aside; nobody passes the line.
4. Promotions and freed seats are equal, in the order of the line, none twice.
5. No effect twice: counters are what a recount of the rows gives; inbox and ledgers are unique.
6. Every mail came once at least, and is in the ledger once.
7. At rest the outboxes are empty, and held seats are those that the line has free.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.contracts import topics
from tests.support.chaos_figures import Figures
from tests.support.chaos_load import Load
from tests.support.chaos_world import SERVICES, World
from tests.support.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connections: TypeAlias = Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
KINDS: Final = {
    "registration.confirmed": "confirmed",
    "registration.waitlisted": "waitlisted",
    "registration.cancelled": "cancelled",
}
_SEATS: Final = """
    SELECT s.*, coalesce(r.confirmed, 0) AS rows_confirmed, coalesce(r.waiting, 0) AS rows_waiting,
           coalesce(r.line, 0) AS rows_line
    FROM seats s LEFT JOIN (
        SELECT event_id, sum(seats) FILTER (WHERE status = 'confirmed') AS confirmed,
               sum(seats) FILTER (WHERE status = 'waitlisted') AS waiting,
               count(*) FILTER (WHERE status = 'waitlisted') AS line
        FROM registration GROUP BY event_id) r USING (event_id)
    WHERE s.event_id = ANY($1)
"""


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Connections]:
    """The three databases, past any proxy."""
    async with AsyncExitStack() as held:
        found = {}
        for service in SERVICES:
            found[service] = await asyncpg.connect(world.database(service), timeout=10)
            held.push_async_callback(found[service].close)
        yield found


@asynccontextmanager
async def watched(world: World, load: Load) -> AsyncIterator[None]:
    """Looks at the seats all the time while the block lasts (1 and half of 5)."""
    stop = asyncio.Event()
    watch = asyncio.create_task(_watch(world, load, stop))
    try:
        yield
    finally:
        stop.set()
        await watch


async def _watch(world: World, load: Load, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with suppress(*_AWAY):
            conn = await asyncpg.connect(world.database("registration"), timeout=2)
            try:
                while not stop.is_set():
                    await _check_seats(conn, load)
                    await asyncio.sleep(0.2)
            finally:
                conn.terminate()
        await asyncio.sleep(0.2)


def _ids(load: Load) -> list[UUID]:
    return [UUID(event_id) for event_id in load.slugs.values()]


async def _check_seats(conn: Connection, load: Load) -> None:
    for row in await conn.fetch(_SEATS, _ids(load)):
        assert row["confirmed"] + row["held"] <= row["capacity"], dict(row)
        counted = (row["rows_confirmed"], row["rows_waiting"], row["rows_line"])
        assert counted == (row["confirmed"], row["waiting"], row["line"]), dict(row)


async def drained(world: World, load: Load, timeout: float) -> None:
    """Returns when nothing is on its way any more (7)."""
    async with connected(world) as conns:

        async def on_its_way() -> dict[str, Any]:
            return await _on_its_way(conns, load)

        await until(on_its_way, lambda found: not found, timeout=timeout)


async def _on_its_way(conns: Connections, load: Load) -> dict[str, Any]:
    """What is still to be done, by a name for it."""
    ids, left = _ids(load), {}
    for service, conn in conns.items():
        left[f"{service} outbox"] = await conn.fetchval("SELECT count(*) FROM outbox")
    said = await pairs(conns["registration"], "SELECT event_id, seq FROM seats")
    wished = await pairs(conns["waitlist"], "SELECT event_id, seq FROM line")
    for service, target in (("registration", wished), ("waitlist", said), ("notifications", said)):
        heard = await pairs(
            conns[service],
            "SELECT event_id, last_seq FROM inbox_seq WHERE consumer = $1",
            f"einlass.{service}",
        )
        behind = {str(e): target.get(e, 0) - heard.get(e, 0) for e in ids}
        left[f"{service} inbox"] = {e: n for e, n in behind.items() if n}
    left["mails"] = await conns["notifications"].fetchval(
        "SELECT count(*) FROM mail WHERE event_id = ANY($1) AND status IN ('pending', 'sending')",
        ids,
    )
    return {name: what for name, what in left.items() if what}


async def pairs(conn: Connection, query: str, *values: Any) -> dict[UUID, Any]:
    """The rows of a query of two columns, by the first."""
    return {row[0]: row[1] for row in await conn.fetch(query, *values)}


@dataclass(slots=True)
class _Log:
    """Kafka's log of one topic, each message once. `again`: how often one came once more."""

    by_event: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    again: int = 0


async def check(world: World, load: Load, name: str, faults: int, patience: float = 120) -> Figures:
    """Checks all of the above once the world is at rest, which may take `patience` seconds.
    Raises AssertionError."""
    await drained(world, load, patience)
    assert not load.wrong, load.wrong[:5]
    logs = {topic.name: await _log(world, load, topic) for topic in topics.ALL}
    async with connected(world) as conns:
        await _check_seats(conns["registration"], load)
        await _check_answers(conns["registration"], load)
        _check_story(logs[topics.REGISTRATION.name], load)
        await _check_line(conns, load, logs)
        await _check_inboxes(conns, logs)
        mails = await _check_mails(conns["notifications"], world, load, logs)
    troubles = world.troubles()
    assert not troubles, troubles[:5]
    came = Counter(mail.message_id for mail in world.smtp.mails if mail.message_id in mails)
    wishes = [m for log in logs[topics.WAITLIST.name].by_event.values() for m in log]
    return Figures(
        name=name,
        seed=load.seed,
        faults=faults,
        signed_up=load.acknowledged,
        cancelled=load.cancellations,
        promotions=sum(m["type"] == "waitlist.promoted" for m in wishes),
        mails=len(mails),
        mails_again=came.total() - len(came),
        repeats=sum(log.again for log in logs.values()),
        refused=sum(n for status, n in load.statuses.items() if status >= 500),
        dropped=load.dropped,
        gap=load.longest_gap,
    )


async def _log(world: World, load: Load, topic: topics.Topic) -> _Log:
    """One topic's messages of the load's events, in order, without gap (3)."""
    found = _Log()
    seen: set[str] = set()
    mine = {UUID(event_id).bytes for event_id in load.slugs.values()}
    async for record in _records(world.bootstrap, topic):
        if record.key not in mine:
            continue
        message = json.loads(record.value)
        if message["id"] in seen:
            found.again += 1
        else:
            seen.add(message["id"])
            found.by_event[message["event_id"]].append(message)
    for messages in found.by_event.values():
        seqs = [m["seq"] for m in messages]
        assert seqs == list(range(1, len(seqs) + 1)), (topic.name, _first_wrong(seqs))
    return found


def _first_wrong(seqs: Sequence[int]) -> str:
    place = next(n for n, seq in enumerate(seqs) if seq != n + 1)
    return f"at {place}: {seqs[max(0, place - 3) : place + 5]}"


async def _records(bootstrap: str, topic: topics.Topic) -> AsyncIterator[Any]:
    """Every record of a topic as it lies there; those of one partition in order."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as reader:
        parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        reader.assign(parts)
        await reader.seek_to_beginning(*parts)
        ends = await reader.end_offsets(parts)
        while [tp for tp in parts if await reader.position(tp) < ends[tp]]:
            for records in (await reader.getmany(timeout_ms=500)).values():
                for record in records:
                    yield record


async def _check_answers(conn: Connection, load: Load) -> None:
    """What people were answered is what the rows say (2)."""
    columns = "id, email, seats, status, via, first_status, first_position"
    rows = await conn.fetch(
        f"SELECT {columns} FROM registration WHERE event_id = ANY($1)", _ids(load)
    )
    assert len({row["email"] for row in rows}) == len(rows), "somebody is there twice"
    by_email = {row["email"]: row for row in rows}
    unasked = by_email.keys() - {attempt.email for attempt in load.attempts}
    assert not unasked
    for attempt in load.attempts:
        row = by_email.get(attempt.email)
        if attempt.refused:
            assert row is None, attempt
        if attempt.answer is None:
            continue
        assert row is not None, ("an answered sign-up is missing", attempt)
        answer = attempt.answer
        assert str(row["id"]) == answer["id"], attempt
        told = (answer["status"], answer.get("position"), answer["seats"])
        assert told == (row["first_status"], row["first_position"], attempt.seats), attempt
        if attempt.cancelled:
            assert row["status"] == "cancelled", ("an answered cancellation is missing", attempt)
        elif not attempt.cancelling:
            assert row["status"] != "cancelled", ("cancelled unasked", attempt)


def _check_story(log: _Log, load: Load) -> None:
    """Told over again from Kafka alone: never too many, nobody before those who wait (1, 3)."""
    for slug, event_id in load.slugs.items():
        taken, line, had = 0, dict[str, int](), dict[str, int]()
        for message in log.by_event[event_id]:
            data = message["data"]
            who = data.get("registration_id")
            match message["type"], data.get("via"), data.get("was"):
                case "registration.confirmed", "direct", _:
                    assert not line, ("passed the line", message["seq"], slug)
                    had[who] = data["seats"]
                    taken += data["seats"]
                case "registration.confirmed", "waitlist", _:
                    had[who] = line.pop(who)
                    taken += had[who]
                case "registration.waitlisted", _, _:
                    line[who] = data["seats"]
                    assert data["position"] == len(line), (message["seq"], slug)
                case "registration.cancelled", _, "waitlisted":
                    del line[who]
                case "registration.cancelled", _, _:
                    taken -= had.pop(who)
            assert taken <= load.capacities[slug], (message["seq"], slug)


async def _check_line(conns: Connections, load: Load, logs: Mapping[str, _Log]) -> None:
    """Promotions (4), and held seats at rest (7)."""
    ids = _ids(load)
    held = await pairs(
        conns["registration"], "SELECT event_id, held FROM seats WHERE event_id = ANY($1)", ids
    )
    ways = await pairs(
        conns["registration"],
        "SELECT id, status || coalesce(' via ' || via, '') FROM registration "
        "WHERE event_id = ANY($1) AND first_status = 'waitlisted'",
        ids,
    )
    for event_id in ids:
        line = await conns["waitlist"].fetchrow("SELECT * FROM line WHERE event_id = $1", event_id)
        assert (line["free"] if line else 0) == held[event_id], (dict(line or {}), held)
        ledger = await conns["waitlist"].fetch(
            "SELECT l.kind, l.seats, l.registration_id, e.seq, e.state FROM ledger l "
            "LEFT JOIN entry e USING (registration_id) WHERE l.event_id = $1 ORDER BY l.id",
            event_id,
        )
        sums = Counter[str]()
        for row in ledger:
            sums[row["kind"]] += row["seats"]
        given = sums["promoted"] + sums["released"] + held[event_id]
        assert sums["freed"] == given, (sums, held[event_id])
        told = [
            m["data"]["seats"]
            for m in logs[topics.REGISTRATION.name].by_event[str(event_id)]
            if m["type"] == "registration.seats_freed"
        ]
        assert sums["freed"] == sum(told)
        promoted = [row for row in ledger if row["kind"] == "promoted"]
        turns = [row["seq"] for row in promoted]
        assert turns == sorted(set(turns)), "out of turn, or twice"
        wishes = [
            m["data"]["registration_id"]
            for m in logs[topics.WAITLIST.name].by_event[str(event_id)]
            if m["type"] == "waitlist.promoted"
        ]
        assert wishes == [str(row["registration_id"]) for row in promoted]
        passed = await conns["waitlist"].fetchval(
            "SELECT count(*) FROM entry WHERE event_id = $1 AND state = 'waiting' AND seq < $2",
            event_id,
            max(turns, default=0),
        )
        assert passed == 0, "somebody who waits was passed over"
        for row in promoted:
            # Whoever left before the wish came gave the seats to the next.
            assert ways[row["registration_id"]] in {
                "confirmed via waitlist",
                "cancelled via waitlist",
                "cancelled",
            }, ways[row["registration_id"]]


async def _check_inboxes(conns: Connections, logs: Mapping[str, _Log]) -> None:
    """Every message was taken by whom it concerns, and none was set aside (5)."""
    for service, topic in (
        ("registration", topics.WAITLIST),
        ("waitlist", topics.REGISTRATION),
        ("notifications", topics.REGISTRATION),
    ):
        said = {m["id"] for messages in logs[topic.name].by_event.values() for m in messages}
        taken = await conns[service].fetchval(
            "SELECT count(*) FROM inbox WHERE consumer = $1 AND message_id = ANY($2)",
            f"einlass.{service}",
            [UUID(message_id) for message_id in said],
        )
        assert taken == len(said), (service, topic.name)


async def _check_mails(
    conn: Connection, world: World, load: Load, logs: Mapping[str, _Log]
) -> set[str]:
    """One row a mail, and each came; their message ids (6)."""
    due: list[tuple[str, str, int]] = []
    for messages in logs[topics.REGISTRATION.name].by_event.values():
        for message in messages:
            if kind := KINDS.get(message["type"]):
                data = message["data"]
                kind = "promoted" if data.get("via") == "waitlist" else kind
                due.append((kind, data["registration_id"], data["revision"]))
    rows = await conn.fetch("SELECT * FROM mail WHERE event_id = ANY($1)", _ids(load))
    found = [(row["kind"], str(row["registration_id"]), row["version"]) for row in rows]
    assert sorted(found) == sorted(due)
    assert {row["status"] for row in rows} <= {"sent"}
    written = {row["message_id"].strip("<>") for row in rows}
    assert len(written) == len(rows)
    missing = written - {mail.message_id for mail in world.smtp.mails}
    assert not missing, f"{len(missing)} mails of {len(written)} never came"
    told = [m for found in logs[topics.NOTIFICATIONS.name].by_event.values() for m in found]
    assert Counter(m["data"]["mail_id"] for m in told) == Counter(str(row["id"]) for row in rows)
    return written
