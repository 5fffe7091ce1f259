"""The main job by clicking, on the real stack: sign up, wait, cancel, move up, get the mail."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from deploy.local import Stack
from tests.support import events
from tests.support.browsing import check_page
from tests.support.mailbox import Mailbox
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SECOND = 1000
OWN_LINK = re.compile(r"http\S+/registrations/[\w-]{36}/[\w-]{22}")


@dataclass(frozen=True, slots=True)
class Words:
    """What a reader of one language clicks and sees."""

    locale: str
    name: str
    email: str
    agree: str
    book: str
    wait: str
    confirmed: str
    waiting: str
    cancel: str
    cancelled: str
    moved_up: str


GERMAN = Words(
    locale="de-DE",
    name="Name",
    email="E-Mail-Adresse",
    agree="Ich stimme",
    book="Verbindlich anmelden",
    wait="Auf die Warteliste setzen",
    confirmed="Sie haben einen Platz.",
    waiting="Sie stehen an {}. Stelle der Warteliste.",
    cancel="Von der Veranstaltung abmelden",
    cancelled="Sie haben sich abgemeldet.",
    moved_up="nachgerückt",
)
ENGLISH = Words(
    locale="en-GB",
    name="Name",
    email="E-mail address",
    agree="I agree",
    book="Book my place",
    wait="Put me on the waiting list",
    confirmed="You have a place.",
    waiting="You are number {} on the waiting list.",
    cancel="Cancel my sign-up",
    cancelled="You have cancelled.",
    moved_up="moved up",
)


async def _publish(admin: httpx.AsyncClient, public: httpx.AsyncClient, **changes: Any) -> str:
    """A new event's slug, as soon as the public sees it."""
    made = events.event(**changes)
    (await admin.post("/events", json=made)).raise_for_status()
    slug = str(made["slug"])
    await until(lambda: public.get(f"/events/{slug}"), lambda a: a.status_code == 200, timeout=2)
    return slug


async def _sign_up(page: Page, address: str, words: Words, number: int, domain: str) -> str:
    """Signs somebody up by clicking; the address of the person's own page."""
    await page.goto(address)
    await page.get_by_label(words.name, exact=True).fill(f"Gast Müller {number}")
    await page.get_by_label(words.email).fill(f"gast-{number}@{domain}")
    await page.get_by_label(words.agree).check()
    button = words.book if number < 3 else words.wait
    await page.get_by_role("button", name=button).click()
    return page.url.partition("?")[0]


def _title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


async def _context(browser: Browser, words: Words, javascript: bool) -> BrowserContext:
    return await browser.new_context(
        locale=words.locale,
        viewport={"width": 1280, "height": 900},
        java_script_enabled=javascript,
    )


@pytest.mark.parametrize(
    ("words", "javascript"),
    [(GERMAN, True), (ENGLISH, False)],
    ids=["german", "english-without-javascript"],
)
async def test_three_places_six_people_by_clicking(
    stack: Stack,
    admin: httpx.AsyncClient,
    public: httpx.AsyncClient,
    mailbox: Mailbox,
    browser: Browser,
    words: Words,
    javascript: bool,
) -> None:
    slug = await _publish(admin, public, capacity=3, few_left={"seats": 1})
    domain, address = events.domain(), f"{stack.public_url}/events/{slug}"
    context = await _context(browser, words, javascript)
    page = await context.new_page()
    shot = f"stack-{words.locale}"

    own: list[str] = []
    for number in range(6):
        own.append(await _sign_up(page, address, words, number, domain))
        if number < 3:
            await expect(_title(page)).to_have_text(words.confirmed)
        else:
            await expect(_title(page)).to_have_text(words.waiting.format(number - 2))
        if number in (0, 3) and javascript:
            await check_page(page, f"{shot}-own-{'waiting' if number else 'confirmed'}")
            await page.goto(address)
            await check_page(page, f"{shot}-event-after-{number + 1}")

    await page.goto(own[1])
    await page.get_by_role("link", name=words.cancel).click()
    if javascript:
        await check_page(page, f"{shot}-cancel")
    await page.get_by_role("button", name=words.cancel).click()
    await expect(_title(page)).to_have_text(words.cancelled)
    if javascript:
        await check_page(page, f"{shot}-cancelled")

    async def first_in_line() -> str:
        await page.goto(own[3])
        return (await _title(page).inner_text()).strip()

    await until(first_in_line, lambda title: title == words.confirmed, timeout=10)
    await expect(page.get_by_text(words.moved_up)).to_be_visible()
    if javascript:
        await check_page(page, f"{shot}-moved-up")
    await page.goto(own[4])
    await expect(_title(page)).to_have_text(words.waiting.format(1))

    mails = await mailbox.wait(f"gast-3@{domain}", lambda found: len(found) >= 2)
    body = mails[-1].get_body(("plain",))
    assert body is not None
    link = OWN_LINK.search(body.get_content())
    assert link is not None
    await page.goto(link[0])
    await expect(_title(page)).to_have_text(words.confirmed)
    await context.close()


async def test_the_light_of_an_open_page_changes_within_a_second(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient, browser: Browser
) -> None:
    slug = await _publish(admin, public, capacity=3, few_left={"seats": 1})
    domain, address = events.domain(), f"{stack.public_url}/events/{slug}"
    context = await _context(browser, GERMAN, True)
    overview, event, page = [await context.new_page() for _ in range(3)]
    await overview.goto(f"{stack.public_url}/events")
    await event.goto(address)
    lights = [
        overview.locator(f"[data-slug={slug}]"),
        event.locator(f"[aria-live][data-slug={slug}]"),
    ]
    for light in lights:
        await expect(light).to_have_text("Genügend Plätze")
    for number, text in enumerate(
        ("Genügend Plätze", "Nur noch wenige Plätze", "Ausgebucht, Warteliste offen")
    ):
        await _sign_up(page, address, GERMAN, number, domain)
        for light in lights:
            await expect(light).to_have_text(text, timeout=SECOND)
    await expect(event.locator("form.form button")).to_have_text(GERMAN.wait)
    await check_page(overview, "stack-overview")
    await check_page(event, "stack-event-red")
    await context.close()


async def test_the_mistakes_of_a_form_by_clicking(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient, browser: Browser
) -> None:
    slug = await _publish(admin, public, capacity=5, max_party=3)
    domain, address = events.domain(), f"{stack.public_url}/events/{slug}"
    context = await _context(browser, GERMAN, True)
    page = await context.new_page()
    await page.goto(address)
    await page.get_by_label("Anzahl der Plätze").select_option("2")
    await page.get_by_role("button", name=GERMAN.book).click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.get_by_label("Anzahl der Plätze")).to_have_value("2")
    await check_page(page, "stack-form-errors")

    await _sign_up(page, address, GERMAN, 0, domain)
    await _sign_up(page, address, GERMAN, 0, domain)
    await expect(page.get_by_role("alert")).to_contain_text("schon angemeldet")
    await check_page(page, "stack-form-again")

    for path in ("/events/nirgends", "/registrations/nonsense/nonsense"):
        answer = await page.goto(stack.public_url + path)
        assert answer is not None
        assert answer.status == 404
    await check_page(page, "stack-not-found")
    await context.close()


async def test_the_language_is_switched_and_kept(stack: Stack, browser: Browser) -> None:
    context = await _context(browser, GERMAN, True)
    page = await context.new_page()
    await page.goto(f"{stack.public_url}/events")
    await expect(_title(page)).to_have_text("Veranstaltungen")
    await page.get_by_role("link", name="English").click()
    await expect(_title(page)).to_have_text("Events")
    await page.goto(f"{stack.public_url}/terms")
    await expect(_title(page)).to_have_text("Terms")
    await check_page(page, "stack-terms")
    (cookie,) = await context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("lang", True, "Lax")
    await context.close()
