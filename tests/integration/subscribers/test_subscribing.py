"""Asking for the newsletter, confirming, and what is kept of it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as events
from sqlalchemy.exc import DBAPIError

from services.kit.errors import NotFound
from services.notifications.subscribers import orders, own, service
from services.notifications.subscribers.domain.errors import (
    AddressSuppressed,
    ConfirmationExpired,
)
from services.notifications.subscribers.domain.model import Reason, Subscriber
from services.notifications.subscribers.links import Links
from services.notifications.subscribers.repository import asking, people
from tests.integration.subscribers.people import HOUR, NOW, World

ADA = "ada@example.org"


async def test_from_asking_to_being_subscribed(world: World) -> None:
    await world.ask(ADA, "en")
    assert await world.status(ADA) == "unknown"
    assert await world.take() == 1
    who = await world.find(ADA)
    assert who is not None
    assert (who.status, who.locale) == ("asked", "en")
    assert await world.mails() == [(who.id, 1, ADA)]
    assert world.rung == [1]
    world.now += HOUR
    done = await world.confirm(who.id)
    assert done.new
    assert done.subscriber.status == "active"
    async with world.db.read() as conn:
        found = await service.person(conn, who.id)
    [consent] = found.consents
    assert (consent.asked_at, consent.confirmed_at) == (NOW, NOW + HOUR)
    assert (consent.source, consent.locale, consent.email) == ("form", "en", ADA)
    assert consent.wording is not None
    assert "Stiftung Stadt und Land" in consent.wording
    assert await world.kinds(who.id) == ["asked", "confirmed"]


async def test_a_thousand_requests_for_one_address_make_one_mail(world: World) -> None:
    spellings = [ADA, "ADA@example.org", " ada@EXAMPLE.org", "Ada@Example.Org"]
    async with world.db.transaction() as conn:
        for number in range(1_000):
            await service.ask(conn, spellings[number % 4], "de", "form", world.now)
    taken = await asyncio.gather(*(world.take(100) for _ in range(4)))
    while left := await world.take(100):
        taken.append(left)
    assert sum(taken) == 1_000
    assert len(await world.mails()) == 1
    for _ in range(23):
        world.now += HOUR
        await world.ask(ADA)
        await world.take()
    assert len(await world.mails()) == 1
    world.now += HOUR
    await world.ask(ADA)
    await world.take()
    assert [version for _, version, _ in await world.mails()] == [1, 2]


async def test_two_schedulers_at_once_make_one_mail(world: World) -> None:
    for _ in range(20):
        await world.ask(ADA)
    await asyncio.gather(*(world.take(5) for _ in range(4)))
    assert len(await world.mails()) == 1


async def test_asking_costs_the_same_whoever_it_is(world: World) -> None:
    await world.subscribed("known@example.org")
    await world.subscribed("gone@example.org")
    await world.suppress(email="gone@example.org", reason="complained")
    said: list[str] = []

    def hear(_a: Any, _b: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    engine = world.db.engine.sync_engine
    events.listen(engine, "before_cursor_execute", hear)
    try:
        for email in ("new@example.org", "known@example.org", "gone@example.org"):
            await world.ask(email)
    finally:
        events.remove(engine, "before_cursor_execute", hear)
    assert len(said) == 3
    assert len(set(said)) == 1
    await world.take()
    assert [email for _, _, email in await world.mails()] == [
        "known@example.org",
        "gone@example.org",
        "new@example.org",
    ]


@pytest.mark.parametrize("reason", ["bounced", "complained", "operator"])
async def test_nothing_is_sent_to_a_suppressed_address(world: World, reason: Reason) -> None:
    await world.suppress(email="Ada@example.org", reason=reason)
    await world.ask(ADA)
    await world.take()
    assert await world.mails() == []
    assert await world.status(ADA) == "unknown"


async def test_a_link_runs_out_after_two_days(world: World) -> None:
    who = await world.asked(ADA)
    world.now += 48 * HOUR - timedelta(seconds=1)
    async with world.db.read() as conn:
        found = await asking.one(conn, who.id, 1)
    assert found is not None
    world.now += timedelta(seconds=1)
    with pytest.raises(ConfirmationExpired):
        await world.confirm(who.id)
    assert await world.status(ADA) == "asked"
    again = await world.asked(ADA)
    assert (again.id, again.version) == (who.id, 2)
    assert (await world.confirm(who.id, 2)).subscriber.status == "active"


async def test_a_link_works_until_the_last_second(world: World) -> None:
    who = await world.asked(ADA)
    world.now += 48 * HOUR - timedelta(seconds=1)
    assert (await world.confirm(who.id)).new


async def test_an_earlier_link_works_beside_a_later_one(world: World) -> None:
    who = await world.asked(ADA)
    world.now += 24 * HOUR
    await world.asked(ADA)
    assert (await world.confirm(who.id, 1)).new
    assert (await world.confirm(who.id, 2)).new


async def test_two_confirmations_at_once_are_one(world: World) -> None:
    who = await world.asked(ADA)
    done = await asyncio.gather(*(world.confirm(who.id) for _ in range(8)))
    assert sorted(one.new for one in done) == [False] * 7 + [True]
    assert await world.kinds(who.id) == ["asked", "confirmed"]
    assert len(await world.rows("SELECT 1 FROM consent")) == 1


async def test_an_old_link_brings_nobody_back(world: World) -> None:
    who = await world.subscribed(ADA)
    async with world.db.transaction() as conn:
        await own.leave(conn, who, "own_page", world.now)
    assert not (await world.confirm(who.id)).new
    assert await world.status(ADA) == "left"


async def test_who_left_comes_back_by_confirming(world: World) -> None:
    who = await world.subscribed(ADA)
    async with world.db.transaction() as conn:
        await own.leave(conn, who, "one_click", world.now)
    assert [row.reason for row in await world.rows("SELECT reason FROM suppression")] == ["left"]
    world.now += 25 * HOUR
    again = await world.asked(ADA)
    assert again.status == "left"
    assert (await world.confirm(who.id, again.version)).subscriber.status == "active"
    assert await world.rows("SELECT 1 FROM suppression") == []
    assert len(await world.rows("SELECT 1 FROM consent")) == 2


async def test_who_is_suppressed_meanwhile_cannot_confirm(world: World) -> None:
    who = await world.asked(ADA)
    await world.suppress(subscriber_id=who.id, reason="operator", by="ada", note="asked by phone")
    with pytest.raises(AddressSuppressed):
        await world.confirm(who.id)
    assert await world.status(ADA) == "suppressed"


@pytest.mark.parametrize("by_id", [True, False])
async def test_suppressing_and_confirming_at_once_leave_nobody_active(
    world: World, by_id: bool
) -> None:
    for number in range(10):
        email = f"ada{number}@example.org"
        who = await world.asked(email)
        wish = {"subscriber_id": who.id} if by_id else {"email": email}
        await asyncio.gather(
            world.confirm(who.id),
            world.suppress(reason="complained", **wish),
            return_exceptions=True,
        )
    assert {row.status for row in await world.rows("SELECT status FROM subscriber")} == {
        "suppressed"
    }


async def test_a_graver_reason_takes_the_place_of_a_lighter_one(world: World) -> None:
    who = await world.subscribed(ADA)
    assert await world.suppress(subscriber_id=who.id, reason="left")
    assert await world.status(ADA) == "left"
    assert await world.suppress(subscriber_id=who.id, reason="bounced")
    assert await world.status(ADA) == "suppressed"
    assert not await world.suppress(subscriber_id=who.id, reason="left")
    assert await world.suppress(subscriber_id=who.id, reason="complained")
    assert not await world.suppress(subscriber_id=who.id, reason="bounced")


async def moved(world: World) -> Subscriber:
    """Somebody who was Ada's address before."""
    who = await world.subscribed(ADA)
    await world.ask("new@example.org", source="own_page", who=who.id)
    await world.take()
    return (await world.confirm(who.id, who.version + 1)).subscriber


async def test_a_bounce_of_a_former_address_suppresses_that_one_alone(world: World) -> None:
    who = await moved(world)
    bounce = {"subscriber_id": who.id, "reason": "bounced", "note": "hard 5.1.1"}
    assert await world.suppress(**bounce, generation=1)
    assert not await world.suppress(**bounce, generation=1)
    assert not await world.suppress(**bounce, generation=7)
    assert await world.status("new@example.org") == "active"
    world.now += 25 * HOUR
    await world.ask(ADA)
    await world.take()
    assert await world.status(ADA) == "unknown"
    assert await world.suppress(**bounce, generation=2)
    assert await world.status("new@example.org") == "suppressed"


async def test_who_has_a_former_address_now_is_suppressed_with_it(world: World) -> None:
    who = await moved(world)
    world.now += 25 * HOUR
    await world.subscribed(ADA)
    assert await world.suppress(subscriber_id=who.id, reason="bounced", generation=1)
    assert await world.status(ADA) == "suppressed"
    assert await world.status("new@example.org") == "active"


async def test_erasing_a_person_empties_and_withdraws_their_mails(world: World) -> None:
    who = await world.subscribed(ADA)
    other = await world.subscribed("eva@example.org")
    for status in ("sent", "failed", "sending"):
        await world.ask(f"{status}@example.org", source="own_page", who=who.id)
        await world.take()
    async with world.db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                UPDATE mail SET status = split_part(content ->> 'email', '@', 1),
                    sent_at = now(), lease_token = CASE content ->> 'email'
                        WHEN 'sending@example.org' THEN uuidv7() END
                WHERE subscriber_id = :who AND content ->> 'email' <> :ada
                """
            ),
            {"who": who.id, "ada": ADA},
        )
        await orders.erase(conn, who.id, "ada", "Asked by letter", world.now)
    found = await world.rows("SELECT subscriber_id, status, content, lease_token FROM mail")
    mine = [row for row in found if row.subscriber_id == who.id]
    assert sorted(row.status for row in mine) == ["failed", "sent", "withdrawn", "withdrawn"]
    assert {(row.content, row.lease_token) for row in mine} == {(None, None)}
    [hers] = [row for row in found if row.subscriber_id == other.id]
    assert (hers.status, hers.content["email"]) == ("pending", "eva@example.org")


async def test_nobody_confirms_what_was_never_asked(world: World, links: Links) -> None:
    who = await world.asked(ADA)
    with pytest.raises(NotFound):
        await world.confirm(who.id, 2)
    async with world.db.read() as conn:
        for token in ("", "x" * 22, links.own(who.id, 1).rsplit("/", 1)[1]):
            with pytest.raises(NotFound):
                await service.asked(conn, links, who.id, 1, token)


@pytest.mark.parametrize("table", ["consent", "subscriber_journal"])
async def test_evidence_never_changes(world: World, table: str) -> None:
    await world.subscribed(ADA)
    with pytest.raises(DBAPIError, match="evidence never changes"):
        async with world.db.transaction() as conn:
            await conn.execute(sa.text(f"UPDATE {table} SET by = 'somebody'"))


async def test_who_never_confirms_is_forgotten(world: World) -> None:
    await world.asked(ADA)
    active = await world.subscribed("eva@example.org")
    world.now += timedelta(days=29)
    async with world.db.transaction() as conn:
        await asking.forget(conn, world.now)
    assert await world.status(ADA) == "asked"
    world.now += timedelta(days=4)
    async with world.db.transaction() as conn:
        while await asking.forget(conn, world.now):
            pass
    assert await world.status(ADA) == "unknown"
    assert await world.status("eva@example.org") == "active"
    left = {row.subscriber_id for row in await world.rows("SELECT * FROM subscriber_journal")}
    assert left == {active.id}
    assert await world.rows("SELECT 1 FROM asked_address") == []


async def test_a_pause_ends_by_itself(world: World) -> None:
    who = await world.subscribed(ADA)
    async with world.db.transaction() as conn:
        await own.pause(conn, who, NOW + timedelta(days=90), world.now)
    assert await world.status(ADA) == "paused"
    world.now += timedelta(days=90) - timedelta(seconds=1)
    async with world.db.transaction() as conn:
        assert await people.end_pauses(conn, world.now, 10) == 0
    world.now += timedelta(seconds=1)
    async with world.db.transaction() as conn:
        assert await people.end_pauses(conn, world.now, 10) == 1
    assert await world.status(ADA) == "active"
    assert await world.kinds(who.id) == ["asked", "confirmed", "paused", "resumed"]
