"""Which of many due mails goes first, seen at the SMTP server."""

from uuid import UUID

import sqlalchemy as sa

from services.contracts.registration import RegistrationMessage
from services.kit.db import Database
from services.kit.ids import uuid7
from tests.integration.notifications.mailroom import a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import Story

CROWD = 200
"""Mails that lie before, many batches of them."""
BATCH = 4
SOON = 3 * BATCH
"""A mail that waits for the one before to be settled comes in one of the next batches."""


async def kinds_as_they_came(db: Database, office: PostOffice, mails: int) -> list[str]:
    """Sends all of the ledger over one connection, a few at a time: `<kind>.<registration>`."""
    async with running(a_delivery(db, office.url, senders=1, batch=BATCH)):
        await office.wait(mails, timeout=60)
    return [
        str(m["Message-ID"]).strip("<>").partition("@")[0].rpartition(".")[0]
        for m in office.received
    ]


async def test_a_promotion_waits_behind_no_crowd_of_confirmations(
    db: Database, post_office: PostOffice
) -> None:
    story, anna = Story(), uuid7()
    crowd = [uuid7() for _ in range(CROWD)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in crowd)])
    # The mail that she waits, which must come before, lies behind the crowd as well.
    await tell(db, [story.waitlisted(anna)])
    await tell(db, [story.confirmed(anna, revision=2, via="waitlist")])
    came = await kinds_as_they_came(db, post_office, CROWD + 2)
    assert came[0] == f"waitlisted.{anna}"
    assert came.index(f"promoted.{anna}") < SOON
    assert len(set(came)) == CROWD + 2


async def test_an_offer_waits_behind_no_crowd_and_its_end_behind_no_mail_to_all(
    db: Database, post_office: PostOffice
) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    crowd = [uuid7() for _ in range(CROWD)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in crowd)])
    await tell(db, [story.waitlisted(ben), story.offered(ben)])
    await sent_already(db, [*crowd[CROWD // 2 :], ben])
    await tell(db, [story.changed(place="Stadthalle")])
    await tell(db, [story.waitlisted(anna), story.offered(anna)])
    await tell(db, [story.offer_ended(ben)])
    half = CROWD // 2
    came = await kinds_as_they_came(db, post_office, half + CROWD + 4)
    assert came.index(f"offered.{anna}") < SOON
    assert came.index(f"offer_ended.{ben}") < half + SOON
    assert {one.partition(".")[0] for one in came[-half:]} == {"event_changed"}


async def test_an_answer_waits_behind_no_mail_to_all(db: Database, post_office: PostOffice) -> None:
    story, anna = Story(), uuid7()
    crowd = [uuid7() for _ in range(CROWD)]
    await tell(db, [story.published(), *(story.confirmed(one) for one in crowd)])
    await sent_already(db, crowd)
    await tell(db, [story.changed(place="Stadthalle")])
    await tell(db, [story.confirmed(anna)])
    # One of the crowd cancels, and is told of the change first, and of both before the others.
    await tell(db, [story.cancelled(crowd[-1])])
    came = await kinds_as_they_came(db, post_office, CROWD + 2)
    assert set(came[:2]) == {f"confirmed.{anna}", f"event_changed.{crowd[-1]}"}
    assert came.index(f"cancelled.{crowd[-1]}") < SOON
    assert len(set(came)) == CROWD + 2


async def test_repeats_change_no_order(db: Database, post_office: PostOffice) -> None:
    story, anna = Story(), uuid7()
    messages: list[RegistrationMessage] = [
        story.published(),
        story.waitlisted(anna),
        story.confirmed(anna, revision=2, via="waitlist"),
        story.cancelled(anna, revision=3),
    ]
    await tell(db, messages)
    await tell(db, messages)
    came = await kinds_as_they_came(db, post_office, 3)
    assert came == [f"waitlisted.{anna}", f"promoted.{anna}", f"cancelled.{anna}"]


async def sent_already(db: Database, people: list[UUID]) -> None:
    """As if all mails to them had been sent."""
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                UPDATE mail SET status = 'sent', sent_at = now()
                WHERE registration_id = ANY(:people)
                """
            ),
            {"people": people},
        )
