"""A mail to a subscriber of the newsletter goes through the same ledger, and is told to nobody."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.kit.db import Database, after_commit
from services.kit.ids import uuid7
from services.notifications import audit, service
from services.notifications.domain.mail import SubscriberMail
from services.notifications.repository import ledger
from tests.integration.notifications.mailroom import a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import NOW, Story
from tests.support.waiting import until

LINK = "https://einlass.test/newsletter/confirm/geheim"


def confirmation(subscriber_id: UUID, version: int = 1, **changes: Any) -> SubscriberMail:
    usual: dict[str, Any] = {
        "kind": "newsletter_confirm",
        "email": f"{subscriber_id.hex}@example.org",
        "locale": "de",
        "confirm_url": LINK,
        "valid_until": NOW + timedelta(hours=48),
    }
    return SubscriberMail(subscriber_id=subscriber_id, version=version, **{**usual, **changes})


async def write(db: Database, *mails: SubscriberMail) -> list[bool]:
    async with db.transaction() as conn:
        return [await ledger.write_to_subscriber(conn, one) for one in mails]


async def outbox(db: Database) -> int:
    async with db.read() as conn:
        return int(await conn.scalar(sa.text("SELECT count(*) FROM outbox")) or 0)


async def test_it_is_written_once_for_each_version(db: Database) -> None:
    ada, bo = uuid7(), uuid7()
    assert await write(db, confirmation(ada), confirmation(bo)) == [True, True]
    assert await write(db, confirmation(ada), confirmation(ada, 2)) == [False, True]


async def test_it_is_sent_at_once_and_told_on_no_topic(
    db: Database, post_office: PostOffice
) -> None:
    story, somebody, subscriber = Story(), uuid7(), uuid7()
    await tell(db, [story.published(), story.confirmed(somebody)])
    delivery = a_delivery(db, post_office.url)
    async with running(delivery):
        await post_office.wait(1)
        async with db.transaction() as conn:
            await ledger.write_to_subscriber(conn, confirmation(subscriber, locale="en"))
            after_commit(conn, delivery.wake.notify)
        mail = (await post_office.wait(2))[1]
        await until(lambda: outbox(db), lambda messages: messages == 1)
    assert mail["Message-ID"] == f"<newsletter_confirm.{subscriber}.1@einlass.test>"
    assert mail["To"].addresses[0].addr_spec == f"{subscriber.hex}@example.org"
    assert mail["Subject"] == "Please confirm: newsletter – Stiftung"
    async with db.read() as conn:
        statuses = await conn.execute(sa.text("SELECT kind, status FROM mail ORDER BY id"))
        assert [tuple(row) for row in statuses] == [
            ("confirmed", "sent"),
            ("newsletter_confirm", "sent"),
        ]
    assert await outbox(db) == 1


async def test_one_that_is_refused_is_given_up_and_told_on_no_topic(
    db: Database, post_office: PostOffice
) -> None:
    post_office.on_recipient = lambda _: "550 unknown"
    subscriber = uuid7()
    await write(db, confirmation(subscriber))

    async def failed() -> int:
        async with db.read() as conn:
            found = await conn.scalar(sa.text("SELECT smtp_code FROM mail WHERE status = 'failed'"))
            return int(found or 0)

    async with running(a_delivery(db, post_office.url)):
        assert await until(failed, bool) == 550
    assert await outbox(db) == 0


async def test_it_goes_among_the_answers(db: Database, post_office: PostOffice) -> None:
    story = Story()
    people = [uuid7() for _ in range(30)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in people)])
    async with db.transaction() as conn:
        await conn.execute(sa.text("UPDATE mail SET status = 'sent', sent_at = now()"))
    await tell(db, [story.changed(place="Stadthalle")])
    await write(db, confirmation(uuid7()))
    async with running(a_delivery(db, post_office.url, senders=1, batch=4)):
        mails = await post_office.wait(31)
    assert str(mails[0]["Message-ID"]).startswith("<newsletter_confirm.")


async def test_operators_see_that_it_went_and_not_to_whom(
    api: httpx.AsyncClient, db: Database
) -> None:
    await tell(db, [(story := Story()).published(), story.confirmed(uuid7())])
    await write(db, confirmation(uuid7()))
    answer = await api.get("/mail", params={"kind": "newsletter_confirm"})
    (mail,) = answer.json()["mails"]
    assert (mail["registration_id"], mail["event_id"], mail["event"]) == (None, None, None)
    assert (mail["status"], mail["version"]) == ("pending", 1)
    assert (await api.get(f"/mail/{mail['id']}")).json() == mail
    assert "@" not in answer.text
    assert LINK not in answer.text
    kinds = [one["kind"] for one in (await api.get("/mail")).json()["mails"]]
    assert kinds == ["newsletter_confirm", "confirmed"]


async def test_its_address_and_link_are_forgotten_like_others(db: Database) -> None:
    await write(db, confirmation(uuid7()))
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                "UPDATE mail SET status = 'sent', sent_at = now(), "
                "due_at = now() - interval '31 days'"
            )
        )
        assert await service.forget_old(conn) == 1


async def test_the_audit_counts_it_as_overdue_and_as_nobodys(db: Database) -> None:
    await write(db, confirmation(uuid7()))
    async with db.transaction() as conn:
        await conn.execute(sa.text("UPDATE mail SET due_at = now() - interval '1 hour'"))
    seen = await audit.look(db, None)
    assert (seen.overdue, dict(seen.events)) == (1, {})


@pytest.mark.parametrize("columns", ["registration_id", "event_id"])
async def test_a_mail_goes_to_one_of_the_two(db: Database, columns: str) -> None:
    await tell(db, [(story := Story()).published()])
    await write(db, confirmation(uuid7()))
    with pytest.raises(IntegrityError):
        async with db.transaction() as conn:
            await conn.execute(sa.text(f"UPDATE mail SET {columns} = :id"), {"id": story.event_id})
