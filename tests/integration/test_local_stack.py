"""The stack's servers keep what they were given over a ``kill -9``, and leave nothing behind."""

import asyncio
import contextlib
import imaplib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import Stack, StackError, record
from deploy.local.plan import ROOT, SERVICES, Elsewhere, Ports, check_ports

pytestmark = pytest.mark.stack

TOPIC = "kept.v1"


@dataclass
class Terminal:
    """Somebody at a terminal, with a home and a port of their own."""

    home: Path
    port: int

    def environ(self) -> dict[str, str]:
        others = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
        return {**others, "EINLASS_HOME": str(self.home), "EINLASS_PORT": str(self.port)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            env=self.environ(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    @contextlib.contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """Have the servers ready, until the end at the latest."""
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up", "--servers-only"],
            env=self.environ(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                seen = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
                assert process.poll() is None, "".join(seen)
                yield process
            finally:
                process.terminate()

    def record(self) -> record.Run:
        run = record.read(self.home / "run.json")
        assert run is not None
        return run


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    home = tmp_path_factory.mktemp("stack")
    # Under root PostgreSQL runs as another user, who has to get there.
    for directory in (home, home.parent):
        directory.chmod(0o755)
    found = Terminal(home / "home", _first_free_port())
    yield found
    found.run("down")


def _first_free_port() -> int:
    for port in range(24000, 30000, 30):
        try:
            check_ports(Ports(port), Elsewhere.of({}), services=True)
        except StackError:
            continue
        return port
    raise AssertionError("no ports are free")


def test_nothing_is_lost_by_kill_and_nothing_is_left_by_down(terminal: Terminal) -> None:
    with terminal.up() as process:
        first = terminal.record()
        environment = first.environment
        _fenced(environment)
        asyncio.run(_give(environment))
        guard = _guard_of(process.pid)
        for pid in (guard, process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
    assert any(child.identity.alive() for child in first.children)

    with terminal.up() as process:
        second = terminal.record()
        assert not any(child.identity.alive() for child in first.children)
        assert second.environment == environment
        asyncio.run(_take(environment))
        refused = terminal.run("up", "--servers-only")
        assert refused.returncode == 1
        assert "running" in refused.stderr
        assert "export EINLASS_KAFKA_BOOTSTRAP=" in terminal.run("env").stdout

        assert terminal.run("down").returncode == 0

        assert process.wait(5) == 0
    assert not any(child.identity.alive() for child in second.children)
    assert terminal.run("env").returncode == 1


def test_servers_from_elsewhere_are_used_instead(terminal: Terminal, tmp_path: Path) -> None:
    with Stack(terminal.home, terminal.port, terminal.environ(), log=lambda _line: None) as ours:
        ours.up(services=False)
        environment = ours.environment()
        names = ("EINLASS_REDIS_URL", "EINLASS_KAFKA_BOOTSTRAP", "EINLASS_SMTP_URL")
        elsewhere = {name: environment[name] for name in names}
        elsewhere["EINLASS_POSTGRES_URL"] = (
            f"postgresql://postgres:{ours.secrets.postgres}@127.0.0.1:{ours.ports.postgres}/postgres"
        )
        with Stack(tmp_path / "home", terminal.port + 30, {**os.environ, **elsewhere}) as theirs:
            theirs.up(services=False)

            assert not theirs.children
            assert "EINLASS_POSTGRES_URL" not in theirs.environment()
            _fenced(theirs.environment())
        assert all(child.running for child in ours.children.values())


def _guard_of(supervisor: int) -> int:
    for child in psutil.Process(supervisor).children():
        if "deploy.local.guard" in child.cmdline():
            return int(child.pid)
    raise AssertionError("no guard")


def _fenced(environment: Mapping[str, str]) -> None:
    """Each service's role gets into its own database and into no other's."""
    urls = {service: environment[f"EINLASS_{service.upper()}_DATABASE_URL"] for service in SERVICES}
    for service, url in urls.items():
        asyncio.run(_connects(url))
        other = next(name for name in SERVICES if name != service)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(_connects(f"{url.rpartition('/')[0]}/einlass_{other}"))


async def _connects(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.close()


async def _give(environment: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(environment["EINLASS_WAITLIST_DATABASE_URL"])
    await connection.execute("CREATE TABLE kept AS SELECT 'a row' AS what")
    await connection.close()
    where = urlsplit(environment["EINLASS_SMTP_URL"])
    await aiosmtplib.send(
        b"Subject: a mail\r\n\r\nIt is k\xc3\xb6pt.\r\n",
        sender="from@example.org",
        recipients=["to@example.org"],
        hostname=where.hostname,
        port=where.port,
    )
    bootstrap = environment["EINLASS_KAFKA_BOOTSTRAP"]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    await producer.send_and_wait(TOPIC, b"a message")
    await producer.stop()


async def _take(environment: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(environment["EINLASS_WAITLIST_DATABASE_URL"])
    assert await connection.fetchval("SELECT what FROM kept") == "a row"
    await connection.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=environment["EINLASS_KAFKA_BOOTSTRAP"], auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC, 0)])
    message = await asyncio.wait_for(consumer.getone(), 10)
    await consumer.stop()
    assert message.value == b"a message"
    assert _mails(environment) == ["a mail"]


def _mails(environment: Mapping[str, str]) -> list[str]:
    """The subjects of all mails, as somebody who reads them with IMAP sees them."""
    url = urlsplit(environment["EINLASS_IMAP_URL"])
    with imaplib.IMAP4(url.hostname or "", url.port or 0) as connection:
        connection.login(unquote(url.username or ""), url.password or "")
        connection.select("INBOX")
        found: list[bytes] = connection.search(None, "ALL")[1][0].split()
        subjects = []
        for number in found:
            part = "(BODY[HEADER.FIELDS (SUBJECT)])"
            head: Any = connection.fetch(number.decode(), part)[1][0]
            subjects.append(head[1].decode().partition(":")[2].strip())
        return subjects


def test_a_start_that_is_broken_off_leaves_nothing(terminal: Terminal) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "up", "--servers-only"],
        env=terminal.environ(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        # Whatever runs the tests in the background has had SIGINT ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 20
    while not (run := record.read(terminal.home / "run.json")) or not run.children:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    process.send_signal(signal.SIGINT)

    assert process.wait(90) == 0
    assert not any(child.identity.alive() for child in run.children)
    assert record.read(terminal.home / "run.json") is None
