"""Logs hold no name, address or token, whoever writes them."""

import json
import subprocess
import sys

import pytest

SECRET = "geheim-anna@example.org"
START = """
import asyncio, gc, logging, sys
import structlog
from services.kit import telemetry
telemetry.configure("registration", "api", "INFO")
log = structlog.get_logger("x")
def fail():
    raise ValueError("geheim-anna@example.org")
"""


def lines(program: str) -> list[dict[str, object]]:
    """What a process with our logs writes."""
    done = subprocess.run(
        [sys.executable, "-c", START + program], capture_output=True, text=True, check=True
    )
    assert SECRET not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_says_who_and_when() -> None:
    (line,) = lines("log.info('http.status', status=503)")
    assert line["event"] == "http.status"
    assert (line["service"], line["process"], line["level"]) == ("registration", "api", "info")
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "how",
    [
        "log.error('failed', exc_info=True)",
        "log.exception('failed')",
        "logging.getLogger('uvicorn.error').error('failed', exc_info=True)",
        "logging.getLogger('sqlalchemy.pool').exception('failed')",
    ],
)
def test_of_an_exception_its_type_and_place_are_told(how: str) -> None:
    (line,) = lines(f"try:\n    fail()\nexcept ValueError:\n    {how}\n")
    assert line["event"] == "failed"
    assert line["error"] == "ValueError"
    assert any("fail" in place for place in line["at"])  # type: ignore[attr-defined]


def test_of_a_task_that_nobody_awaited_too() -> None:
    found = lines(
        """
async def lost():
    fail()
async def main():
    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main())
"""
    )
    assert [line["event"] for line in found] == ["Task exception was never retrieved"]
    assert found[0]["error"] == "ValueError"
