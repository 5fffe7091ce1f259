"""What is asked of every page that a browser shows."""

import os
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.support.pages import Preview

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
