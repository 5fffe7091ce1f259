"""A person's own page by a real browser: offers, waiting, fewer people; open, it stays true."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from services.registration.domain.seats import Seats
from tests.support.browsing import PHONE, WIDE, Served, check_page
from tests.support.lines import OFFER, STATES, Lines, full
from tests.support.waiting import until

pytestmark = pytest.mark.browser

ASKS = {"offered": "/decline", "part": "/decline", "waiting": "/cancel"}
MINUTE = 60_000
SOON_MS = 5_000  # long before an open page asks by itself
LATER = timedelta(days=3)


def _title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


async def _open(context: Browser | BrowserContext, served: Served, path: str, **how: Any) -> Page:
    """A page whose clock is the application's."""
    page = await context.new_page(**how)
    await page.clock.install(time=served.shown.clock.now())
    await page.goto(served.url + path)
    return page


@pytest.mark.parametrize("how", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", STATES)
async def test_each_state(browser: Browser, served: Served, name: str, how: dict[str, Any]) -> None:
    path = await STATES[name](Lines(served.shown))
    context = await browser.new_context(**how)
    page = await _open(context, served, path)
    for summary in await page.locator(".own summary").all():
        await summary.click()
    await check_page(page, f"own-{name}-{how['locale']}")
    if name in ASKS:
        await page.goto(served.url + path + ASKS[name])
        await check_page(page, f"own-{name}-asks-{how['locale']}")
    if name == "several":
        await page.goto(f"{served.url}/events/lesekreis")
        await check_page(page, f"event-series-{how['locale']}")
    await context.close()


async def test_an_offer_without_javascript(browser: Browser, served: Served) -> None:
    lines = Lines(served.shown)
    path = await lines.part()
    context = await browser.new_context(**WIDE, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(served.url + path)
    await expect(page.get_by_text("Mittwoch, 7. Oktober 2026, 12:00 Uhr")).to_be_visible()
    await expect(page.locator("[data-left]")).to_be_hidden()
    await page.get_by_role("link", name="Ablehnen").click()
    await expect(_title(page)).to_have_text("Möchten Sie die 2 Plätze ablehnen?")
    await page.get_by_role("link", name="Zurück, ich überlege noch").click()
    await expect(_title(page)).to_have_text("Wir halten 2 von 4 Plätzen für Sie frei.")
    await page.get_by_role("link", name="Ablehnen").click()
    await page.get_by_role("button", name="Ablehnen").click()
    await expect(_title(page)).to_have_text("Sie stehen an 1. Stelle der Warteliste.")
    await page.get_by_role("button", name="Ich möchte den Platz weiterhin").click()
    await expect(page.get_by_text("Das haben Sie zuletzt am Dienstag")).to_be_visible()
    await page.get_by_text("Mit weniger Personen kommen").click()
    await page.get_by_label("Anzahl der Plätze von jetzt an").select_option("2")
    await page.get_by_role("button", name="Auf weniger Plätze warten").click()
    # Two places are held, so the party of two fits now.
    await expect(_title(page)).to_have_text("Wir halten 2 Plätze für Sie frei.")
    await page.get_by_role("button", name="2 Plätze annehmen").click()
    await expect(_title(page)).to_have_text("Sie haben 2 Plätze.")
    await page.get_by_text("Mit weniger Personen kommen").click()
    await page.get_by_role("button", name="Übrige Plätze abgeben").click()
    await expect(_title(page)).to_have_text("Sie haben einen Platz.")
    await context.close()


async def test_too_late_without_javascript(browser: Browser, served: Served) -> None:
    lines = Lines(served.shown)
    path = await lines.offered()
    context = await browser.new_context(**WIDE, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(served.url + path)
    await lines.joins("lesekreis")
    served.shown.clock.advance(LATER)
    served.shown.service.run_out()
    await page.get_by_role("button", name="Platz annehmen").click()
    await expect(_title(page)).to_have_text("Die Zeit zum Annehmen ist abgelaufen.")
    await page.get_by_role("link", name="English").click()
    await expect(_title(page)).to_have_text("The time to accept is over.")
    await page.get_by_role("link", name="To the waiting list").click()
    await expect(page.get_by_role("button", name="Put me on the waiting list")).to_be_visible()
    await context.close()


async def test_an_offer_by_keyboard_alone(browser: Browser, served: Served) -> None:
    path = await Lines(served.shown).offered()
    page = await browser.new_page(**WIDE)
    await page.goto(served.url + path)
    await page.locator("main").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Platz annehmen")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Ablehnen")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(_title(page)).to_have_text("Möchten Sie den Platz ablehnen?")
    await page.locator("main").focus()
    for _ in range(4):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Zurück, ich überlege noch")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(_title(page)).to_have_text("Wir halten einen Platz für Sie frei.")
    await page.locator("main").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(_title(page)).to_have_text("Sie haben einen Platz.")
    await page.close()


async def test_fewer_people_by_keyboard_alone(browser: Browser, served: Served) -> None:
    path = await Lines(served.shown).waiting_group()
    page = await browser.new_page(**WIDE)
    await page.goto(served.url + path)
    await page.locator("#cancel").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Anzahl der Plätze von jetzt an")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Sie warten auf 2 Plätze.")).to_be_visible()
    await page.close()


async def test_mistakes_of_the_small_form_take_the_focus(browser: Browser, served: Served) -> None:
    path = await Lines(served.shown).confirmed_group()
    page = await browser.new_page(**WIDE)
    await page.goto(served.url + path)
    await page.locator("#fewer summary").click()
    await page.evaluate("document.querySelector('#seats option').value = '7'")
    await page.get_by_label("Anzahl der Plätze von jetzt an").select_option("7")
    await page.get_by_role("button", name="Übrige Plätze abgeben").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.get_by_role("alert")).to_contain_text("Hier können Sie nur Plätze abgeben.")
    await check_page(page, "own-not-smaller")
    await page.get_by_role("link", name="English").click()
    await expect(_title(page)).to_have_text("You have 4 places.")
    await page.close()


async def _ticks_until(page: Page, place: Locator, text: str) -> None:
    """Lets the page's time pass until it shows something."""

    async def later() -> str:
        await page.clock.run_for(1000)
        return await place.text_content() or ""

    await until(later, lambda found: text in found)


async def test_an_open_page_shows_by_itself_that_it_is_ones_turn(
    browser: Browser, served: Served
) -> None:
    lines = Lines(served.shown)
    first, own = await lines.waits(OFFER, 1, (1, 5))
    page = await _open(browser, served, own, **WIDE)
    await expect(_title(page)).to_have_text("Sie stehen an 1. Stelle der Warteliste.")
    await page.evaluate("window.stayed = true")
    await page.get_by_role("button", name="Ich möchte den Platz weiterhin").focus()
    await lines.does(first, "cancel")
    await page.clock.run_for(15_000)
    await expect(_title(page)).to_have_text("Sie stehen an 1. Stelle der Warteliste.")
    await _ticks_until(page, _title(page), "Wir halten einen Platz für Sie frei.")
    told = page.locator("[data-told]")
    await expect(told).to_have_attribute("role", "status")
    await expect(told).to_have_text("Wir halten einen Platz für Sie frei.")
    # What had the focus is gone, so that the sentence has it now.
    await expect(_title(page)).to_be_focused()
    assert await page.evaluate("window.stayed"), "the page was loaded anew"
    await expect(page.locator("[data-left]")).to_have_text("Noch 23 Stunden und 59 Minuten")
    await page.get_by_role("button", name="Platz annehmen").click()
    await expect(_title(page)).to_have_text("Sie haben einen Platz.")
    await page.close()


async def test_a_changed_light_makes_the_page_look_at_once(
    browser: Browser, served: Served
) -> None:
    lines = Lines(served.shown)
    path = await lines.waiting()
    page = await browser.new_page(**WIDE)
    await page.goto(served.url + path)
    await expect(page.locator("[data-slug=lesekreis]")).to_have_text("Ausgebucht, Warteliste offen")
    off, seats = full("lesekreis", 6, OFFER, status="called_off")
    served.shown.service.put(off, seats)
    await expect(_title(page)).to_have_text("Diese Veranstaltung ist abgesagt.", timeout=SOON_MS)
    await page.close()


async def test_an_offer_counts_down_in_words_and_runs_out(browser: Browser, served: Served) -> None:
    lines = Lines(served.shown)
    path = await lines.offered()
    page = await _open(browser, served, path, **WIDE)
    left = page.locator("[data-left]")
    await expect(left).to_be_visible()
    await page.clock.fast_forward(21 * 60 * MINUTE)
    await _ticks_until(page, left, "Noch 2 Stunden und 59 Minuten")
    await page.clock.fast_forward(178 * MINUTE)
    await _ticks_until(page, left, "Noch 1 Minute")
    await page.clock.run_for(MINUTE)
    await expect(left).to_have_text("Noch weniger als eine Minute")
    while await left.is_visible():
        await page.clock.run_for(1000)
    served.shown.clock.advance(LATER)
    began = await page.evaluate("Date.now()")
    await _ticks_until(page, _title(page), "Die Zeit zum Annehmen ist abgelaufen.")
    served.shown.service.run_out()
    await _ticks_until(page, page.locator("[data-part]"), "Zur Anmeldung")
    assert await page.evaluate("Date.now()") - began < 15_000
    await page.close()


async def test_what_is_being_filled_in_is_not_taken_away(browser: Browser, served: Served) -> None:
    lines = Lines(served.shown)
    first, own = await lines.waits(OFFER, 2, (1, 4))
    page = await _open(browser, served, own, **WIDE)
    await page.locator("#fewer summary").click()
    choice = page.get_by_label("Anzahl der Plätze von jetzt an")
    await choice.focus()
    await lines.does(first, "cancel")
    await lines.does(own, "reduce", 1)
    notice = page.locator("[data-changed-here]")
    await _ticks_until(page, notice, "Hier hat sich gerade etwas geändert.")
    await expect(notice).to_be_visible()
    await expect(page.locator("[data-told]")).to_contain_text("gerade etwas geändert")
    await expect(choice).to_be_focused()
    await check_page(page, "own-changed")
    await page.get_by_role("link", name="Neuen Stand zeigen").click()
    await expect(_title(page)).to_have_text("Wir halten einen Platz für Sie frei.")
    await page.close()


async def test_an_open_page_asks_gently(browser: Browser, served: Served) -> None:
    """Less and less often while nothing changes, not while nobody looks, and without getting the
    whole page again."""
    path = await Lines(served.shown).waiting()
    page = await _open(browser, served, path, **WIDE)
    answers: list[int] = []
    page.on("response", lambda r: answers.append(r.status) if r.url.endswith(path) else None)

    async def asked(times: int) -> None:
        async def later() -> int:
            await page.clock.run_for(1000)
            return len(answers)

        await until(later, lambda found: found >= times, timeout=60)

    await asked(3)
    assert answers[0] == 200
    assert set(answers[1:]) == {304}
    began = await page.evaluate("Date.now()")
    await asked(8)
    assert (await page.evaluate("Date.now()") - began) / 5 > 30_000
    await page.close()


async def test_ticking_other_dates_and_a_light_that_changes(
    browser: Browser, served: Served
) -> None:
    lines = Lines(served.shown)
    await lines.several()
    page = await browser.new_page(**WIDE)
    await page.goto(f"{served.url}/events/lesekreis")
    group = page.get_by_role("group", name="Auch auf diese Termine warten")
    await group.get_by_label("Donnerstag, 17. Dezember 2026").check()
    await page.get_by_label("Name").fill("Jörg Müller")
    await page.get_by_label("E-Mail-Adresse").fill("quatsch")
    await page.get_by_label("Ich stimme").check()
    await page.get_by_role("button", name="Auf die Warteliste setzen").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(group.get_by_label("Donnerstag, 17. Dezember 2026")).to_be_checked()
    light = group.locator("[data-slug=lesekreis-januar]")
    await expect(light).to_have_text("Ausgebucht, Warteliste offen")
    january, _ = full("lesekreis-januar", 9, OFFER, series="lesekreis")
    served.shown.service.put(january, Seats(9))
    await expect(light).to_have_text("Genügend Plätze", timeout=2000)
    await page.get_by_label("E-Mail-Adresse").fill("joerg@example.org")
    await page.get_by_role("button", name="Auf die Warteliste setzen").click()
    await expect(page.get_by_text("Sie warten auch auf andere Termine")).to_be_visible()
    await page.close()


async def test_the_dates_to_tick_come_and_go_with_the_line(
    browser: Browser, served: Served
) -> None:
    lines = Lines(served.shown)
    await lines.several()
    free, seats = full("frei", 1, OFFER, series="lesekreis")
    served.shown.service.put(free, seats)
    page = await browser.new_page(**WIDE)
    await page.goto(f"{served.url}/events/frei")
    group = page.get_by_role("group", name="Auch auf diese Termine warten")
    await expect(group).to_have_count(0)
    await lines.joins("frei")
    await expect(group).to_be_visible(timeout=2000)
    await expect(page.get_by_text("niemand wird öfter als 3 Mal überholt")).to_be_visible()
    served.shown.service.put(free, seats)
    await expect(group).to_have_count(0, timeout=2000)
    await page.close()
