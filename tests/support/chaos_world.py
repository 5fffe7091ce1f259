"""A world to break: servers, and the site's processes beside them, each ended and begun alone.

Invariant: the site reaches each server by an address of its own, so that a proxy can stand in
between, and the checks reach it directly, so that what they see is never the proxy's doing.
"""

import asyncio
import os
import re
import signal
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import psutil

from deploy.local import Child, Stack
from deploy.local.plan import HOST
from tests.support.proxy import Proxy
from tests.support.sink import Sink, sink

Server = Literal["postgres", "valkey", "kafka", "smtp"]
SERVICES = ("registration", "waitlist", "notifications")
_SITE, _SINK, _PROXIES, _EXTRA = 30, 60, 61, 70
_TROUBLE = re.compile(r'"(?:event|message)": ?"(consumer\.gap|role\.crashed|http\.failed)"')


def first_port() -> int:
    """Where the ports of a world begin; it uses the 100 from there."""
    return int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 200


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    where = f"{login}@{HOST}:{port}" if login else f"{HOST}:{port}"
    return urlunsplit(parts._replace(netloc=where))


@dataclass(slots=True)
class World:
    """`servers` are PostgreSQL, Valkey and Kafka; `site` the gateway and the services."""

    servers: Stack
    site: Stack
    smtp: Sink
    proxies: Mapping[Server, Proxy]
    extra: int = 0

    @property
    def public_url(self) -> str:
        return self.site.public_url

    @property
    def bootstrap(self) -> str:
        return self.site.environment()["EINLASS_KAFKA_BOOTSTRAP"]

    def database(self, service: str) -> str:
        """The address of a service's database, past any proxy."""
        url = self.site.environment()[f"EINLASS_{service.upper()}_DATABASE_URL"]
        return _with_port(url, self.servers.ports.postgres)

    def child(self, name: str) -> Child:
        return self.servers.children.get(name) or self.site.children[name]

    async def kill(self, name: str) -> None:
        """SIGKILL; for PostgreSQL to its backends too, which lead groups of their own."""
        child = self.child(name)
        if name == "postgres":
            postmaster = psutil.Process(child.pid)
            all_of_it = [postmaster, *postmaster.children(recursive=True)]
            for process in all_of_it:
                _kill(process)
            await asyncio.to_thread(psutil.wait_procs, all_of_it[1:], 10)
        await asyncio.to_thread(child.kill)

    async def start(self, name: str) -> None:
        """Starts it again, and returns when it is ready."""
        await asyncio.to_thread(self.child(name).start)

    async def terminate(self, name: str) -> int | None:
        """SIGTERM; the exit code."""
        return await asyncio.to_thread(self.child(name).terminate)

    def freeze(self, name: str) -> None:
        self.child(name).signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.child(name).signal(signal.SIGCONT)

    async def einlass(self, *arguments: str) -> tuple[int | None, str]:
        """One of `einlass`'s commands, run to its end; its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sysconfig.get_path("scripts")) / "einlass"),
            *arguments,
            env={**os.environ, **self.site.environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()

    async def spawn_api(self, name: str, port: int) -> None:
        """A second api process of registration, which the gateway must know of already."""
        argv = ["einlass", "registration", "api", "--host", HOST, "--port", str(port)]
        await asyncio.to_thread(self.site.spawn, name, argv, f"http://{HOST}:{port}/readyz")

    async def spawn_worker(self, service: str, roles: str) -> str:
        """A further worker with these roles, of no lasting name; returns what to call it."""
        self.extra += 1
        name, port = f"{service}-extra-{self.extra}", first_port() + _EXTRA + self.extra
        argv = ["einlass", service, "worker", "--only", roles, "--host", HOST, "--port", str(port)]
        await asyncio.to_thread(
            self.site.spawn,
            name,
            argv,
            f"http://{HOST}:{port}/readyz",
            {"EINLASS_INSTANCE_ID": ""},
        )
        return name

    def troubles(self) -> list[str]:
        """Lines of the services' logs that no fault of a server excuses."""
        found: list[str] = []
        for log in sorted(self.site.places.logs.glob("*.log")):
            if log.name.startswith(SERVICES):
                lines = log.read_text(errors="replace").splitlines()
                found += [f"{log.stem}: {line[:2000]}" for line in lines if _TROUBLE.search(line)]
        return found


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


@contextmanager
def world(
    home: Path, *, proxied: Sequence[Server] = (), settings: Mapping[str, str] | None = None
) -> Iterator[World]:
    """A world of its own, ended at the end. `settings`: further variables of the services."""
    first = first_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    with ExitStack() as held:
        smtp = held.enter_context(sink(first + _SINK))
        servers = held.enter_context(
            Stack(home / "servers", first, {**clean, "EINLASS_SMTP_URL": smtp.url})
        )
        servers.up(services=False)
        ports: dict[Server, int] = {
            "postgres": servers.ports.postgres,
            "valkey": servers.ports.valkey,
            "kafka": servers.ports.kafka,
            "smtp": first + _SINK,
        }
        proxies = {
            name: held.enter_context(Proxy(first + _PROXIES + number, ports[name]))
            for number, name in enumerate(ports)
            if name in proxied
        }
        if "kafka" in proxies:
            _advertise(servers, proxies["kafka"].port)
        seen = {name: proxies[name].port if name in proxies else ports[name] for name in ports}
        environ = clean | {
            "EINLASS_RATE_LIMITS": "off",
            "EINLASS_SMTP_TIMEOUT_SECONDS": "1",
            "EINLASS_MAIL_LEASE_SECONDS": "10",
            "EINLASS_POSTGRES_URL": _with_port(servers.administrator_url(), seen["postgres"]),
            "EINLASS_REDIS_URL": f"redis://{HOST}:{seen['valkey']}/0",
            "EINLASS_KAFKA_BOOTSTRAP": f"{HOST}:{seen['kafka']}",
            "EINLASS_SMTP_URL": f"smtp://{HOST}:{seen['smtp']}",
            **(settings or {}),
        }
        site = held.enter_context(Stack(home / "site", first + _SITE, environ))
        site.up()
        yield World(servers, site, smtp, proxies)


def _advertise(servers: Stack, port: int) -> None:
    """Has Kafka name the proxy's address to its clients, which connect to what it names."""
    properties = servers.places.kafka / "server.properties"
    own = f"advertised.listeners=PLAINTEXT://{HOST}:{servers.ports.kafka}\n"
    text = properties.read_text()
    assert own in text
    properties.write_text(text.replace(own, own.replace(str(servers.ports.kafka), str(port))))
    broker = servers.children["kafka"]
    broker.kill()
    broker.start()
