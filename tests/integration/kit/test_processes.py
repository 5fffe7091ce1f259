"""Whole processes: how they begin, and how they end on SIGTERM."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deploy.local import Stack
from tests.integration.kit.harness import until
from tests.support import databases


@pytest_asyncio.fixture(scope="module")
async def environment(stack: Stack, administrator_url: str) -> AsyncIterator[dict[str, str]]:
    """What a process needs, with a database of its own."""
    async with databases.fresh(administrator_url, "registration") as url:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
        yield {**ours, **stack.environment(), "EINLASS_REGISTRATION_DATABASE_URL": url}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(
    environment: Mapping[str, str], log: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`einlass …`, killed at the end where it still runs."""
    with log.open("wb") as file:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *arguments, env=environment, stdout=file
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def ready(url: str) -> bool:
    """Whether the process at `url` says that it can do its work."""
    async with httpx.AsyncClient(timeout=3) as client:
        try:
            return (await client.get(f"{url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False


async def ended(started: asyncio.subprocess.Process) -> tuple[int, float]:
    """Sends SIGTERM; the exit code, and the seconds it took."""
    began = time.monotonic()
    started.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        code = await started.wait()
    return code, time.monotonic() - began


async def test_an_api_ends_its_streams_and_itself(
    environment: dict[str, str], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ("registration", "api", "--port", str(port))
    async with process(environment, tmp_path / "log", *arguments) as started:
        await until(lambda: ready(url))
        async with (
            httpx.AsyncClient(timeout=30) as client,
            client.stream("GET", f"{url}/api/v1/availability/stream") as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            ending = asyncio.create_task(ended(started))
            async for _ in stream.aiter_bytes():
                pass
            code, seconds = await ending
    assert code == 0
    assert seconds < 8
    assert "failed" not in (tmp_path / "log").read_text()


async def test_a_worker_gives_back_and_ends(environment: dict[str, str], tmp_path: Path) -> None:
    """Without its consumer, which would take messages from the stack's own registration."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ("registration", "worker", "--only", "relay,janitor", "--port", str(port))
    async with process(environment, tmp_path / "log", *arguments) as started:
        await until(lambda: ready(url))
        code, seconds = await ended(started)
    assert code == 0
    assert seconds < 12
    assert "crashed" not in (tmp_path / "log").read_text()


async def test_a_worker_ends_while_kafka_does_not_answer(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        kafka = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"http://127.0.0.1:{(port := free_port())}"
        arguments = ("registration", "worker", "--port", str(port))
        async with process(
            {**environment, "EINLASS_KAFKA_BOOTSTRAP": kafka}, tmp_path / "log", *arguments
        ) as started:
            await until(lambda: ready(url))
            code, seconds = await ended(started)
    assert code == 0
    assert seconds < 12
    assert "crashed" not in (tmp_path / "log").read_text()


async def test_an_api_that_cannot_start_says_so_by_its_code(
    environment: dict[str, str], tmp_path: Path
) -> None:
    away = f"postgresql://nobody:geheim@127.0.0.1:{free_port()}/nowhere"
    arguments = ("registration", "api", "--port", str(free_port()))
    async with process(
        {**environment, "EINLASS_REGISTRATION_DATABASE_URL": away}, tmp_path / "log", *arguments
    ) as started:
        async with asyncio.timeout(30):
            assert await started.wait() == 3
    assert "geheim" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("missing", ["EINLASS_SECRET_KEY", "EINLASS_REGISTRATION_DATABASE_URL"])
async def test_a_process_without_a_secret_does_not_start(
    environment: dict[str, str], tmp_path: Path, missing: str
) -> None:
    with_less = {k: v for k, v in environment.items() if k != missing}
    async with process(with_less, tmp_path / "log", "registration", "api") as started:
        async with asyncio.timeout(30):
            assert await started.wait() not in (0, None)
