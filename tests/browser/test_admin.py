"""Operators by clicking, on the real stack: sign in, see the line, give orders, sign out."""

from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deploy.local import Stack
from tests.support import events
from tests.support.browsing import WIDE, check_page, sign_in
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@dataclass(frozen=True, slots=True)
class Full:
    """A booked-up event; `waiting` are the registrations in line, `link` is the first one's."""

    slug: str
    title: str
    waiting: list[str]
    link: str

    @property
    def at(self) -> str:
        return f"/admin/waitlist/{self.slug}"


@pytest_asyncio.fixture
async def full(stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient) -> Full:
    """Three wait, the first for two seats; the waitlist knows of them."""
    made = events.event(capacity=2, max_party=2, few_left={"seats": 1})
    slug = str(made["slug"])
    (await admin.post("/events", json=made)).raise_for_status()
    await until(lambda: public.get(f"/events/{slug}"), lambda a: a.status_code == 200)
    told, domain = [], events.domain()
    for number, seats in enumerate((2, 2, 1, 1)):
        sent = events.person(number, domain, seats=seats)
        answer = await public.post(f"/events/{slug}/registrations", json=sent)
        answer.raise_for_status()
        told.append(answer.json())
    await until(
        lambda: admin.get(f"/waitlist/{slug}"),
        lambda a: a.status_code == 200 and a.json()["length"] == 3,
    )
    return Full(
        slug,
        str(made["title"]),
        [one["id"] for one in told[1:]],
        told[1]["manage_url"],
    )


async def test_every_page_can_be_used_by_everybody(page: Page, stack: Stack, full: Full) -> None:
    """axe finds nothing and nothing scrolls sideways, wide and light, narrow and dark."""
    locale = await page.evaluate("navigator.language")
    await page.goto(f"{stack.public_url}{full.at}")
    await check_page(page, f"admin-login-{locale}")
    await page.locator("#name").fill("niemand")
    await page.locator("#password").fill("falsch")
    await page.locator("form.form button").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await check_page(page, f"admin-login-wrong-{locale}")
    await sign_in(page, stack, full.at)
    assert page.url == f"{stack.public_url}{full.at}"
    await check_page(page, f"admin-line-{locale}")
    for name, path in {
        "lines": "/admin/waitlist?show=all",
        "ledger": f"{full.at}/ledger",
        "entry": f"{full.at}/entries/{full.waiting[1]}",
        "error": "/admin/waitlist/nirgends",
    }.items():
        await page.goto(stack.public_url + path)
        await check_page(page, f"admin-{name}-{locale}")
    await page.goto(f"{stack.public_url}{full.at}/entries/{full.waiting[1]}")
    await page.locator("form[action$=promotion] button").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await check_page(page, f"admin-entry-refused-{locale}")
    await page.goto(stack.public_url + full.at)
    await page.locator("#pause-reason").fill("Der Saal wird getauscht")
    await page.locator("form[action$=pause] button").click()
    await expect(page.locator(".notice-paused")).to_be_visible()
    await check_page(page, f"admin-paused-{locale}")


async def test_orders_by_keyboard_alone_and_without_javascript(
    browser: Browser, stack: Stack, full: Full, admin: httpx.AsyncClient
) -> None:
    context = await browser.new_context(**WIDE, java_script_enabled=False)
    page = await context.new_page()
    title = page.get_by_role("heading", level=1)
    await sign_in(page, stack, full.at)
    await expect(title).to_have_text(full.title)
    await expect(page.get_by_text("3 Anmeldungen warten auf 4 Plätze.")).to_be_visible()

    # Found by the link that the person has, whose secret does not get into an address.
    await page.get_by_role("searchbox", name="Anmeldung finden").focus()
    await page.keyboard.type(full.link)
    await page.keyboard.press("Enter")
    await expect(title).to_have_text("Diese Anmeldung steht an 1. Stelle der Warteliste.")
    assert page.url == f"{stack.public_url}{full.at}/entries/{full.waiting[0]}"

    await page.get_by_role("link", name=full.title).press("Enter")
    await page.get_by_role("link", name=full.waiting[2][-12:]).press("Enter")
    await expect(title).to_have_text("Diese Anmeldung steht an 3. Stelle der Warteliste.")
    await page.locator("#promotion-reason").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Nachrücken lassen")).to_be_focused()
    await page.keyboard.press("Enter")
    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    await summary.get_by_role("link").press("Enter")
    await expect(page.locator("#promotion-reason")).to_be_focused()
    await page.keyboard.type("Rollstuhlplatz zugesagt")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("ist die Nächste")
    await expect(title).to_have_text("Diese Anmeldung steht an 1. Stelle der Warteliste.")
    ledger = page.locator(".table-ledger")
    await expect(ledger).to_contain_text("zuerst drankommt. Rollstuhlplatz zugesagt")

    told = (await admin.get(f"/waitlist/{full.slug}/ledger")).json()["records"][0]
    assert stack.operator is not None
    assert (told["kind"], told["by"], told["why"], told["registration_id"]) == (
        "by_hand",
        stack.operator.name,
        "Rollstuhlplatz zugesagt",
        full.waiting[2],
    )

    await page.get_by_role("button", name="Abmelden").press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Sie sind abgemeldet.")
    await page.goto(stack.public_url + full.at)
    await expect(title).to_have_text("Bei der Verwaltung anmelden")
    assert await context.cookies() == []
    await context.close()


async def test_the_cookie_stays_below_admin_and_out_of_reach_of_scripts(
    browser: Browser, stack: Stack, full: Full
) -> None:
    context = await browser.new_context(**WIDE)
    page = await context.new_page()
    await sign_in(page, stack, full.at)
    (cookie,) = await context.cookies(f"{stack.public_url}/admin")
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        "einlass_session",
        True,
        "Lax",
        "/admin",
    )
    assert await context.cookies(f"{stack.public_url}/events") == []
    assert await page.evaluate("document.cookie") == ""
    await context.close()
