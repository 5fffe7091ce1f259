"""The pages of the subscribers in a real browser: looked at by axe, wide, narrow and dark."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
import uvicorn
from fastapi import Request
from playwright.async_api import BrowserContext, async_playwright, expect
from starlette.responses import Response

from services.kit.look.assets import PREFIX
from services.notifications.subscribers import own
from services.notifications.subscribers.desk import HERE
from tests.integration.subscribers.people import NOW, World
from tests.integration.subscribers.site import application
from tests.support.browsing import check_page

pytestmark = pytest.mark.browser

SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
WIDE: dict[str, Any] = {"locale": "de-DE", "viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "locale": "en-GB",
    "viewport": {"width": 375, "height": 700},
    "color_scheme": "dark",
}
LISTMONK = """\
uuid,email,name,attributes,status,created_at,updated_at
{id},eins@example.org,Eins,{{}},enabled,2021-04-01 10:00:00 +0000 UTC,
{id},zwei@example.org,Zwei,{{}},blocklisted,2021-04-01 10:00:00 +0000 UTC,
{id},drei,Drei,{{}},enabled,2021-04-01 10:00:00 +0000 UTC,
{id},vier@example.org,Vier,{{}},disabled,2021-04-01 10:00:00 +0000 UTC,
"""


@pytest_asyncio.fixture
async def served(world: World, notifications_url: str) -> AsyncIterator[str]:
    """The pages at an address on loopback, with the style sheet that a gateway brings."""
    app = application(notifications_url)

    @app.get(f"{PREFIX}/{{name}}")
    async def asset(request: Request, name: str) -> Response:
        looks: dict[Any, Any] = request.app.state.looks
        answer: Response = looks[HERE].assets.answer(name, None)
        return answer

    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving


@pytest_asyncio.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
async def context(request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    """A browser, wide in German or narrow, dark and in English."""
    path = shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield await browser.new_context(**request.param)
        await browser.close()


async def shoot(context: BrowserContext, address: str, name: str) -> None:
    """Looks at a page with all that can be unfolded."""
    page = await context.new_page()
    await page.goto(address)
    for summary in await page.locator("summary").all():
        await summary.click()
    await check_page(page, f"{name}-{await page.evaluate('document.documentElement.lang')}")
    await page.close()


def path_of(url: str) -> str:
    return urlsplit(url).path


async def test_public_pages(world: World, served: str, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto(f"{served}/newsletter/subscribe")
    await page.locator("#email").fill("keine Adresse")
    await page.get_by_role("button").last.click()
    await expect(page.locator("#problem")).to_be_focused()
    await check_page(page, f"subscribe-bad-{await page.evaluate('document.documentElement.lang')}")
    await page.close()
    asked = await world.asked("annegret.lange-mustermann@stadtverwaltung.example.org")
    moved = await world.subscribed("m.mueller@example.org")
    await world.ask("neu@example.org", source="own_page", who=moved.id)
    await world.take()
    paths = {
        "subscribe": "/newsletter/subscribe",
        "asked": "/newsletter/asked",
        "confirm": path_of(world.links.confirm(asked.id, 1)),
        "confirm-address": path_of(world.links.confirm(moved.id, 2)),
        "confirmed": path_of(world.links.confirm(moved.id, 1)),
        "missing": f"/newsletter/s/{uuid4()}/nichts",
    }
    for name, path in paths.items():
        await shoot(context, served + path, f"newsletter-{name}")
    async with world.db.transaction() as conn:
        await conn.exec_driver_sql("UPDATE asking SET valid_until = asked_at")
    await shoot(context, served + paths["confirm"], "newsletter-expired")


async def test_own_pages(world: World, served: str, context: BrowserContext) -> None:
    who = await world.subscribed("annegret.lange-mustermann@stadtverwaltung.example.org")
    path = served + path_of(world.links.own(who.id, 1))
    await shoot(context, f"{path}?done=confirmed", "newsletter-own")
    await shoot(context, f"{path}?done=address", "newsletter-own-address")
    await shoot(context, f"{path}/unsubscribe", "newsletter-leave")
    page = await context.new_page()
    await page.goto(path)
    await page.locator("#address summary").click()
    await page.locator("#email").fill("nichts")
    await page.locator("#address button").click()
    await expect(page.locator(".notice-bad")).to_be_focused()
    await check_page(page, f"own-bad-{await page.evaluate('document.documentElement.lang')}")
    async with world.db.transaction() as conn:
        await own.pause(conn, who, NOW.replace(year=2027, month=3), world.now)
    await shoot(context, path, "newsletter-own-paused")
    async with world.db.transaction() as conn:
        await own.leave(conn, who, "own_page", world.now)
    await shoot(context, path, "newsletter-own-left")
    for reason in ("bounced", "operator", "complained"):
        await world.suppress(subscriber_id=who.id, reason=reason, by="ada", note="am Telefon")
        await shoot(context, path, f"newsletter-own-{reason}")


async def test_desks(world: World, served: str, context: BrowserContext) -> None:
    await context.add_cookies([{"name": "einlass_session", "value": "ada", "url": served}])
    home = f"{served}/admin/newsletter/subscribers"
    await shoot(context, home, "subscribers-none")
    who = await world.subscribed("annegret.lange-mustermann@stadtverwaltung.example.org")
    for number in range(60):
        await world.ask(f"leserin-{number}@gemeinde.example.org", "de")
    await world.take()
    await world.subscribed("reader@example.org")
    paused = await world.subscribed("pause@example.org")
    async with world.db.transaction() as conn:
        await own.pause(conn, paused, NOW.replace(year=2027, month=3), world.now)
    gone = await world.subscribed("zurueck@example.org")
    await world.suppress(subscriber_id=gone.id, reason="bounced")
    await world.suppress(
        email="nie-wieder@example.org", reason="operator", by="ada", note="Bat am Telefon darum"
    )
    await shoot(context, home, "subscribers")
    await shoot(context, f"{home}?status=suppressed", "subscribers-suppressed")
    await shoot(context, f"{home}/{who.id}", "subscriber")
    await shoot(context, f"{home}/{gone.id}", "subscriber-suppressed")
    await shoot(context, f"{home}/suppressions", "suppressions")
    page = await context.new_page()
    await page.goto(f"{home}/suppressions")
    await page.locator(".table a").first.click()
    await check_page(page, f"release-{await page.evaluate('document.documentElement.lang')}")
    await page.goto(f"{home}/import")
    await page.locator("#file").set_input_files(
        {
            "name": "subscribers.csv",
            "mimeType": "text/csv",
            "buffer": LISTMONK.format(id=uuid4()).encode(),
        }
    )
    await page.locator("#reason").fill("Aus listmonk, dort mit doppelter Bestätigung")
    await page.locator("form[enctype] button").click()
    await check_page(page, f"import-{await page.evaluate('document.documentElement.lang')}")
    assert await world.status("eins@example.org") == "active"
    assert await world.status("zwei@example.org") == "unknown"
