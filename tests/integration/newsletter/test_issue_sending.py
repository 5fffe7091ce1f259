"""From the planned time on: begun once, frozen, counted, stopped, settled."""

import asyncio
from datetime import datetime, timedelta

import pytest

from services.notifications.newsletter import repository, service
from services.notifications.newsletter.planning import Actor
from tests.integration.newsletter.newsroom import ISSUES, WORDS, Newsroom

pytestmark = pytest.mark.stack


async def test_nothing_begins_before_its_time(room: Newsroom) -> None:
    issue = await room.draft()
    await room.plan(issue)
    room.clock.advance(timedelta(hours=23, minutes=59))
    assert await room.timer.look() == 0
    room.clock.advance(timedelta(minutes=1))
    assert await room.timer.look() == 1
    assert await room.timer.look() == 0
    sent = await room.read(issue)
    assert (sent["status"], sent["number"]) == ("sending", {"year": 2027, "number": 1})


async def test_planned_before_summer_time_and_sent_after_its_beginning(room: Newsroom) -> None:
    issue = await room.draft()
    (await room.plan(issue, at="2027-03-30T10:00:00+02:00")).raise_for_status()
    room.clock.advance(datetime.fromisoformat("2027-03-30T07:59:59Z") - room.clock.now())
    assert await room.timer.look() == 0
    room.clock.advance(timedelta(seconds=1))
    assert await room.timer.look() == 1


async def test_who_gets_it_is_fixed_when_it_begins(room: Newsroom) -> None:
    await room.subscribe("ada@example.org", "bea@example.org")
    issue = await room.sent()
    await room.subscribe("carl@example.org")
    counts = (await room.vera.get(f"{ISSUES}/{issue['id']}/counts")).json()
    assert (counts["total"], counts["pending"], counts["state"]) == (2, 2, "running")
    letters = (await room.run("SELECT letters FROM send"))[0].letters
    rendered = (await room.run("SELECT subject, html, text FROM issue_rendering"))[0]
    assert letters["de"] == {
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
    }
    assert rendered.subject == "Der Hof wird grün"
    assert "Stand: Montag, 1. Februar 2027, 10:00 Uhr." in rendered.text


async def test_of_many_schedulers_one_begins(room: Newsroom) -> None:
    await room.subscribe(*(f"person{number}@example.org" for number in range(50)))
    issues = [await room.draft() for _ in range(3)]
    for issue in issues:
        (await room.plan(issue, now=True, second=True)).raise_for_status()
    begun = sum(await asyncio.gather(*(room.timer.look() for _ in range(5))))
    assert begun == 3
    assert [row[0] for row in await room.run("SELECT count(*) FROM send")] == [3]
    assert [row[0] for row in await room.run("SELECT count(*) FROM delivery")] == [150]
    numbers = [(await room.read(issue))["number"]["number"] for issue in issues]
    assert sorted(numbers) == [1, 2, 3]
    for issue in issues:
        assert (await room.log(issue)).count("begun") == 1


async def test_begun_twice_is_begun_once(room: Newsroom) -> None:
    """The rule alone, without the scheduler's look before."""
    issue = await room.draft()
    (await room.plan(issue, now=True)).raise_for_status()
    async with room.db.read() as conn:
        planned = await repository.one(conn, (await repository.due(conn, room.clock.now()))[0])
    assert planned is not None
    seen = await room.office.preview(planned.id, room.clock.now())
    who = Actor(None, room.clock.now(), room.office.settings.zone)

    async def begin() -> int | None:
        async with room.db.transaction() as conn:
            return await service.begin(conn, planned, seen.renderings, seen.scene.number, who)

    assert sorted(await asyncio.gather(begin(), begin(), begin()), key=str) == [0, None, None]


async def test_what_was_changed_meanwhile_is_rendered_anew(room: Newsroom) -> None:
    issue = await room.draft()
    issue = (await room.plan(issue, now=True)).json()
    async with room.db.read() as conn:
        stale = await repository.one(conn, (await repository.due(conn, room.clock.now()))[0])
    assert stale is not None
    seen = await room.office.preview(stale.id, room.clock.now())
    body = {"version": issue["version"], "words": {"de": {**WORDS, "subject": "Neu"}}}
    (await room.edda.patch(f"{ISSUES}/{issue['id']}", json=body)).raise_for_status()
    who = Actor(None, room.clock.now(), room.office.settings.zone)
    async with room.db.transaction() as conn:
        assert await service.begin(conn, stale, seen.renderings, seen.scene.number, who) is None
    assert await room.timer.look() == 1
    assert (await room.run("SELECT subject FROM issue_rendering"))[0].subject == "Neu"


async def test_it_waits_for_the_programme(room: Newsroom) -> None:
    issue = await room.draft()
    (await room.plan(issue, now=True)).raise_for_status()
    room.outside.events = None
    for _ in range(3):
        assert await room.timer.look() == 0
    waiting = await room.read(issue)
    assert (waiting["status"], waiting["trouble"]) == ("planned", "programme_away")
    assert (await room.log(issue)).count("held_back") == 1
    room.outside.events = ()
    assert await room.timer.look() == 1
    assert (await room.read(issue))["trouble"] is None


async def test_an_error_that_came_in_later_holds_it_back(room: Newsroom) -> None:
    issue = await room.draft()
    issue = (await room.plan(issue, now=True)).json()
    body = {"version": issue["version"], "words": {"de": {**WORDS, "subject": ""}}}
    await room.edda.patch(f"{ISSUES}/{issue['id']}", json=body)
    assert await room.timer.look() == 0
    assert (await room.read(issue))["trouble"] == "subject_missing"


async def test_one_held_back_leaves_no_gap(room: Newsroom) -> None:
    first, second = await room.draft(), await room.draft()
    first = (await room.plan(first, now=True)).json()
    (await room.plan(second, now=True, second=True)).raise_for_status()
    body = {"version": first["version"], "words": {"de": {**WORDS, "subject": ""}}}
    await room.edda.patch(f"{ISSUES}/{first['id']}", json=body)
    assert await room.timer.look() == 1
    assert (await room.read(second))["number"] == {"year": 2027, "number": 1}


async def test_what_goes_out_stays_as_it_is(room: Newsroom) -> None:
    issue = await room.sent()
    path = f"{ISSUES}/{issue['id']}"
    body = {"version": issue["version"], "words": {"de": WORDS}}
    for answer in (
        await room.edda.patch(path, json=body),
        await room.edda.delete(path),
        await room.plan(issue),
        await room.edda.delete(f"{path}/plan"),
        await room.edda.put(f"{path}/pictures/x.png", content=b""),
        await room.edda.delete(f"{path}/pictures/garten.jpg"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_a_draft")


async def test_stopped_and_gone_on_with(room: Newsroom) -> None:
    await room.subscribe("ada@example.org")
    issue = await room.sent()
    path = f"{ISSUES}/{issue['id']}"
    assert (await room.edda.post(f"{path}/stop")).json()["status"] == "stopped"
    assert (await room.vera.get(f"{path}/counts")).json()["state"] == "stopped"
    assert (await room.edda.post(f"{path}/stop")).json()["code"] == "not_sending"
    assert await room.timer.look() == 0
    assert (await room.edda.post(f"{path}/resume")).json()["status"] == "sending"
    assert (await room.log(issue))[-2:] == ["stopped", "resumed"]


async def test_sent_when_nobody_waits_any_more(room: Newsroom) -> None:
    await room.subscribe("ada@example.org")
    issue = await room.sent()
    assert await room.timer.look() == 0
    await room.run("UPDATE send SET state = 'done', ended_at = now()")
    assert await room.timer.look() == 1
    sent = await room.read(issue)
    assert sent["status"] == "sent"
    assert sent["sent_at"] is not None
    assert (await room.log(issue))[-1] == "sent"


async def test_who_got_nothing_and_why(room: Newsroom) -> None:
    await room.subscribe("ada@example.org", "=cmd@example.org")
    issue = await room.sent()
    await room.run(
        "UPDATE delivery SET status = 'failed', smtp_code = 550, error = '=no such user', "
        "settled_at = now()"
    )
    path = f"{ISSUES}/{issue['id']}/unreached.csv"
    assert (await room.vera.get(path)).status_code == 403
    answer = await room.edda.get(path)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = answer.text.splitlines()
    assert head == "number,email,subscriber,status,attempts,code,reason,at"
    assert len(rows) == 2
    assert any(
        ",ada@example.org," in row and ",failed,0,550,'=no such user," in row for row in rows
    )
    assert any(",'=cmd@example.org," in row for row in rows)


async def test_a_draft_has_no_counts(room: Newsroom) -> None:
    issue = await room.draft()
    path = f"{ISSUES}/{issue['id']}"
    for part in ("counts", "unreached.csv"):
        assert (await room.edda.get(f"{path}/{part}")).json()["code"] == "send_not_found"
    assert (await room.edda.post(f"{path}/stop")).json()["code"] == "not_begun"
