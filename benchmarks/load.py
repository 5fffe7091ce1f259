"""Load by wrk (github.com/wg/wrk, from the system's packages), bounded in time and connections;
and, where each request is to be sent exactly once, by plain connections of our own."""

import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

SECONDS: Final = 4
"""Of one run."""

HERE = Path(__file__).parent / "wrk"


class NoLoadError(Exception):
    """wrk is not installed: `apt-get install wrk`, or build it from its source."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: answers a second, answers that were no success, latency in milliseconds."""

    rate: float
    errors: int
    p50: float
    p99: float


def wrk(script: str, url: str, arguments: Sequence[str], *, connections: int, seconds: int) -> Run:
    """Runs `script` against `url` with one thread. Raises NoLoadError, CalledProcessError."""
    program = shutil.which("wrk")
    if program is None:
        raise NoLoadError(NoLoadError.__doc__)
    command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    done = subprocess.run(
        [*command, "-s", str(HERE / script), url, "--", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    line = next(found for found in done.stdout.splitlines() if found.startswith("RESULT"))
    requests, micros, errors, p50, p99, _ = (float(part) for part in line.split()[1:])
    return Run(requests / micros * 1e6, int(errors), p50, p99)


def people() -> str:
    """A word that makes a run's people its own."""
    return f"r{uuid4().hex[:12]}"


def sign_up(url: str, paths: str, connections: int) -> Run:
    """Sign-ups of new people at `paths`, separated by commas."""
    return wrk("signup.lua", url, [paths, people()], connections=connections, seconds=SECONDS)


async def once_each(
    host: str, port: int, requests: Sequence[bytes], *, connections: int
) -> list[int]:
    """Sends each request of HTTP/1.1 once, over kept connections; the answers' statuses, in the
    order in which they came."""
    left, statuses = iter(requests), list[int]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for request in left:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            statuses.append(int(head[9:12]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return statuses
