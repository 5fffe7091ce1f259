"""A browser, and the pages over registration in memory for what needs no server."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from tests.support.browsing import PHONE, WIDE, Served
from tests.support.pages import preview

SYSTEM_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, or Playwright's own."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=SYSTEM_CHROMIUM, args=SWITCHES)
        yield found
        await found.close()


@pytest_asyncio.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
async def page(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A new page: wide and light in German, and a small phone in the dark in English."""
    context = await browser.new_context(**request.param)
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """The programme of `tests.support.pages`, fresh for each test."""
    shown = preview()
    server = uvicorn.Server(
        uvicorn.Config(
            shown.app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()
    yield Served(shown, f"http://{host}:{port}")
    shown.app.state.stopping.set()
    server.should_exit = True
    await serving
