"""Sends as a whole, on a real database and over real connections."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
import sqlalchemy as sa

from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk import service
from services.notifications.bulk.domain.errors import AlreadySending, NotSending, SendNotFound
from tests.integration.bulk.people import (
    LETTER,
    LINKS,
    begin,
    done,
    many,
    role,
    running,
    states,
    subscribe,
)
from tests.support.newsletter_sink import Sink
from tests.support.waiting import until


async def test_everybody_gets_one_mail(db: Database, sink: Sink) -> None:
    addresses = await many(db, 1_203)
    issue = await begin(db)

    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 1_203}

    assert Counter(sink.recipients) == Counter(addresses)
    assert len({one.message_id for one in sink.taken}) == 1_203


async def test_a_server_without_pipelining(db: Database, sink: Sink) -> None:
    sink.pipelining = False
    addresses = await many(db, 100)
    issue = await begin(db)

    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 100}

    assert Counter(sink.recipients) == Counter(addresses)


async def test_a_mail_is_the_letter_with_the_persons_links(db: Database, sink: Sink) -> None:
    sink.keep = True
    [who] = await subscribe(db, ["ada@people.test"])
    issue = await begin(db)

    async with running(role(db, sink)):
        await done(db, issue)

    mail = message_from_bytes(sink.taken[0].message.removesuffix(b".\r\n"), policy=default)
    assert mail["To"] == "ada@people.test"
    assert mail["Message-ID"] == f"<newsletter.{issue}.1@einlass.test>"
    assert mail["List-Unsubscribe"] == f"<{LINKS.unsubscribe(who, 1)}>"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.splitlines() == [
        "Grüße.",
        "",
        f"Your page: {LINKS.own(who, 1)}",
        f"Leave: {LINKS.unsubscribe(who, 1)}",
    ]


async def test_an_issue_is_begun_once(db: Database) -> None:
    await many(db, 3)
    issue = await begin(db)
    with pytest.raises(AlreadySending):
        async with db.transaction() as conn:
            await service.begin(conn, issue, {"en": LETTER}, fallback="en", now=datetime.now(UTC))
    assert await states(db, issue) == {"pending": 3}


async def test_who_subscribes_later_is_not_in_the_set(db: Database, sink: Sink) -> None:
    addresses = await many(db, 5)
    issue = await begin(db)
    await subscribe(db, ["late@people.test"])
    async with running(role(db, sink)):
        assert await done(db, issue) == {"sent": 5}
    assert sorted(sink.recipients) == sorted(addresses)


async def test_an_issue_to_nobody_is_done(db: Database, sink: Sink) -> None:
    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {}


async def test_who_leaves_in_the_middle_gets_no_mail(db: Database, sink: Sink) -> None:
    sink.pause = 0.01
    await many(db, 900)
    issue = await begin(db)
    async with running(role(db, sink, connections=2, handful=2)):
        await sink.wait(50)
        async with db.transaction() as conn:
            left = set(
                (
                    await conn.execute(
                        sa.text(
                            "UPDATE subscriber SET status = 'left', ended_at = now()"
                            " WHERE right(email_key, 13) = '9@people.test' RETURNING email"
                        )
                    )
                ).scalars()
            )
        had = set(sink.recipients)
        sink.pause = 0
        found = await done(db, issue)

    came_after = set(sink.recipients) - had
    # What was on the line at that moment was on its way already.
    assert len(came_after & left) <= 4
    assert found["suppressed"] >= len(left - had) - 4
    assert found["sent"] + found["suppressed"] == 900


async def test_a_new_address_counts_from_the_next_mail_on(db: Database, sink: Sink) -> None:
    [who] = await subscribe(db, ["old@people.test"])
    issue = await begin(db)
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                "UPDATE subscriber SET email = 'new@people.test', email_key = 'new@people.test',"
                " generation = 2 WHERE id = :who"
            ),
            {"who": who},
        )
    sink.keep = True
    async with running(role(db, sink)):
        await done(db, issue)
    assert sink.recipients == ["new@people.test"]
    assert LINKS.unsubscribe(who, 2).encode() in sink.taken[0].message


async def test_stopping_and_going_on_mails_nobody_twice(db: Database, sink: Sink) -> None:
    sink.pause = 0.005
    addresses = await many(db, 1_500)
    issue = await begin(db)
    async with running(role(db, sink, connections=8), role(db, sink, connections=8)):
        for mails in (100, 400, 800):
            await sink.wait(mails)
            async with db.transaction() as conn:
                await service.stop(conn, issue)
            at_stop = len(sink.taken)
            stopped = await until(lambda: open_chunks(db), lambda leased: leased == 0)
            assert stopped == 0
            at = len(sink.taken)
            assert at - at_stop <= 2 * 8 * 8  # what was on the line
            assert (await states(db, issue)).get("sent") == at
            with pytest.raises(NotSending):
                async with db.transaction() as conn:
                    await service.stop(conn, issue)
            async with db.transaction() as conn:
                await service.resume(conn, issue)
        sink.pause = 0
        assert await done(db, issue) == {"sent": 1_500}
    assert Counter(sink.recipients) == Counter(addresses)


async def open_chunks(db: Database) -> int:
    async with db.read() as conn:
        return int(
            await conn.scalar(sa.text("SELECT count(*) FROM send_chunk WHERE state = 'leased'"))
            or 0
        )


async def test_two_roles_share_one_send(db: Database, sink: Sink) -> None:
    sink.pause = 0.002
    addresses = await many(db, 3_000)
    issue = await begin(db)
    async with running(role(db, sink, connections=4), role(db, sink, connections=4)):
        assert await done(db, issue) == {"sent": 3_000}
    assert Counter(sink.recipients) == Counter(addresses)


async def test_a_send_that_was_never_begun(db: Database) -> None:
    for ask in (service.stop, service.resume, service.progress, service.trouble):
        with pytest.raises(SendNotFound):
            async with db.transaction() as conn:
                await ask(conn, uuid7())
    with pytest.raises(SendNotFound):
        async with db.transaction() as conn:
            await service.resend(conn, uuid7(), ["failed"])


async def test_a_stop_of_the_process_finishes_what_is_on_the_line(db: Database, sink: Sink) -> None:
    sink.pause = 0.01
    await many(db, 400)
    issue = await begin(db)
    async with running(role(db, sink)) as stop:
        await sink.wait(30)
        stop.set()
        await until(lambda: open_chunks(db), lambda leased: leased == 0)
    assert await states(db, issue) == {
        "sent": len(sink.taken),
        "pending": 400 - len(sink.taken),
    }
    await asyncio.sleep(0)
