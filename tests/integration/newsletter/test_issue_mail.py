"""Single mails of the newsletter's desk: trials, and reminders to the editors."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from services.kit.db import Database
from services.notifications.newsletter.office import Office
from services.notifications.smtp import ServerAwayError
from tests.integration.newsletter.newsroom import ISSUES, Newsroom, newsroom
from tests.integration.notifications.post_office import PostOffice
from tests.unit.newsletter.samples import SITE

pytestmark = pytest.mark.stack
EDITORS = "edda@example.org, emil@example.org"


@pytest_asyncio.fixture
async def post_office() -> AsyncIterator[PostOffice]:
    async with PostOffice() as office:
        yield office


@pytest_asyncio.fixture
async def room(
    notifications_url: str, db: Database, post_office: PostOffice
) -> AsyncIterator[Newsroom]:
    async with newsroom(
        notifications_url, db, smtp_url=post_office.url, newsletter_editors=EDITORS
    ) as opened:
        yield opened


async def test_a_trial_is_the_mail_as_it_goes_out(room: Newsroom, post_office: PostOffice) -> None:
    issue = await room.draft()
    body = {"to": "edda@example.org", "locale": "en"}
    answer = await room.edda.post(f"{ISSUES}/{issue['id']}/trial", json=body)
    assert answer.status_code == 202
    (mail,) = post_office.received
    # It is not written in English, so its readers get the German one.
    assert mail["subject"] == "[Test] Der Hof wird grün"
    assert mail["to"] == "edda@example.org"
    assert "List-Unsubscribe" not in mail
    html = mail.get_body(("html",))
    text = mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "link.invalid" not in html.get_content() + text.get_content()
    assert "Ein Garten für alle" in html.get_content()
    assert f"{SITE}/newsletter/2027/1" in text.get_content()


async def test_a_trial_that_nobody_takes(room: Newsroom, post_office: PostOffice) -> None:
    issue = await room.draft()
    path, body = f"{ISSUES}/{issue['id']}/trial", {"to": "edda@example.org", "locale": "de"}
    post_office.on_recipient = lambda _: "550 no"
    answer = await room.edda.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "mail_refused")
    await post_office.shut()
    answer = await room.edda.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    answer = await room.edda.post(path, json={"to": "a\nBcc: b@b.de", "locale": "de"})
    assert answer.status_code == 422


async def to(post_office: PostOffice) -> list[str]:
    return sorted(str(mail["to"]) for mail in post_office.received)


async def test_each_editor_is_reminded_once_at_each_distance(
    room: Newsroom, post_office: PostOffice
) -> None:
    # The issue of this quarter appears on 2 March; it is 1 February.
    assert await room.timer.remind() == 0
    room.clock.advance(timedelta(days=15))
    assert await room.timer.remind() == 2
    assert await room.timer.remind() == 0
    assert await to(post_office) == ["edda@example.org", "emil@example.org"]
    mail = post_office.received[0]
    # Which language an editor speaks nobody knows: both are there.
    german, english = str(mail["subject"]).split(" / ")
    assert german == "In 14 Tagen: Die Ausgabe von „mitarbeiten“ ist nicht geplant"
    assert english == "In 14 days: the issue of mitarbeiten is not planned"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        said = part.get_content()
        assert said.count(f"{SITE}/admin/newsletter") == 2
        assert said.index("Dienstag, 2. März 2027") < said.index("Tuesday, 2 March 2027")
    room.clock.advance(timedelta(days=11))
    assert await room.timer.remind() == 2
    assert await room.timer.remind() == 0
    assert len(post_office.received) == 4


async def test_of_two_schedulers_one_reminds(room: Newsroom, post_office: PostOffice) -> None:
    room.clock.advance(timedelta(days=15))
    sent = await asyncio.gather(room.timer.remind(), room.timer.remind())
    assert sum(sent) == 2
    assert len(post_office.received) == 2


async def test_nobody_is_reminded_of_what_is_planned(
    room: Newsroom, post_office: PostOffice
) -> None:
    (await room.plan(await room.draft(), at="2027-03-02T09:00:00Z")).raise_for_status()
    room.clock.advance(timedelta(days=20))
    assert await room.timer.remind() == 0


async def test_the_plan_of_the_year_says_when(room: Newsroom, post_office: PostOffice) -> None:
    path = "/api/v1/admin/newsletter/plan/2027/1"
    await room.edda.put(path, json={"day": "2027-02-14", "time": "08:00"})
    assert await room.timer.remind() == 2


async def test_a_server_that_is_away_is_asked_again(
    room: Newsroom, post_office: PostOffice
) -> None:
    room.clock.advance(timedelta(days=15))
    await post_office.shut()
    with pytest.raises(ServerAwayError):
        await room.timer.remind()
    await post_office.open()
    assert await room.timer.remind() == 2


async def test_a_mail_whose_answer_is_lost_is_not_sent_again(
    room: Newsroom, post_office: PostOffice
) -> None:
    room.clock.advance(timedelta(days=15))
    # The server has the mail, and what it says of that never arrives.
    post_office.on_data = lambda _: post_office.hang_up()
    assert await room.timer.remind() == 2
    post_office.on_data = lambda _: None
    assert await room.timer.remind() == 0
    assert await to(post_office) == ["edda@example.org", "emil@example.org"]


async def test_it_is_recorded_before_the_server_is_asked(
    room: Newsroom, post_office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.clock.advance(timedelta(days=15))

    async def dies(*_: object) -> object:
        rows = await room.run("SELECT email FROM issue_reminder")
        assert [row.email for row in rows] == ["edda@example.org"]
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(Office, "deliver", dies)
        with pytest.raises(asyncio.CancelledError):
            await room.timer.remind()
    assert await room.timer.remind() == 1
    assert await to(post_office) == ["emil@example.org"]


async def test_what_the_server_puts_off_is_tried_again(
    room: Newsroom, post_office: PostOffice
) -> None:
    room.clock.advance(timedelta(days=15))
    post_office.on_recipient = lambda _: "451 later"
    assert await room.timer.remind() == 0
    post_office.on_recipient = lambda _: None
    assert await room.timer.remind() == 2


async def test_one_refused_address_costs_the_others_nothing(
    room: Newsroom, post_office: PostOffice
) -> None:
    room.clock.advance(timedelta(days=15))
    post_office.on_recipient = lambda to: "550 no" if to.startswith("edda") else None
    assert await room.timer.remind() == 1
    assert await to(post_office) == ["emil@example.org"]
    # Refused for good: not asked again every minute.
    post_office.on_recipient = lambda _: None
    assert await room.timer.remind() == 0
