"""Servers that say no, say "later", say nothing, or go away."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.kit.db import Database
from services.notifications.bulk import service
from services.notifications.bulk.domain import backoff
from tests.integration.bulk.people import begin, done, many, role, running, states, subscribe
from tests.support.newsletter_sink import Sink
from tests.support.waiting import until


def told(db: Database, issue: UUID, number: int = 1) -> "asyncio.Future[sa.Row[tuple[object]]]":
    return asyncio.ensure_future(_told(db, issue, number))


async def _told(db: Database, issue: UUID, number: int) -> "sa.Row[tuple[object]]":
    async with db.read() as conn:
        rows = await conn.execute(
            sa.text("SELECT * FROM delivery WHERE issue_id = :issue AND n = :number"),
            {"issue": issue, "number": number},
        )
        return rows.one()


@pytest.mark.parametrize("pipelining", [True, False])
async def test_cut_replies_are_just_the_unknown(db: Database, sink: Sink, pipelining: bool) -> None:
    sink.pipelining = pipelining
    addresses = await many(db, 600)
    sink.on_data = lambda to: "" if to.endswith("7@people.test") else None
    issue = await begin(db)

    async with running(role(db, sink)):
        found = await done(db, issue)

    assert found == {"sent": 540, "unknown": 60}
    assert len(sink.cut) == 60
    assert Counter(sink.recipients) == Counter(addresses)  # nobody twice, nobody left out
    assert await emails(db, issue, "unknown") == set(sink.cut)


async def emails(db: Database, issue: UUID, status: str) -> set[str]:
    async with db.read() as conn:
        rows = await conn.execute(
            sa.text(
                "SELECT email FROM delivery AS d JOIN subscriber AS s ON s.id = subscriber_id"
                " WHERE issue_id = :issue AND d.status = :status"
            ),
            {"issue": issue, "status": status},
        )
        return set(rows.scalars())


async def test_what_is_unknown_is_sent_again_by_the_button_alone(db: Database, sink: Sink) -> None:
    await many(db, 40)
    sink.on_data = lambda to: "" if to == "person7@people.test" else None
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 39, "unknown": 1}
        sink.on_data = lambda _: None
        async with db.transaction() as conn:
            [who] = await service.trouble(conn, issue)
            assert (who.email, who.status) == ("person7@people.test", "unknown")
            assert await service.resend(conn, issue, ["unknown"], [who.subscriber_id]) == 1
        assert await done(db, issue) == {"sent": 40}
    assert Counter(sink.recipients)["person7@people.test"] == 2
    assert len(sink.taken) == 41


async def test_connections_that_end_before_the_data_cost_nothing(db: Database, sink: Sink) -> None:
    addresses, count = await many(db, 300), Counter[str]()

    def sometimes(to: str) -> str | None:
        count[to] += 1
        return "" if count[to] == 1 and to.endswith("3@people.test") else None

    sink.on_recipient = sometimes
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 300}
    assert Counter(sink.recipients) == Counter(addresses)


@pytest.mark.parametrize("pipelining", [True, False])
async def test_refused_for_good(db: Database, sink: Sink, pipelining: bool) -> None:
    sink.pipelining = pipelining
    await many(db, 60)
    sink.on_recipient = lambda to: (
        f"550 5.7.1 <{to}> unwanted" if to == "person5@people.test" else None
    )
    sink.on_data = lambda to: "554 5.7.1 no" if to == "person9@people.test" else None
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 58, "failed": 2}
        async with db.transaction() as conn:
            why = [(t.email, t.smtp_code, t.error) for t in await service.trouble(conn, issue)]
            assert why == [
                ("person5@people.test", 550, "RCPT: 5.7.1 <address> unwanted"),
                ("person9@people.test", 554, "data: 5.7.1 no"),
            ]
            sink.on_recipient = sink.on_data = lambda _: None
            assert await service.resend(conn, issue, ["failed"]) == 2
        assert await done(db, issue) == {"sent": 60}
    assert len(sink.taken) == 60


async def test_later_is_tried_later(
    db: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE", timedelta(milliseconds=200))
    await many(db, 30)
    asked = Counter[str]()

    def greylisting(to: str) -> str | None:
        asked[to] += 1
        return "451 4.7.1 greylisted" if to == "person3@people.test" and asked[to] < 3 else None

    sink.on_recipient = greylisting
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 30}
    assert asked["person3@people.test"] == 3
    assert (await told(db, issue, 4)).attempts == 3


async def test_later_for_ever_is_given_up(
    db: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(backoff, "PATIENCE", 1_000)
    await subscribe(db, ["ada@people.test"])
    sink.on_recipient = lambda _: "451 4.2.2 full"
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"failed": 1}
    assert (await told(db, issue)).attempts == backoff.MOST_ATTEMPTS


async def test_a_domain_that_says_later_is_left_in_peace(
    db: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE", timedelta(milliseconds=100))
    monkeypatch.setattr(backoff, "FIRST_DOMAIN_PAUSE", timedelta(seconds=1))
    await many(db, 300, "busy.test")
    others = await many(db, 300, "people.test")
    asked = Counter[str]()
    later = True

    def busy(to: str) -> str | None:
        domain = to.rpartition("@")[2]
        asked[domain] += 1
        return "450 4.7.0 too many" if domain == "busy.test" and later else None

    sink.on_recipient = busy
    issue = await begin(db)
    async with running(role(db, sink)):
        await sink.wait(300)
        assert Counter(sink.recipients) == Counter(others)
        assert asked["busy.test"] < 100
        later = False
        assert await done(db, issue) == {"sent": 600}
    assert len(sink.taken) == 600


async def test_a_refused_sender_fails_nobody(db: Database, sink: Sink) -> None:
    await many(db, 50)
    refused = True
    sink.on_mail = lambda _: "550 5.7.1 suspended" if refused else None
    issue = await begin(db)
    async with running(role(db, sink)):
        await until(lambda: seen(sink), lambda connections: connections > 2)
        assert await states(db, issue) == {"pending": 50}
        refused = False
        assert await done(db, issue) == {"sent": 50}


async def seen(sink: Sink) -> int:
    return sink.connections


async def test_a_server_that_is_away_costs_nobody_a_try(db: Database, sink: Sink) -> None:
    await many(db, 200)
    issue = await begin(db)
    await sink.stop()
    async with running(role(db, sink)):
        # Only when it has been tried and left out does the door open.
        await until(lambda: idle(db), lambda leased: leased == 0)
        await sink.start()
        assert await done(db, issue) == {"sent": 200}
    assert (await told(db, issue)).attempts == 1
    assert len(sink.taken) == 200


async def idle(db: Database) -> int:
    async with db.read() as conn:
        return int(
            await conn.scalar(sa.text("SELECT count(*) FROM send_chunk WHERE state = 'leased'"))
            or 0
        )


async def test_two_servers_by_weight_and_one_without_the_other(db: Database, sink: Sink) -> None:
    async with Sink() as second:
        addresses = await many(db, 2_000)
        issue = await begin(db)
        one = role(db, sink, second, connections=8)
        one.servers._servers[0].weight = 3
        sink.pause = second.pause = 0.002
        async with running(one):
            await sink.wait(300)
            assert sink.connections == 3 * second.connections == 6
            await second.stop()
            found = await done(db, issue)
        both = Counter(sink.recipients) + Counter(second.recipients)
        unknown = found.get("unknown", 0)
        assert found["sent"] + unknown == 2_000
        assert unknown <= 2  # one on each of its connections
        assert max(both.values()) == 1
        assert len(set(addresses) - both.keys()) <= unknown
        assert len(sink.taken) > len(second.taken)
