"""Operators write to all of an event, over HTTP against the real database and an SMTP server."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import audit
from services.notifications.repository import broadcasts, delivery
from services.notifications.repository.delivery import Result
from tests.integration.notifications.desk import ANOTHER_EDITOR, EDITOR
from tests.integration.notifications.mailroom import a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import Story
from tests.support.waiting import until

BROADCASTS = "/mail/broadcasts"
TEXTS = {
    "de": {"subject": "Der Saal ist ein anderer", "text": "Wir sind im Kleinen Saal."},
    "en": {"subject": "Another hall", "text": "We are in the small hall."},
}


async def people(db: Database, story: Story) -> dict[str, UUID]:
    """One of each standing: two with a place, one who reads English; one who waits, one who is
    offered a place, one who has cancelled."""
    who = {name: uuid7() for name in ("ada", "bo", "cem", "dilek", "emre")}
    await tell(
        db,
        [
            story.published(),
            story.confirmed(who["ada"]),
            story.confirmed(who["bo"], locale="en"),
            story.waitlisted(who["cem"]),
            story.waitlisted(who["dilek"], position=2),
            story.offered(who["dilek"]),
            story.confirmed(who["emre"]),
            story.cancelled(who["emre"]),
        ],
    )
    return who


async def ask(
    api: httpx.AsyncClient, *, key: str | None = None, who: Any = EDITOR, **changes: Any
) -> httpx.Response:
    headers = {**who, "Idempotency-Key": key} if key is not None else who
    body = {"event": "stadt", "to": "all", "texts": TEXTS, **changes}
    return await api.post(BROADCASTS, json=body, headers=headers)


async def written(db: Database) -> Counter[UUID]:
    """To whom messages were written, and how often."""
    async with db.read() as conn:
        rows = await conn.execute(
            sa.text("SELECT registration_id FROM mail WHERE kind = 'message'")
        )
        return Counter(rows.scalars())


async def settled(api: httpx.AsyncClient, asked: dict[str, Any]) -> dict[str, Any]:
    """A broadcast as soon as none of its mails is open."""

    async def look() -> dict[str, Any]:
        return dict((await api.get(f"{BROADCASTS}/{asked['id']}")).json())

    return await until(look, lambda told: told["pending"] == 0)


async def settle(db: Database, kind: str = "%") -> None:
    """As if the mails of a kind had been sent."""
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                """
                UPDATE mail SET status = 'sent', sent_at = now(), lease_token = NULL
                WHERE kind LIKE :kind
                """
            ),
            {"kind": kind},
        )


@pytest.mark.parametrize(
    ("to", "whom"),
    [
        ("confirmed", ["ada", "bo"]),
        ("waiting", ["cem", "dilek"]),
        ("all", ["ada", "bo", "cem", "dilek"]),
    ],
)
async def test_who_gets_it_is_fixed_at_the_moment_of_asking(
    api: httpx.AsyncClient, db: Database, to: str, whom: list[str]
) -> None:
    story, other = Story(), Story()
    other.details = other.details.model_copy(update={"slug": "anders"})
    await tell(db, [other.published(), other.confirmed(uuid7()), other.waitlisted(uuid7())])
    who = await people(db, story)
    answer = await ask(api, to=to, reason="Der große Saal ist gesperrt.")
    await tell(db, [story.confirmed(uuid7()), story.cancelled(who["ada"])])
    assert await written(db) == Counter({who[name]: 1 for name in whom})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["recipients"], told["pending"], told["sent"]) == (len(whom), len(whom), 0)
    assert (told["event"], told["to"], told["texts"]) == ("stadt", to, TEXTS)
    assert (told["asked_by"], told["reason"]) == ("edda", "Der große Saal ist gesperrt.")
    assert api.app.state.rung == [1]  # type: ignore[attr-defined]


async def test_everybody_reads_it_in_their_language_and_the_operator_sees_how_far_it_is(
    api: httpx.AsyncClient, db: Database, post_office: PostOffice
) -> None:
    who = await people(db, Story())
    await settle(db)
    refused = f"{who['cem'].hex}@example.org"
    post_office.on_recipient = lambda address: "550 unknown" if address == refused else None
    asked = (await ask(api)).json()
    async with running(a_delivery(db, post_office.url)):
        mails = await post_office.wait(3)
        told = await settled(api, asked)
    assert {n: told[n] for n in ("recipients", "sent", "failed", "withdrawn")} == {
        "recipients": 4,
        "sent": 3,
        "failed": 1,
        "withdrawn": 0,
    }
    subjects = {str(m["To"].addresses[0].username): str(m["Subject"]) for m in mails}
    assert subjects == {
        who["ada"].hex: "Der Saal ist ein anderer",
        who["bo"].hex: "Another hall",
        who["dilek"].hex: "Der Saal ist ein anderer",
    }
    ledger = (await api.get("/mail", params={"kind": "message", "status": "failed"})).json()
    assert [m["registration_id"] for m in ledger["mails"]] == [str(who["cem"])]


async def test_the_same_key_writes_once(api: httpx.AsyncClient, db: Database) -> None:
    await people(db, Story())
    answers = await asyncio.gather(*(ask(api, key="once") for _ in range(5)))
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["id"] for one in answers}) == 1
    assert set((await written(db)).values()) == {1}
    assert api.app.state.rung == [1]  # type: ignore[attr-defined]
    other = await ask(api, key="once", to="waiting")
    assert (other.status_code, other.json()["code"]) == (422, "broadcast_key_reused")
    # It is the operator's own key.
    assert (await ask(api, key="once", who=ANOTHER_EDITOR)).json()["recipients"] == 4
    assert set((await written(db)).values()) == {2}


async def test_without_a_key_it_is_written_again(api: httpx.AsyncClient, db: Database) -> None:
    await people(db, Story())
    assert (await ask(api)).json()["id"] != (await ask(api)).json()["id"]
    assert set((await written(db)).values()) == {2}


async def test_what_is_not_sent_can_be_taken_back(
    api: httpx.AsyncClient, db: Database, post_office: PostOffice
) -> None:
    """Of four mails the first is sent, the second is on the line and comes back, two wait."""
    await people(db, Story())
    await settle(db)
    asked = (await ask(api)).json()
    here = f"{BROADCASTS}/{asked['id']}"
    mails = 0
    loop, taken = asyncio.get_running_loop(), asyncio.Event()

    def on_data(_: object) -> str | None:
        nonlocal mails
        mails += 1
        if mails < 2:
            return None
        loop.create_task(take_back())
        return "451 later"

    async def take_back() -> None:
        answer = await api.post(f"{here}/cancellation", json={"reason": "Irrtum"}, headers=EDITOR)
        assert answer.status_code == 200
        taken.set()

    post_office.on_data = on_data
    async with running(a_delivery(db, post_office.url, senders=1, batch=1)):
        await asyncio.wait_for(taken.wait(), 20)
    told = (await api.get(here)).json()
    assert (told["sent"], told["pending"], told["withdrawn"]) == (1, 0, 3)
    assert (told["cancelled_by"], told["cancel_reason"]) == ("edda", "Irrtum")
    assert told["cancelled_at"] is not None
    again = await api.post(f"{here}/cancellation", headers=ANOTHER_EDITOR)
    assert again.json() == told
    assert len(post_office.received) == 1
    mail = (await api.get("/mail", params={"status": "withdrawn"})).json()["mails"][0]
    assert (mail["resendable"], mail["next_attempt_at"]) == (False, None)
    sent_again = await api.post(f"/mail/{mail['id']}/resend", headers=EDITOR)
    assert sent_again.json()["code"] == "mail_forgotten"


@pytest.mark.parametrize("first", ["settle", "cancel"])
async def test_what_comes_back_while_it_is_taken_back_is_withdrawn(
    api: httpx.AsyncClient, db: Database, first: str
) -> None:
    """A mail was refused for now; whichever of the two begins first, the other waits and sees
    what it did."""
    story = Story()
    await tell(db, [story.published(), story.confirmed(uuid7())])
    await settle(db)
    broadcast_id = UUID((await ask(api)).json()["id"])
    async with db.transaction() as conn:
        (claimed,) = await delivery.claim(conn, uuid7(), 10, timedelta(minutes=5))
    result = Result(claimed.id, claimed.token, "pending", tries=1, smtp_code=451)

    async def settle_it(conn: AsyncConnection) -> None:
        await delivery.finish(conn, [result])

    async def take_it_back(conn: AsyncConnection) -> None:
        await broadcasts.cancel(conn, broadcast_id, "edda", None)

    async def then(act: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        async with db.transaction() as conn:
            await act(conn)

    one, other = settle_it, take_it_back
    if first == "cancel":
        one, other = other, one
    async with db.transaction() as conn:
        await one(conn)
        following = asyncio.create_task(then(other))
        await until(lambda: waits_for_a_lock(db), bool)
    await asyncio.wait_for(following, 10)
    told = (await api.get(f"{BROADCASTS}/{broadcast_id}")).json()
    assert (told["pending"], told["withdrawn"]) == (0, 1)


async def waits_for_a_lock(db: Database) -> bool:
    """Whether somebody in this database waits for somebody else."""
    async with db.read() as conn:
        return bool(
            await conn.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
        )


async def test_what_a_dead_process_had_in_hand_is_not_sent_after_it_was_taken_back(
    api: httpx.AsyncClient, db: Database, post_office: PostOffice
) -> None:
    await people(db, Story())
    await settle(db)
    asked = (await ask(api)).json()
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                "UPDATE mail SET status = 'sending', lease_token = uuidv7() WHERE kind = 'message'"
            )
        )
    here = f"{BROADCASTS}/{asked['id']}"
    told = (await api.post(f"{here}/cancellation", headers=EDITOR)).json()
    assert (told["pending"], told["withdrawn"]) == (4, 0)
    async with running(a_delivery(db, post_office.url)):
        told = await settled(api, asked)
    assert (told["withdrawn"], post_office.received) == (4, [])


async def test_what_is_sent_stays_sent(api: httpx.AsyncClient, db: Database) -> None:
    await people(db, Story())
    asked = (await ask(api)).json()
    await settle(db)
    here = f"{BROADCASTS}/{asked['id']}"
    answer = await api.post(f"{here}/cancellation", headers=EDITOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "broadcast_sent")
    assert (await api.get(here)).json()["cancelled_at"] is None


async def test_answers_go_first(
    api: httpx.AsyncClient, db: Database, post_office: PostOffice
) -> None:
    story = Story()
    await tell(db, [story.published(), *(story.confirmed(uuid7()) for _ in range(50))])
    await settle(db)
    await ask(api)
    late = [uuid7() for _ in range(5)]
    await tell(db, [story.confirmed(one) for one in late])
    async with running(a_delivery(db, post_office.url, senders=1, batch=5)):
        mails = await post_office.wait(55)
    kinds = [str(m["Message-ID"]).strip("<").partition(".")[0] for m in mails]
    assert kinds == ["confirmed"] * 5 + ["message"] * 50


async def test_nobody_reads_it_before_that_they_have_a_place(
    api: httpx.AsyncClient, db: Database
) -> None:
    story = Story()
    await tell(db, [story.published(), *(story.confirmed(uuid7()) for _ in range(10))])
    await ask(api)

    async def claimed() -> Counter[str]:
        async with db.transaction() as conn:
            found = await delivery.claim(conn, uuid7(), 50, timedelta(minutes=5))
        return Counter(one.kind for one in found)

    assert await claimed() == {"confirmed": 10}
    assert await claimed() == {}
    await settle(db, "confirmed")
    assert await claimed() == {"message": 10}


async def test_they_are_listed_newest_first_in_parts(api: httpx.AsyncClient, db: Database) -> None:
    other = Story()
    other.details = other.details.model_copy(update={"slug": "anders"})
    await tell(db, [other.published(), other.confirmed(uuid7())])
    await people(db, Story())
    made = [(await ask(api)).json()["id"] for _ in range(3)]
    elsewhere = (await ask(api, event="anders")).json()["id"]

    async def listed(**params: Any) -> tuple[list[str], str | None]:
        found = (await api.get(BROADCASTS, params=params)).json()
        return [one["id"] for one in found["broadcasts"]], found["next_before"]

    assert await listed() == ([elsewhere, *made[::-1]], None)
    assert await listed(event="stadt", limit=2) == (made[:0:-1], made[1])
    assert await listed(event="stadt", limit=2, before=made[1]) == (made[:1], None)
    assert await listed(event="nirgends") == ([], None)


async def test_the_audit_misses_nothing_and_nobody(api: httpx.AsyncClient, db: Database) -> None:
    """The mails to all are no substitute for those that people must get, and no finding."""
    story = Story()
    await people(db, story)
    await ask(api)
    await tell(db, [story.called_off()])
    assert (await ask(api)).status_code == 202
    (found,) = (await audit.look(db, None)).events.values()
    assert (found.people, found.missing) == (5, 0)
    async with db.transaction() as conn:
        await conn.execute(sa.text("DELETE FROM mail WHERE kind = 'confirmed'"))
    (found,) = (await audit.look(db, None)).events.values()
    assert found.missing == 2


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"event": "nirgends"}, 404, "no_such_event"),
        ({"to": "everybody"}, 422, "invalid"),
        ({"texts": {}}, 422, "invalid"),
        ({"texts": {"fr": TEXTS["de"]}}, 422, "invalid"),
        ({"texts": {"de": {"subject": "a\r\nBcc: b@example.org", "text": "c"}}}, 422, "invalid"),
        ({"texts": {"de": {"subject": "a", "text": " \n "}}}, 422, "invalid"),
        ({"texts": {"de": {"subject": "a", "text": "b\0"}}}, 422, "invalid"),
        ({"texts": {"de": {"subject": "a" * 151, "text": "b"}}}, 422, "invalid"),
        ({"reason": ""}, 422, "invalid"),
    ],
)
async def test_problems(
    api: httpx.AsyncClient, db: Database, changes: dict[str, Any], status: int, code: str
) -> None:
    await people(db, Story())
    answer = await ask(api, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not await written(db)


async def test_nobody_to_write_to(api: httpx.AsyncClient, db: Database) -> None:
    story = Story()
    await tell(db, [story.published(), story.confirmed(uuid7())])
    for key in (None, "key"):
        answer = await ask(api, to="waiting", key=key)
        assert (answer.status_code, answer.json()["code"]) == (409, "nobody_to_write_to")
    await tell(db, [story.waitlisted(uuid7())])
    assert (await ask(api, to="waiting", key="key")).status_code == 202


async def test_viewers_only_look(api: httpx.AsyncClient, db: Database) -> None:
    await people(db, Story())
    asked = (await ask(api)).json()
    assert (await ask(api, who={})).status_code == 403
    here = f"{BROADCASTS}/{asked['id']}"
    assert (await api.post(f"{here}/cancellation")).json()["code"] == "forbidden"
    assert (await api.get(here)).json() == asked
    assert (await api.get(f"{BROADCASTS}/{UUID(int=1)}")).json()["code"] == "broadcast_not_found"
    gone = await api.post(f"{BROADCASTS}/{UUID(int=1)}/cancellation", headers=EDITOR)
    assert (gone.status_code, gone.json()["code"]) == (404, "broadcast_not_found")
