"""What is asked of every page that a browser shows."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from deploy.local import Stack
from tests.support.pages import Preview

WIDE: dict[str, Any] = {"locale": "de-DE", "viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "locale": "en-GB",
    "viewport": {"width": 320, "height": 640},
    "color_scheme": "dark",
}
SCREENSHOTS = Path(os.environ.get("EINLASS_ARTIFACTS", "artifacts")) / "screenshots"


@dataclass(frozen=True, slots=True)
class Served:
    """A preview at an address on loopback."""

    shown: Preview
    url: str


async def check_page(page: Page, name: str) -> None:
    """Keeps a screenshot, and finds nothing that axe or a narrow screen minds."""
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{name} scrolls sideways by {width} px"


async def sign_in(page: Page, stack: Stack, path: str = "/admin") -> None:
    """Goes to a page, and signs in on the way, by keyboard alone."""
    assert stack.operator is not None
    await page.goto(stack.public_url + path)
    await page.locator("#name").focus()
    await page.keyboard.type(stack.operator.name)
    await page.keyboard.press("Tab")
    await page.keyboard.type(stack.operator.password)
    await page.keyboard.press("Enter")
    await expect(page.locator(".desk-who")).to_be_visible()
