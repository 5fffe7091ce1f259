"""What operators see and do, by their pages and by the API."""

from typing import Final
from uuid import uuid4

import httpx
import pytest

from tests.integration.subscribers.site import Site
from tests.support.desks import text_of

ADA = "ada@example.org"
HOME: Final = "/admin/newsletter/subscribers"
API: Final = "/api/v1/admin/newsletter"


async def test_nobody_but_operators(site: Site) -> None:
    for path in ("", "/suppressions", "/import", "/export", f"/{uuid4()}"):
        page = await site.browser.get(HOME + path)
        assert page.status_code == 303, path
        assert page.headers["location"].startswith("/admin/login?next=")
    for path in ("/subscribers", "/subscribers/counts", "/subscribers/export", "/suppressions"):
        assert (await site.program.get(API + path)).status_code == 401


async def test_viewers_only_look(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    vera = site.desks["vera"]
    for path in (HOME, f"{HOME}/{who.id}", f"{HOME}/suppressions", f"{HOME}/{who.id}/evidence"):
        assert (await vera.get(path)).status_code == 200, path
    for path in (f"{HOME}/{who.id}/unsubscribe", f"{HOME}/{who.id}/suppress"):
        assert (await vera.post(path, data={"reason": "no"})).status_code == 403
    for path in (f"{HOME}/import", f"{HOME}/export", f"{API}/subscribers/export"):
        assert (await vera.get(path)).status_code == 403
    assert await site.world.status(ADA) == "active"


async def test_the_list_and_the_search(site: Site) -> None:
    vera = site.desks["vera"]
    assert "Nobody has subscribed yet." in text_of((await vera.get(HOME)).text)
    await site.world.subscribed(ADA)
    await site.world.asked("eva@example.org")
    page = text_of((await vera.get(HOME)).text)
    assert "All (2) Subscribed (1) Paused (0) Not confirmed (1)" in page
    only = text_of((await vera.get(f"{HOME}?status=asked")).text)
    assert "eva@example.org" in only
    assert ADA not in only
    found = await vera.post(HOME, data={"email": "ADA@"})
    who = await site.world.find(ADA)
    assert who is not None
    assert found.headers["location"] == f"{HOME}/{who.id}"
    both = await vera.post(HOME, data={"email": "example"})
    assert "2 addresses have this in them" in text_of(both.text)
    none = await vera.post(HOME, data={"email": "%"})
    assert "Nobody has an address like this." in text_of(none.text)


async def test_ending_a_subscription_by_hand(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    edgar, address = site.desks["edgar"], f"{HOME}/{who.id}"
    bad = await edgar.post(f"{address}/unsubscribe", data={"reason": " "})
    assert bad.status_code == 422
    assert "Please say why." in text_of(bad.text)
    sent = await edgar.post(f"{address}/unsubscribe", data={"reason": "Called us"})
    assert sent.headers["location"] == f"{address}?done=left"
    page = text_of((await edgar.get(sent.headers["location"])).text)
    assert "The subscription is ended." in page
    assert "Was unsubscribed. Called us edgar" in page
    again = await edgar.post(f"{address}/unsubscribe", data={"reason": "Called us"})
    assert again.status_code == 409
    assert (await edgar.get(f"{address}/unsubscribe")).headers["location"] == address


async def test_erasing_a_person(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    edgar, ada = site.desks["edgar"], site.desks["ada"]
    other = await site.world.subscribed("eva@example.org")
    for path in (f"{HOME}/{who.id}/erase", f"{HOME}/{other.id}/erase"):
        assert (await edgar.post(path, data={"reason": "Asked"})).status_code == 403
    bad = await ada.post(f"{HOME}/{who.id}/erase", data={"reason": ""})
    assert bad.status_code == 422
    sent = await ada.post(f"{HOME}/{who.id}/erase", data={"reason": "Asked by letter"})
    assert sent.headers["location"] == f"{HOME}?done=erased"
    page = await ada.get(sent.headers["location"])
    assert "All that was kept of the person is deleted." in text_of(page.text)
    assert (await ada.get(f"{HOME}/{who.id}")).status_code == 404
    assert (await site.browser.get(site.own(who.id))).status_code == 404
    for table in ("consent", "asking", "subscriber", "mail"):
        assert ADA not in str(await site.world.rows(f"SELECT * FROM {table}"))
    [left] = await site.world.rows("SELECT kind FROM subscriber_journal WHERE by = 'ada'")
    assert left.kind == "erased"
    assert (await site.world.bring(f"email\n{ADA}\n")).taken == 0
    gone = f"{API}/subscribers/{other.id}/erasure"
    assert (await ada.post(gone, json={"reason": "Asked"})).status_code == 204
    assert (await ada.post(gone, json={"reason": "Asked"})).status_code == 404


async def test_the_suppression_list(site: Site) -> None:
    edgar, ada = site.desks["edgar"], site.desks["ada"]
    await site.world.subscribed(ADA)
    bad = await edgar.post(f"{HOME}/suppressions", data={"email": "nobody", "reason": "x"})
    assert bad.status_code == 422
    for email in (ADA, "stranger@example.org"):
        sent = await edgar.post(f"{HOME}/suppressions", data={"email": email, "reason": "By phone"})
        assert sent.status_code == 303
    assert await site.world.status(ADA) == "suppressed"
    page = (await edgar.get(f"{HOME}/suppressions")).text
    assert ADA in page
    assert "stranger@example.org" not in page
    listed = (await edgar.get(f"{API}/suppressions")).json()["suppressions"]
    assert [one["email"] for one in listed] == [None, ADA]
    path = f"{HOME}/suppressions/{listed[1]['id']}"
    assert (await edgar.post(path, data={"reason": "asked"})).status_code == 403
    assert (await ada.post(path, data={"reason": ""})).status_code == 422
    sent = await ada.post(path, data={"reason": "Asked us in writing"})
    assert sent.headers["location"] == f"{HOME}/suppressions?done=released"
    assert (await ada.get(path)).status_code == 404
    assert await site.world.status(ADA) == "left"
    who = await site.world.find(ADA)
    assert who is not None
    assert await site.world.kinds(who.id) == ["asked", "confirmed", "suppressed", "released"]


async def test_the_api(site: Site) -> None:
    who = await site.world.subscribed(ADA)
    edgar, ada = site.desks["edgar"], site.desks["ada"]
    assert (await edgar.get(f"{API}/subscribers/counts")).json()["active"] == 1
    listed = (await edgar.get(f"{API}/subscribers?status=active&limit=1")).json()
    assert listed["subscribers"][0]["email"] == ADA
    assert listed["next_before"] is None
    found = await edgar.post(f"{API}/subscribers/search", json={"email": "ada"})
    assert found.json()["subscribers"][0]["id"] == str(who.id)
    evidence = await edgar.get(f"{API}/subscribers/{who.id}/evidence")
    assert evidence.json()["consents"][0]["wording_version"] == "2026-11"
    assert (await edgar.get(f"{API}/subscribers/{uuid4()}/evidence")).status_code == 404
    sent = await edgar.post(f"{API}/subscribers/{who.id}/unsubscription", json={"reason": "Called"})
    assert sent.status_code == 204
    put = await edgar.post(f"{API}/suppressions", json={"email": ADA, "reason": "Wrote to us"})
    assert (put.status_code, put.json()["reason"]) == (201, "operator")
    number = put.json()["id"]
    removal = f"{API}/suppressions/{number}/removal"
    assert (await edgar.post(removal, json={"reason": "no"})).status_code == 403
    assert (await ada.post(removal, json={"reason": "yes"})).status_code == 204
    assert (await ada.post(removal, json={"reason": "yes"})).status_code == 404
    export = await edgar.get(f"{API}/subscribers/export")
    assert export.headers["content-type"] == "text/csv; charset=utf-8"
    assert export.text.splitlines()[1].startswith("ada@example.org,de,left,form,")


async def test_an_import(site: Site) -> None:
    edgar = site.desks["edgar"]
    sent = await edgar.post(
        f"{API}/subscribers/import?reason=From+the+old+list",
        content=b"email\nada@example.org\nnobody\n",
        headers={"content-type": "text/csv"},
    )
    assert sent.json() == {
        "taken": 1,
        "suppressed": 0,
        "skipped": {"invalid": 1},
        "lines": [{"line": 3, "why": "invalid"}],
    }
    page = await upload(edgar, b"email\neva@example.org\nada@example.org\n", "From elsewhere")
    said = text_of(page.text)
    assert "One subscriber was taken from the file." in said
    assert "One line: gets the newsletter already" in said
    for body in (b"\xff\xfe\x00", b"name\nada\n"):
        bad = await upload(edgar, body, "From elsewhere")
        assert bad.status_code == 422
        assert "This is no CSV file" in text_of(bad.text)
    assert (await upload(edgar, b"email\nx@example.org\n", "")).status_code == 422


async def upload(client: httpx.AsyncClient, body: bytes, reason: str) -> httpx.Response:
    return await client.post(
        f"{HOME}/import",
        files={"file": ("subscribers.csv", body, "text/csv")},
        data={"reason": reason, "locale": "de"},
    )


@pytest.mark.parametrize("language", ["de", "en"])
async def test_desks_in_both_languages(site: Site, language: str) -> None:
    who = await site.world.subscribed(ADA)
    ada = site.desks["ada"]
    for path in ("", f"/{who.id}", "/suppressions", "/import"):
        page = await ada.get(HOME + path, headers={"accept-language": language})
        assert page.headers["content-language"] == language
        assert page.headers["cache-control"] == "no-store"
