"""The form, confirming, and a person's own page, as browsers and mail programs see them."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from services.notifications.subscribers.repository import asking, people
from tests.integration.subscribers.people import ORGANISATION
from tests.integration.subscribers.site import PUBLIC, Site, application, opened
from tests.support.desks import text_of

ADA = "ada@example.org"
ONE_CLICK = b"List-Unsubscribe=One-Click"


async def ask(site: Site, email: str, **more: str) -> httpx.Response:
    return await site.browser.post(
        "/newsletter/subscriptions", data={"email": email, "locale": "en", **more}
    )


async def test_from_the_form_to_the_own_page(site: Site) -> None:
    form = await site.browser.get("/newsletter/subscribe")
    assert form.status_code == 200
    assert ORGANISATION in text_of(form.text)
    assert "set-cookie" not in form.headers
    sent = await ask(site, ADA, wording="2026-11")
    assert (sent.status_code, sent.headers["location"]) == (303, "/newsletter/asked")
    shown = await site.browser.get("/newsletter/asked")
    assert "Please look into your mailbox." in text_of(shown.text)
    await site.world.take()
    who = await site.world.find(ADA)
    assert who is not None
    path = site.confirm(who.id)
    for _ in range(3):  # a scanner opens it, and the person
        assert (await site.program.get(path)).status_code == 200
        assert (await site.program.head(path)).status_code == 200
    assert await site.world.status(ADA) == "asked"
    page = await site.browser.get(path)
    assert page.headers["cache-control"] == "no-store"
    assert f"It then comes to {ADA}" in text_of(page.text)
    async with site.world.db.read() as conn:
        kept = await asking.one(conn, who.id, 1)
    assert kept is not None
    assert kept.wording in text_of(page.text)
    done = await site.browser.post(path)
    assert done.status_code == 303
    assert done.headers["location"] == f"{site.own(who.id)}?done=confirmed"
    own = await site.browser.get(done.headers["location"])
    assert "You get the newsletter." in text_of(own.text)
    assert "The subscription is confirmed." in text_of(own.text)
    again = await site.browser.post(path)
    assert "This is confirmed already." in text_of(again.text)


async def test_the_same_answer_whoever_it_is(site: Site) -> None:
    await site.world.subscribed("known@example.org")
    await site.world.suppress(email="gone@example.org", reason="complained")
    answers = [
        await ask(site, email)
        for email in ("new@example.org", "known@example.org", "gone@example.org")
    ]
    assert len({(one.status_code, one.text, str(one.headers)) for one in answers}) == 1
    told = [
        await site.program.post(
            "/api/v1/newsletter/subscriptions", json={"email": email, "locale": "de"}
        )
        for email in ("new@example.org", "known@example.org", "gone@example.org")
    ]
    assert {(one.status_code, one.text) for one in told} == {(202, '{"status":"asked"}')}


async def test_a_thousand_requests_from_everywhere_make_one_mail(site: Site) -> None:
    for number in range(1_000):
        transport = httpx.ASGITransport(
            site.app, client=(f"10.{number // 250}.{number % 250}.1", 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            sent = await client.post(
                "/api/v1/newsletter/subscriptions", json={"email": ADA, "locale": "de"}
            )
            assert sent.status_code == 202
    while await site.world.take():
        pass
    assert len(await site.world.mails()) == 1


async def test_one_network_is_held_up(notifications_url: str, site: Site) -> None:
    # Three tries at once, and then one in twenty seconds.
    app = application(notifications_url, rate_limits="on", rate_limit_scale=0.05)
    async with opened(app, site.world) as limited:
        statuses = [
            (
                await limited.program.post(
                    "/api/v1/newsletter/subscriptions",
                    json={"email": f"ada{number}@example.org", "locale": "de"},
                )
            ).status_code
            for number in range(5)
        ]
        assert statuses == [202, 202, 202, 429, 429]
        page = await ask(limited, "last@example.org")
        assert page.status_code == 429
        assert "Too many requests have come from here." in text_of(page.text)
        assert "last@example.org" in page.text


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a@b\r\nBcc: c@example.org", "a@b,c@d.org"])
async def test_what_is_no_address_is_asked_for_again(site: Site, email: str) -> None:
    page = await ask(site, email)
    assert page.status_code == 422
    assert "One field needs another look" in text_of(page.text)
    sent = await site.program.post(
        "/api/v1/newsletter/subscriptions", json={"email": email, "locale": "de"}
    )
    assert sent.status_code == 422
    assert sent.json()["errors"][0]["pointer"] == "#/email"
    assert await site.world.rows("SELECT 1 FROM subscription_request") == []


async def test_forms_come_from_our_own_pages(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    elsewhere = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    paths = ["/newsletter/subscriptions", site.confirm(who.id)]
    paths += [
        f"{site.own(who.id)}/{name}"
        for name in ("unsubscribe", "return", "language", "address", "pause", "resume")
    ]
    for path in paths:
        sent = await site.program.post(path, headers=elsewhere, data={"email": ADA})
        assert sent.status_code == 403, path
        assert (await site.browser.get(path)).status_code in (200, 303), path
    assert await site.world.status(ADA) == "active"


async def test_a_link_that_ran_out_says_so(site: Site) -> None:
    who = await site.world.asked(ADA)
    site.advance(hours=48)
    for page in (
        await site.browser.get(site.confirm(who.id)),
        await site.browser.post(site.confirm(who.id)),
    ):
        assert page.status_code == 410
        assert "This link has run out." in text_of(page.text)
        assert 'href="/newsletter/subscribe"' in page.text
    assert await site.world.status(ADA) == "asked"


async def test_wrong_links_tell_nothing(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    good = site.own(who.id)
    wrong = [
        f"/newsletter/s/{who.id}/{'x' * 22}",
        f"/newsletter/s/{uuid4()}/{'x' * 22}",
        site.own(uuid4()),
        site.own(who.id, 2),
        good.replace(good[-22:], site.confirm(who.id)[-22:]),
        f"/newsletter/s/{who.id}/%C3%A4",
    ]
    said = set()
    for path in wrong:
        for sent in (
            await site.browser.get(path),
            await site.browser.get(f"{path}/unsubscribe"),
            await site.browser.get(f"{path}/data.json"),
            await site.program.post(f"{path}/unsubscribe", content=ONE_CLICK),
        ):
            assert sent.status_code == 404, path
            said.add(text_of(sent.text))
    assert len(said) == 1
    assert await site.world.status(ADA) == "active"
    unknown = await site.browser.get(site.confirm(uuid4()))
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (ONE_CLICK, None),
        (
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
            b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
    ],
)
async def test_one_click(site: Site, body: bytes, kind: str | None) -> None:
    who = await site.world.subscribed(ADA)
    headers = {"content-type": kind} if kind else {}
    sent = await site.program.post(f"{site.own(who.id)}/unsubscribe", content=body, headers=headers)
    assert sent.status_code == 200
    assert sent.headers["content-type"].startswith("text/plain")
    assert "set-cookie" not in sent.headers
    assert await site.world.status(ADA) == "left"
    again = await site.program.post(f"{site.own(who.id)}/unsubscribe", content=body)
    assert again.status_code == 200
    assert (await site.world.kinds(who.id)).count("left") == 1


async def test_scanners_unsubscribe_nobody(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    path = f"{site.own(who.id)}/unsubscribe"
    for _ in range(3):
        assert (await site.program.get(path)).status_code == 200
        assert (await site.program.head(path)).status_code == 200
        assert (await site.program.get(site.own(who.id))).status_code == 200
    # A scanner that follows forms sends no body of RFC 8058 and does not come from our page.
    assert (await site.program.post(path)).status_code == 403
    assert await site.world.status(ADA) == "active"


async def test_leaving_by_the_button_and_coming_back(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    page = await site.browser.get(f"{site.own(who.id)}/unsubscribe")
    assert "Do you want to unsubscribe?" in text_of(page.text)
    left = await site.browser.post(f"{site.own(who.id)}/unsubscribe")
    assert left.headers["location"] == f"{site.own(who.id)}?done=left"
    own = await site.browser.get(left.headers["location"])
    assert "You do not get the newsletter any more." in text_of(own.text)
    gone = await site.browser.get(f"{site.own(who.id)}/unsubscribe")
    assert gone.headers["location"] == site.own(who.id)
    back = await site.browser.post(f"{site.own(who.id)}/return")
    assert back.status_code == 303
    assert await site.world.status(ADA) == "active"
    async with site.world.db.read() as conn:
        consents = await people.consents(conn, who.id)
    assert [one.source for one in consents] == ["form", "own_page"]


async def test_who_is_suppressed_cannot_come_back_by_themselves(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    await site.world.suppress(subscriber_id=who.id, reason="complained")
    page = await site.browser.get(site.own(who.id))
    assert "was reported as unwanted" in text_of(page.text)
    assert f'action="{site.own(who.id)}/return"' not in page.text
    assert (await site.browser.post(f"{site.own(who.id)}/return")).status_code == 409
    # One click has nothing more to end, and does not make the reason lighter.
    sent = await site.program.post(f"{site.own(who.id)}/unsubscribe", content=ONE_CLICK)
    assert sent.status_code == 200
    assert await site.world.status(ADA) == "suppressed"


async def test_language_and_pause(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    own = site.own(who.id)
    assert (await site.browser.post(f"{own}/language", data={"locale": "en"})).status_code == 303
    assert (await site.browser.post(f"{own}/language", data={"locale": "fr"})).status_code == 422
    bad = await site.browser.post(f"{own}/pause", data={"wish": "day", "until": "2026-11-02"})
    assert bad.status_code == 422
    assert "Please give a day in the future." in text_of(bad.text)
    sent = await site.browser.post(f"{own}/pause", data={"wish": "3"})
    assert sent.status_code == 303
    page = await site.browser.get(sent.headers["location"])
    assert "The newsletter is paused." in text_of(page.text)
    found = await site.world.find(ADA)
    assert found is not None
    assert found.locale == "en"
    assert found.paused_until is not None
    assert found.paused_until.isoformat() == "2027-02-01T23:00:00+00:00"
    assert (await site.browser.post(f"{own}/resume")).status_code == 303
    assert await site.world.status(ADA) == "active"


async def test_another_address(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    own = site.own(who.id)
    same = await site.browser.post(f"{own}/address", data={"email": "ADA@example.org"})
    assert same.status_code == 409
    sent = await site.browser.post(f"{own}/address", data={"email": "new@example.org"})
    assert sent.status_code == 303
    await site.world.take()
    mails = await site.world.mails()
    assert mails[-1] == (who.id, 2, "new@example.org")
    assert (await site.world.find(ADA)) is not None
    path = site.confirm(who.id, 2)
    page = await site.browser.get(path)
    assert "Do you want the newsletter at this address?" in text_of(page.text)
    done = await site.browser.post(path)
    assert done.headers["location"] == f"{site.own(who.id, 2)}?done=confirmed"
    assert (await site.browser.get(own)).status_code == 404
    assert (await site.program.post(f"{own}/unsubscribe", content=ONE_CLICK)).status_code == 404
    found = await site.world.find("new@example.org")
    assert found is not None
    assert (found.id, found.status) == (who.id, "active")
    assert await site.world.status(ADA) == "unknown"


async def test_moving_to_an_address_that_has_a_subscription(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    await site.browser.post(f"{site.own(who.id)}/address", data={"email": "eva@example.org"})
    await site.world.take()
    other = await site.world.find("eva@example.org")
    assert other is None
    site.world.now += timedelta(hours=25)
    other = await site.world.subscribed("eva@example.org")
    done = await site.world.confirm(who.id, 2)
    assert done.subscriber.id == other.id
    assert await site.world.status(ADA) == "left"
    assert await site.world.status("eva@example.org") == "active"


async def test_few_other_addresses_a_day(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    own = site.own(who.id)
    for number in range(5):
        sent = await site.browser.post(f"{own}/address", data={"email": f"new{number}@example.org"})
        await site.world.take()
    assert sent.status_code == 429
    assert len(await site.world.mails()) == 4
    # Asked all at once, only the last counts.
    eva = await site.world.subscribed("eva@example.org")
    for number in range(10):
        await site.world.ask(f"n{number}@example.org", source="own_page", who=eva.id)
    await site.world.take()
    assert len(await site.world.mails()) == 6


async def test_what_is_stored(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    sent = await site.browser.get(f"{site.own(who.id)}/data.json")
    assert sent.headers["content-disposition"].startswith("attachment")
    told = sent.json()
    assert told["subscriber"]["email"] == ADA
    assert told["consents"][0]["wording_version"] == "2026-11"
    assert ORGANISATION in told["consents"][0]["wording"]
    assert [row["kind"] for row in told["history"]] == ["asked", "confirmed"]


@pytest.mark.parametrize("language", ["de", "en"])
async def test_every_page_is_there_in_both_languages(site: Site, language: str) -> None:
    who = await site.world.subscribed(ADA)
    own = site.own(who.id)
    for path in (
        "/newsletter/subscribe",
        "/newsletter/asked",
        site.confirm(who.id),
        own,
        f"{own}/unsubscribe",
    ):
        page = await site.browser.get(path, headers={"accept-language": language})
        assert page.headers["content-language"] == language
        assert page.status_code == 200
