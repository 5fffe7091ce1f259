"""From the ledger to a real SMTP server: at least once, patient, and never stuck on one mail."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.contracts.notifications import ADAPTER
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import service
from services.notifications.delivery import Delivery
from services.notifications.domain.retry import Sent
from services.notifications.models import mail
from services.notifications.repository import delivery as repository
from tests.integration.notifications.mailroom import MAILER, a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import NOW, Story


async def confirmed(db: Database, people: int, delivery: Delivery | None = None) -> list[UUID]:
    """So many people who have just got a place."""
    story, ids = Story(), [uuid7() for _ in range(people)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in ids)], delivery)
    return ids


async def rows(db: Database) -> Sequence[sa.Row[Any]]:
    async with db.read() as conn:
        return (await conn.execute(sa.select(mail).order_by(mail.c.id))).all()


async def ledger(db: Database, *statuses: str, timeout: float = 20) -> Sequence[sa.Row[Any]]:
    """The ledger as soon as all its mails have one of the statuses."""
    async with asyncio.timeout(timeout):
        while True:
            found = await rows(db)
            if all(row.status in statuses for row in found):
                return found
            await asyncio.sleep(0.02)


async def make_due(db: Database, by: timedelta = timedelta(days=1)) -> None:
    """As if so much time had passed for every open mail."""
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                UPDATE mail SET due_at = due_at - CAST(:by AS interval)
                WHERE status IN ('pending', 'sending')
                """
            ),
            {"by": by},
        )


async def told(db: Database) -> list[dict[str, Any]]:
    """What was put into the outbox, in order."""
    async with db.read() as conn:
        payloads = (await conn.execute(sa.text("SELECT payload FROM outbox ORDER BY id"))).scalars()
        return [json.loads(payload) for payload in payloads]


async def test_mails_are_sent_and_said_to_be(db: Database, post_office: PostOffice) -> None:
    ids = await confirmed(db, 30)
    async with running(a_delivery(db, post_office.url)):
        found = await ledger(db, "sent")
    assert all(row.attempts == 1 and row.sent_at and row.lease_token is None for row in found)
    sent = {m["Message-ID"]: m["To"].addresses[0] for m in post_office.received}
    assert sent.keys() == {f"<confirmed.{one}.1@einlass.test>" for one in ids}
    assert {row.message_id for row in found} == {key.strip("<>") for key in sent}
    messages = await told(db)
    assert [m["seq"] for m in messages] == list(range(1, 31))
    assert {m["data"]["registration_id"] for m in messages} == {str(one) for one in ids}
    for message in messages:
        assert ADAPTER.validate_python(message).type == "mail.sent"
    assert post_office.connections <= 6


async def test_a_mail_goes_out_at_once_after_the_commit(
    db: Database, post_office: PostOffice
) -> None:
    delivery = a_delivery(db, post_office.url)
    async with running(delivery):
        await confirmed(db, 1, delivery)
        await post_office.wait(1)
        loop = asyncio.get_running_loop()
        taken = []
        for count in range(2, 12):
            began = loop.time()
            await confirmed(db, 1, delivery)
            await post_office.wait(count)
            taken.append(loop.time() - began)
    assert sorted(taken)[5] < 0.25


async def test_later_is_tried_later(db: Database, post_office: PostOffice) -> None:
    await confirmed(db, 1)
    post_office.on_recipient = lambda address: f"451 4.7.1 <{address}> greylisted, come again"
    async with running(a_delivery(db, post_office.url)):
        async with asyncio.timeout(10):
            while not (row := (await rows(db))[0]).attempts:
                await asyncio.sleep(0.02)
        assert (row.status, row.smtp_code) == ("pending", 451)
        assert "greylisted" in row.last_error
        assert "@" not in row.last_error
        async with db.read() as conn:
            wait = await conn.scalar(sa.text("SELECT due_at - clock_timestamp() FROM mail"))
        assert timedelta(seconds=40) < wait < timedelta(seconds=73)
        assert await told(db) == []
        post_office.on_recipient = lambda _: None
        await make_due(db)
        (row,) = await ledger(db, "sent")
    assert (row.attempts, row.smtp_code, row.last_error) == (2, None, None)
    assert (await told(db))[0]["data"]["attempts"] == 2


@pytest.mark.parametrize("step", ["on_mail", "on_recipient", "on_data"])
async def test_never_is_given_up_with_its_reason(
    db: Database, post_office: PostOffice, step: str
) -> None:
    await confirmed(db, 2)
    setattr(post_office, step, lambda _: "550 5.1.1 no such mailbox x@example.org")
    async with running(a_delivery(db, post_office.url)):
        found = await ledger(db, "failed")
    for row in found:
        assert (row.attempts, row.smtp_code) == (1, 550)
        assert "no such mailbox" in row.last_error
        assert "@" not in row.last_error
    messages = await told(db)
    assert [(m["type"], m["data"]["smtp_code"], m["seq"]) for m in messages] == [
        ("mail.failed", 550, 1),
        ("mail.failed", 550, 2),
    ]


async def test_one_bad_address_holds_up_nobody(db: Database, post_office: PostOffice) -> None:
    ids = await confirmed(db, 12)
    bad = f"{ids[3].hex}@example.org"
    post_office.on_recipient = lambda address: "550 unknown" if address == bad else None
    async with running(a_delivery(db, post_office.url, senders=1)):
        found = await ledger(db, "sent", "failed")
    assert [row.registration_id for row in found if row.status == "failed"] == [ids[3]]
    assert len(post_office.received) == 11


async def test_a_server_that_is_away_costs_no_try(db: Database, post_office: PostOffice) -> None:
    await confirmed(db, 20)
    await post_office.shut()
    delivery = a_delivery(db, post_office.url)
    async with running(delivery):
        await asyncio.sleep(0.6)
        assert [(row.attempts, row.last_error) for row in await rows(db)] == [(0, None)] * 20
        await post_office.open()
        found = await ledger(db, "sent")
    assert {row.attempts for row in found} == {1}


async def test_a_server_that_is_closing_down_costs_no_try(
    db: Database, post_office: PostOffice
) -> None:
    await confirmed(db, 5)
    post_office.on_mail = lambda _: "421 closing down"
    async with running(a_delivery(db, post_office.url)):
        await asyncio.sleep(0.3)
        assert {row.attempts for row in await rows(db)} == {0}
        post_office.on_mail = lambda _: None
        found = await ledger(db, "sent")
    assert {row.attempts for row in found} == {1}


# aiosmtpd warns of a login without TLS; it is on loopback here.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
async def test_a_wrong_password_costs_no_try(db: Database, post_office: PostOffice) -> None:
    await confirmed(db, 2)
    post_office.login = ("einlass", "ge:heim@")
    wrong = post_office.url.replace("//", "//einlass:falsch@")
    async with running(a_delivery(db, wrong)):
        await asyncio.sleep(0.3)
    assert {(row.status, row.attempts) for row in await rows(db)} == {("pending", 0)}
    right = post_office.url.replace("//", "//einlass:ge%3Aheim%40@")
    async with running(a_delivery(db, right)):
        await ledger(db, "sent")


async def test_connections_are_kept_and_renewed(db: Database, post_office: PostOffice) -> None:
    delivery = a_delivery(db, post_office.url, senders=1)
    async with running(delivery):
        await confirmed(db, 45, delivery)
        await ledger(db, "sent")
        assert post_office.connections == 3
        post_office.hang_up()
        await confirmed(db, 1, delivery)
        found = await ledger(db, "sent")
    assert {row.attempts for row in found} == {1}
    assert len(post_office.received) == 46


async def test_a_connection_lost_in_the_middle_is_tried_again(
    db: Database, post_office: PostOffice
) -> None:
    await confirmed(db, 1)

    def hang_up(_: EmailMessage) -> str | None:
        post_office.hang_up()
        return "250 never said"

    post_office.on_data = hang_up
    async with running(a_delivery(db, post_office.url)):
        async with asyncio.timeout(10):
            while not (row := (await rows(db))[0]).attempts:
                await asyncio.sleep(0.02)
        assert (row.status, row.smtp_code) == ("pending", None)
        assert row.last_error.startswith("DATA: ")
        post_office.on_data = lambda _: None
        await make_due(db)
        await ledger(db, "sent")


async def test_a_lease_that_ran_out_is_taken_again(db: Database, post_office: PostOffice) -> None:
    """As after a SIGKILL between claiming and settling."""
    await confirmed(db, 8)
    async with db.transaction() as conn:
        lost = await repository.claim(conn, uuid7(), 5, timedelta(minutes=5))
    assert len(lost) == 5
    async with running(a_delivery(db, post_office.url)):
        await post_office.wait(3)
        await asyncio.sleep(0.2)
        assert len(post_office.received) == 3
        await make_due(db)
        await ledger(db, "sent")
    assert len(post_office.received) == 8
    async with db.transaction() as conn:
        late = [service.Tried(one, Sent(), 0.5) for one in lost]
        await service.settle(conn, late, NOW)
    assert len(await told(db)) == 8


async def test_a_mail_claimed_twice_and_settled_at_once_is_told_once(db: Database) -> None:
    """As when the database is away for longer than the lease, and comes back."""
    await confirmed(db, 1)
    tried = []
    for _ in range(2):
        await make_due(db)
        async with db.transaction() as conn:
            (claimed,) = await repository.claim(conn, uuid7(), 1, timedelta(minutes=5))
        tried.append(service.Tried(claimed, Sent(), 0.5))
    async with db.transaction() as conn:
        await service.settle(conn, tried, NOW)
    assert [m["seq"] for m in await told(db)] == [1]


async def test_a_mail_sent_twice_is_the_same_mail(db: Database, post_office: PostOffice) -> None:
    """A process that dies between the server's 250 and the ledger's commit sends again."""
    await confirmed(db, 1)
    async with db.transaction() as conn:
        (claimed,) = await repository.claim(conn, uuid7(), 1, timedelta(minutes=5))
    connection = a_delivery(db, post_office.url).connect()
    await connection.send(MAILER.render(claimed.mail()))
    await connection.close()
    await make_due(db)
    async with running(a_delivery(db, post_office.url)):
        await ledger(db, "sent")
    first, second = post_office.received
    assert first.as_bytes() == second.as_bytes()
    assert first["Message-ID"] == second["Message-ID"]


async def test_two_processes_share_the_ledger(db: Database, post_office: PostOffice) -> None:
    ids = await confirmed(db, 200)
    async with running(a_delivery(db, post_office.url)), running(a_delivery(db, post_office.url)):
        await ledger(db, "sent")
    count = Counter(m["Message-ID"] for m in post_office.received)
    assert count == Counter({f"<confirmed.{one}.1@einlass.test>": 1 for one in ids})
    assert [m["seq"] for m in await told(db)] == list(range(1, 201))


async def test_the_mails_of_one_person_come_in_order(db: Database, post_office: PostOffice) -> None:
    story, anna = Story(), uuid7()
    await tell(
        db,
        [
            story.published(),
            story.waitlisted(anna),
            story.confirmed(anna, revision=2, via="waitlist"),
            story.changed(title="Neu"),
            story.cancelled(anna, revision=3),
        ],
    )
    async with running(a_delivery(db, post_office.url)):
        await ledger(db, "sent")
    kinds = [m["Message-ID"].strip("<").split(".")[0] for m in post_office.received]
    assert kinds == ["waitlisted", "promoted", "event_changed", "cancelled"]


async def test_what_cannot_be_rendered_holds_up_nobody(
    db: Database, post_office: PostOffice
) -> None:
    ids = await confirmed(db, 6)
    async with db.transaction() as conn:
        await conn.execute(
            sa.text("UPDATE mail SET content = content - 'event' WHERE registration_id = :id"),
            {"id": ids[2]},
        )
    async with running(a_delivery(db, post_office.url)):
        await post_office.wait(5)
        async with asyncio.timeout(10):
            while not (row := (await rows(db))[2]).attempts:
                await asyncio.sleep(0.02)
    assert (row.status, row.last_error) == ("pending", "render: ValidationError")


async def test_an_address_beyond_ascii(db: Database, post_office: PostOffice) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    await tell(db, [story.published(), story.confirmed(anna), story.confirmed(ben)])
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                UPDATE mail SET content =
                    jsonb_set(content, '{person,email}', CAST(:email AS jsonb))
                WHERE registration_id = :id
                """
            ),
            [
                {"id": anna, "email": '"gräfin@schloß.example.org"'},
                {"id": ben, "email": '"ben@müller.example.org"'},
            ],
        )
    post_office.smtputf8 = False
    async with running(a_delivery(db, post_office.url)):
        found = {row.registration_id: row for row in await ledger(db, "sent", "failed")}
    assert found[ben].status == "sent"
    assert found[anna].status == "failed"
    assert "SMTPUTF8" in found[anna].last_error
    assert post_office.received[0]["To"].addresses[0].addr_spec == "ben@xn--mller-kva.example.org"
    post_office.smtputf8 = True
    async with db.transaction() as conn:
        await service.resend(conn, found[anna].id, lambda: None)
    async with running(a_delivery(db, post_office.url)):
        await ledger(db, "sent")


async def test_stopping_finishes_and_gives_back(db: Database, post_office: PostOffice) -> None:
    await confirmed(db, 40)

    async def slowly() -> None:
        await post_office.wait(3)

    async with running(a_delivery(db, post_office.url, senders=1)):
        await slowly()
    found = await rows(db)
    assert {row.status for row in found} <= {"sent", "pending"}
    assert sum(row.status == "sent" for row in found) == len(post_office.received)
    assert all(row.attempts == 0 for row in found if row.status == "pending")
