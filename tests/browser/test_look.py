"""Every page in every state, by a real browser: accessible, narrow, dark, without JavaScript."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from services.registration.domain.seats import Seats
from tests.support.browsing import PHONE, WIDE, Served, check_page
from tests.support.pages import event, person, programme
from tests.support.waiting import until

pytestmark = pytest.mark.browser

PUBLIC = {
    "overview": "/events",
    "overview-free": "/events?free=1",
    "overview-past": "/events?when=past",
    "overview-empty": "/events?q=nirgends",
    **{f"event-{item.slug}": f"/events/{item.slug}" for item, _ in programme()},
    "terms": "/terms",
    "error": "/nowhere",
}


async def _sign_up(served: Served, slug: str, number: int, **changes: Any) -> str:
    done = await served.shown.service.sign_up(slug, person(number, **changes), None, "here")
    return served.url + done.manage_url.removeprefix("http://localhost")


@pytest.mark.parametrize("how", [WIDE, PHONE], ids=["wide", "phone"])
async def test_public_pages(browser: Browser, served: Served, how: dict[str, Any]) -> None:
    context = await browser.new_context(**how)
    page = await context.new_page()
    for name, path in PUBLIC.items():
        await page.goto(served.url + path)
        await check_page(page, f"{name}-{how['locale']}")
    await context.close()


@pytest.mark.parametrize("how", [WIDE, PHONE], ids=["wide", "phone"])
async def test_own_pages(browser: Browser, served: Served, how: dict[str, Any]) -> None:
    confirmed = await _sign_up(served, "digitale-stadt", 1, seats=2)
    waiting = ""
    for number in range(4):
        waiting = await _sign_up(served, "quartier", number)
    context = await browser.new_context(**how)
    page = await context.new_page()
    for name, address in {
        "own-confirmed": f"{confirmed}?new=1",
        "own-cancel": f"{confirmed}/cancel",
        "own-waiting": waiting,
        "own-leave": f"{waiting}/cancel",
    }.items():
        await page.goto(address)
        await check_page(page, f"{name}-{how['locale']}")
    await page.goto(f"{confirmed}/cancel")
    await page.locator("form button").click()
    await check_page(page, f"own-cancelled-{how['locale']}")
    await context.close()


async def test_errors_take_the_focus_and_keep_what_was_typed(
    browser: Browser, served: Served
) -> None:
    page = await browser.new_page(**WIDE)
    await page.goto(f"{served.url}/events/vorlesen?from=free%3D1")
    await page.get_by_label("Name").fill("Jörg <Müller>")
    await page.get_by_label("E-Mail-Adresse").fill("quatsch")
    await page.get_by_label("Fotos von mir").check()
    await page.get_by_role("button", name="Auf die Warteliste setzen").click()
    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    await expect(summary).to_contain_text("Diese E-Mail-Adresse ist nicht vollständig")
    await check_page(page, "form-errors")
    await expect(page.get_by_label("Name")).to_have_value("Jörg <Müller>")
    await expect(page.get_by_label("Fotos von mir")).to_be_checked()
    email = page.get_by_label("E-Mail-Adresse")
    await expect(email).to_have_value("quatsch")
    await expect(email).to_have_attribute("aria-invalid", "true")
    await summary.get_by_role("link", name="Diese E-Mail-Adresse").click()
    await expect(email).to_be_focused()
    await expect(page.get_by_role("link", name="Zurück zur Übersicht")).to_have_attribute(
        "href", "/events?free=1"
    )
    await page.close()


async def test_the_light_changes_by_itself(browser: Browser, served: Served) -> None:
    overview, page = await browser.new_page(**WIDE), await browser.new_page(**WIDE)
    await overview.goto(f"{served.url}/events")
    await page.goto(f"{served.url}/events/quartier")
    row = overview.locator("[data-slug=quartier]")
    await expect(row).to_have_text("Genügend Plätze")
    button = page.locator("form.form button")
    await expect(button).to_have_text("Verbindlich anmelden")
    for number in range(3):
        await _sign_up(served, "quartier", number)
    for light in (row, page.locator("[aria-live][data-slug=quartier]")):
        await expect(light).to_have_text("Ausgebucht, Warteliste offen", timeout=1000)
    await expect(button).to_have_text("Auf die Warteliste setzen")
    await expect(page.get_by_text("Das ist die Warteliste")).to_be_visible()
    assert await page.evaluate("performance.getEntriesByType('navigation').length") == 1

    (quartier,) = (item for item, _ in programme() if item.slug == "quartier")
    served.shown.service.put(quartier, Seats(capacity=3, confirmed=1))
    await expect(button).to_have_text("Verbindlich anmelden", timeout=1000)
    await expect(page.get_by_text("Das ist die Warteliste")).to_be_hidden()
    await overview.close()
    await page.close()


async def test_without_the_stream_the_lights_are_asked_for(
    browser: Browser, served: Served
) -> None:
    page = await browser.new_page(**WIDE)
    await page.clock.install()
    await page.route("**/availability/stream", lambda route: route.abort())
    await page.goto(f"{served.url}/events")
    row = page.locator("[data-slug=quartier]")
    for number in range(3):
        await _sign_up(served, "quartier", number)
    await page.clock.run_for(20_000)
    await expect(row).to_have_text("Genügend Plätze")

    async def a_second_later() -> str:
        await page.clock.run_for(1000)
        return await row.text_content() or ""

    # The half minute counts from when the browser tells the page that the stream is gone, which
    # may be a while after the load.
    await until(a_second_later, lambda text: "Genügend" not in text)
    await expect(row).to_have_text("Ausgebucht, Warteliste offen")
    await page.close()


async def test_a_form_that_comes_or_goes_is_told_of(browser: Browser, served: Served) -> None:
    page = await browser.new_page(**WIDE)
    await page.goto(f"{served.url}/events/quartier")
    await page.get_by_label("Name").fill("Jörg")
    off = event("quartier", "Wie wir Quartiere gemeinsam planen", status="called_off")
    served.shown.service.put(off, Seats(capacity=3))
    told = page.get_by_role("status").get_by_role("link", name="Neuen Stand zeigen")
    await expect(told).to_be_visible(timeout=1000)
    await expect(page.get_by_label("Name")).to_have_value("Jörg")
    await told.click()
    await expect(page.get_by_text("Diese Veranstaltung ist abgesagt.")).to_be_visible()
    await expect(page.locator("form.form")).to_have_count(0)
    await page.close()


async def test_each_form_has_an_id_of_its_own(browser: Browser, served: Served) -> None:
    page = await browser.new_page(**WIDE)
    known = set()
    for _ in range(3):
        await page.goto(f"{served.url}/events/kompost")
        known.add(await page.locator("[name=form_id]").input_value())
    assert len(known) == 3
    assert all(len(one) == 32 for one in known)
    # What is sent comes back with its id, so that the next click is still the same form.
    await page.get_by_role("button", name="Verbindlich anmelden").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.locator("[name=form_id]").input_value() in known
    await page.close()


async def test_everything_works_without_javascript(browser: Browser, served: Served) -> None:
    context = await browser.new_context(**WIDE, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{served.url}/events")
    await page.get_by_role("link", name="Freie Plätze").click()
    await page.get_by_role("link", name="Kompost für Anfänger").click()
    await page.get_by_label("Name").fill("Jörg Müller")
    await page.get_by_label("E-Mail-Adresse").fill("joerg@example.org")
    await page.get_by_label("Ich stimme").check()
    await page.get_by_role("button", name="Verbindlich anmelden").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sie haben einen Platz.")
    await page.get_by_role("link", name="Von der Veranstaltung abmelden").click()
    await page.get_by_role("button", name="Von der Veranstaltung abmelden").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sie haben sich abgemeldet.")
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You have cancelled.")
    await context.close()


async def test_by_keyboard_alone(browser: Browser, served: Served) -> None:
    page = await browser.new_page(**WIDE)
    await page.goto(f"{served.url}/events/kompost")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Zum Inhalt springen")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.locator("#name").focus()
    await page.keyboard.type("Jörg Müller")
    await page.keyboard.press("Tab")
    await page.keyboard.type("joerg@example.org")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sie haben einen Platz.")
    await page.close()
