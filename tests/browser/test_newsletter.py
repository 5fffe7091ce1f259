"""The newsletter by clicking, on the real stack: a reader asks, confirms, changes and leaves; an
editor writes, looks, tries and sends; everybody reads."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from deploy.local import Stack
from tests.support import events
from tests.support.browsing import check_page, sign_in
from tests.support.mailbox import Mailbox
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@dataclass(frozen=True, slots=True)
class Words:
    """What a page in this language says."""

    gets: str
    paused: str
    left: str


GERMAN = Words(
    "Sie bekommen den Newsletter.",
    "Der Newsletter macht Pause.",
    "Sie bekommen den Newsletter nicht mehr.",
)
ENGLISH = Words(
    "You get the newsletter.",
    "The newsletter is paused.",
    "You do not get the newsletter any more.",
)


async def words_of(page: Page) -> tuple[str, Words]:
    """The browser's language and its words."""
    locale = str(await page.evaluate("navigator.language"))
    return locale, GERMAN if locale.startswith("de") else ENGLISH


async def test_a_reader_from_asking_to_leaving(page: Page, stack: Stack, mailbox: Mailbox) -> None:
    await page.goto(f"{stack.public_url}/newsletter/subscribe")
    locale, words = await words_of(page)
    await check_page(page, f"newsletter-subscribe-{locale}")
    await page.locator("#email").fill("niemand")
    await page.locator("main form button[type=submit]").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await check_page(page, f"newsletter-subscribe-wrong-{locale}")
    domain = events.domain()
    await page.locator("#email").fill(f"anna@{domain}")
    await page.locator("main form button[type=submit]").click()
    await page.wait_for_url("**/newsletter/asked")
    await check_page(page, f"newsletter-asked-{locale}")

    (mail,) = await mailbox.wait(domain, lambda found: len(found) == 1)
    body = mail.get_body(("plain",))
    assert body is not None
    link = re.search(r"https?://\S*/newsletter/confirm/[^\s<>]+", body.get_content())
    assert link is not None
    await page.goto(link[0])
    await check_page(page, f"newsletter-confirm-{locale}")
    await page.locator("main form button[type=submit]").click()
    await expect(page.locator("h1")).to_have_text(words.gets)
    own = stack.public_url + urlsplit(page.url).path
    await check_page(page, f"newsletter-own-{locale}")

    await page.locator("#pause summary").click()
    await page.locator("#wish").select_option("6")
    await page.locator("#pause button[type=submit]").click()
    await expect(page.locator("h1")).to_have_text(words.paused)
    await check_page(page, f"newsletter-paused-{locale}")
    await page.locator("form[action$=resume] button").click()
    await expect(page.locator("h1")).to_have_text(words.gets)

    await page.goto(f"{own}/unsubscribe")
    await check_page(page, f"newsletter-leave-{locale}")
    await page.locator("form[action$=unsubscribe] button").click()
    await expect(page.locator("h1")).to_have_text(words.left)
    await check_page(page, f"newsletter-left-{locale}")
    await page.locator("form[action$=return] button").click()
    await expect(page.locator("h1")).to_have_text(words.gets)


async def write(page: Page, title: str) -> None:
    """Fills in both languages and saves."""
    for language, lead in (("de", "Was uns bewegt."), ("en", "What moves us.")):
        part = page.locator(f"details:has(#{language}_title)")
        if await part.get_attribute("open") is None:
            await part.locator("summary").click()
        await page.locator(f"#{language}_title").fill(title)
        await page.locator(f"#{language}_subject").fill(title)
        await page.locator(f"#{language}_preview").fill(lead)
        source = (
            f"::: lead\n{lead}\n:::\n\n::: article Park\nEin Satz.\n:::\n\n"
            "::: imprint\nStiftung, Münster\n:::\n"
        )
        await page.locator(f"#{language}_source").fill(source)
    await page.locator("form.write button[type=submit]").first.click()
    await expect(page.locator(".notice[role=status]")).to_be_visible()


async def test_an_editor_from_writing_to_sending(page: Page, stack: Stack) -> None:
    await sign_in(page, stack, "/admin/newsletter")
    locale, _ = await words_of(page)
    await check_page(page, f"newsletter-desk-{locale}")
    await page.locator("form[action='/admin/newsletter/issues'] button").click()
    await check_page(page, f"newsletter-write-{locale}")
    title = f"mitarbeiten {events.domain()[:6]}"
    await write(page, title)
    issue = stack.public_url + urlsplit(page.url).path
    await check_page(page, f"newsletter-written-{locale}")
    await page.goto(f"{issue}/preview")
    await check_page(page, f"newsletter-preview-{locale}")
    await page.goto(issue)
    await page.locator("#second").check()
    await page.locator("button[name=when][value=now]").click()

    async def gone() -> int:
        await page.goto(issue)
        return await page.locator("dl.counts").count()

    await until(gone, bool, timeout=30)
    await check_page(page, f"newsletter-sent-{locale}")
    await page.goto(f"{stack.public_url}/newsletter")
    await page.get_by_role("link", name=title).first.click()
    await expect(page.locator("h1")).to_contain_text(title)
    await check_page(page, f"newsletter-issue-{locale}")
    for name, path in {
        "subscribers": "/admin/newsletter/subscribers",
        "import": "/admin/newsletter/subscribers/import",
        "suppressions": "/admin/newsletter/subscribers/suppressions",
    }.items():
        await page.goto(stack.public_url + path)
        await check_page(page, f"newsletter-{name}-{locale}")


async def test_the_archive_can_be_read_by_everybody(page: Page, stack: Stack) -> None:
    locale, _ = await words_of(page)
    for name, path in {"archive": "/newsletter", "nowhere": "/newsletter/1999/1"}.items():
        await page.goto(stack.public_url + path)
        await check_page(page, f"newsletter-{name}-{locale}")
