"""Newsletters to a counting SMTP sink, beside plain aiosmtplib loops and postfix' smtp-source.

The sink is postfix' `smtp-sink` where it is installed, and one of ours else. Every measurement is
processes of its own on a database of its own; the cases take turns, so that what else the machine
does meets all of them alike. Processor time is told beside the rates, since it is the steadier of
the two while others use the machine. Our figures include the rows of the database, two commits of
which stand before and behind each handful of mails; the loops keep no record.
`EINLASS_BENCH_MAILS` and `EINLASS_BENCH_ROUNDS` make it shorter or longer.
"""

import asyncio
import base64
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figures import table
from benchmarks.newsletter_process import CONNECTIONS, LETTER, address, prepare
from deploy.local import Stack
from services.kit.db import Database, copy
from services.kit.ids import uuid7
from services.notifications.bulk import service
from tests.support import databases

MAILS: Final = int(os.environ.get("EINLASS_BENCH_MAILS", "20000"))
ROUNDS: Final = int(os.environ.get("EINLASS_BENCH_ROUNDS", "3"))
PORT: Final = int(os.environ.get("EINLASS_BENCH_PORT", "18200")) + 98
NAMES: Final = {
    "prepared": "baseline: aiosmtplib loop, octets prepared and filled in",
    "built": "aiosmtplib loop, an EmailMessage each",
    "smtp-source": "postfix' `smtp-source`, one message again and again",
    "one": "newsletters, one process",
    "two": "newsletters, two processes",
    "ed25519": "newsletters, one process, DKIM with Ed25519",
    "rsa": "newsletters, one process, DKIM with RSA-2048",
}
_SBIN: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement: mails a second, and processor microseconds a mail of whoever sends."""

    rate: float
    each: float


def _tool(name: str) -> str | None:
    return shutil.which(name, path=_SBIN)


@asynccontextmanager
async def counting_sink() -> AsyncIterator[None]:
    """A server that takes everything."""
    if tool := _tool("smtp-sink"):
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        command: Sequence[str] = (tool, *user, f"127.0.0.1:{PORT}", "1000")
    else:
        command = (sys.executable, "-m", "tests.support.newsletter_sink", str(PORT), os.devnull)
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL)
    try:
        await _listens(PORT)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _loop(what: str, mails: int) -> Taken:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.newsletter_process", what, str(PORT), str(mails),
        stdout=PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    done = json.loads(said)
    return Taken(mails / done["seconds"], done["processor"] / mails * 1e6)


async def _smtp_source(mails: int) -> Taken:
    tool = _tool("smtp-source")
    assert tool is not None
    size = str(len(prepare()(1)))
    began = time.perf_counter()
    # -d: connections are kept, as ours are.
    process = await asyncio.create_subprocess_exec(
        tool, "-d", "-s", str(CONNECTIONS), "-m", str(mails), "-l", size, f"127.0.0.1:{PORT}"
    )
    watched = psutil.Process(process.pid)
    used = 0.0
    while process.returncode is None:
        try:
            times = watched.cpu_times()
            used = times.user + times.system
        except psutil.Error:
            break
        await asyncio.sleep(0.01)
    await process.wait()
    return Taken(mails / (time.perf_counter() - began), used / mails * 1e6)


async def _worker(url: str, extra: dict[str, str]) -> Process:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli",
        "notifications", "worker", "--only", "newsletter", "--port", "0",
        env={
            **environ,
            "EINLASS_NOTIFICATIONS_DATABASE_URL": url,
            "EINLASS_REDIS_URL": "redis://127.0.0.1:1",
            "EINLASS_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "EINLASS_PUBLIC_URL": "https://einlass.test",
            "EINLASS_SECRET_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
            "EINLASS_SMTP_URL": f"smtp://127.0.0.1:{PORT}",
            "EINLASS_MAIL_FROM": "news@einlass.test",
            "EINLASS_NEWSLETTER_CONNECTIONS": str(CONNECTIONS),
            **extra,
        },
        stdout=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if b"worker.started" in line:
            break
    return process


async def _newsletters(stack: Stack, mails: int, processes: int, **extra: str) -> Taken:
    async with databases.fresh(stack.administrator_url(), "notifications") as url:
        db = Database(url, name="bench", pool=2)
        await subscribe(db, mails)
        workers = [await _worker(url, extra) for _ in range(processes)]
        before = sum(map(_processor, workers))
        async with db.transaction() as conn:
            await service.begin(
                conn, uuid7(), {"de": LETTER, "en": LETTER}, fallback="en", now=datetime.now(UTC)
            )
        seconds = await _until_sent(url, mails)
        used = sum(map(_processor, workers)) - before
        for worker in workers:
            worker.terminate()
            await worker.communicate()
        await db.close()
    return Taken(mails / seconds, used / mails * 1e6)


async def subscribe(db: Database, mails: int) -> None:
    now = datetime.now(UTC)
    columns = (
        "id", "email", "email_key", "address_hash", "locale", "status", "source", "created_at",
        "confirmed_at",
    )  # fmt: skip
    rows = []
    for number in range(mails):
        email = address(number)
        digest = sha256(email.encode()).digest()
        rows.append((uuid7(), email, email, digest, "de", "active", "form", now, now))
    async with db.transaction() as conn:
        await copy(conn, "subscriber", columns, rows)


async def _until_sent(url: str, mails: int) -> float:
    """Seconds from the first lease until all rows say sent."""
    conn = await asyncpg.connect(url)
    try:
        while not await conn.fetchval("SELECT 1 FROM send_chunk WHERE state = 'leased' LIMIT 1"):
            await asyncio.sleep(0.005)
        began = time.perf_counter()
        async with asyncio.timeout(600):
            while int(await conn.fetchval("SELECT sum(sent) FROM send_chunk") or 0) < mails:
                await asyncio.sleep(0.02)
        return time.perf_counter() - began
    finally:
        await conn.close()


def _processor(process: Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _keys(where: Path) -> dict[str, dict[str, str]]:
    """Settings for signing, for each kind of key."""
    made: dict[str, Ed25519PrivateKey | rsa.RSAPrivateKey] = {
        "ed25519": Ed25519PrivateKey.generate(),
        "rsa": rsa.generate_private_key(65537, 2048),
    }
    settings = {}
    for name, key in made.items():
        (where / name).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        settings[name] = {
            "EINLASS_DKIM_SELECTOR": "bench",
            "EINLASS_DKIM_KEY_FILE": str(where / name),
        }
    return settings


async def _measure(stack: Stack, case: str, mails: int, keys: dict[str, dict[str, str]]) -> Taken:
    if case in ("built", "prepared"):
        return await _loop(case, mails)
    if case == "smtp-source":
        return await _smtp_source(mails)
    return await _newsletters(stack, mails, 2 if case == "two" else 1, **keys.get(case, {}))


async def run(stack: Stack, *, rounds: int = ROUNDS, mails: int = MAILS) -> str:
    """Measures, and returns the table as Markdown."""
    cases = [case for case in NAMES if case != "smtp-source" or _tool("smtp-source")]
    taken: dict[str, list[Taken]] = {case: [] for case in cases}
    async with counting_sink():
        with tempfile.TemporaryDirectory(prefix="einlass-dkim-") as where:
            keys = _keys(Path(where))
            for _ in range(rounds):
                for case in cases:
                    taken[case].append(await _measure(stack, case, mails, keys))
    base_rate = statistics.median(one.rate for one in taken["prepared"])
    base_each = statistics.median(one.each for one in taken["prepared"])
    rows = []
    for case in cases:
        rates = [one.rate for one in taken[case]]
        rate = statistics.median(rates)
        each = statistics.median(one.each for one in taken[case])
        rows.append(
            [
                NAMES[case],
                f"{rate:,.0f}",
                f"{min(rates):,.0f}–{max(rates):,.0f}",
                f"{rate / base_rate:.2f}",
                f"{each:,.0f}",
                f"{base_each / each:.2f}" if each else "–",
            ]
        )
    size = len(prepare()(1)) / 1000
    sink = "smtp-sink" if _tool("smtp-sink") else "our own sink"
    head = (
        f"{mails:,} mails of {size:.1f} kB over {CONNECTIONS} connections a process to {sink},"
        f" {rounds} rounds in turn"
    )
    columns = [
        "",
        "mails/s",
        "least–most",
        "× baseline",
        "processor µs a mail",
        "per µs × baseline",
    ]
    return f"{head}:\n\n{table(columns, rows)}"
