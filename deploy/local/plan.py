"""What the stack on one machine consists of: ports, places on disk, servers used from elsewhere.

Everything here is decided from the home, the first port and the caller's environment alone, so
that ``up``, ``down``, ``env`` and the tests always agree, and so that two stacks with different
homes and ports never touch each other.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
DEFAULT_HOME: Final = ".local"
ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("registration", "waitlist", "notifications")

_LAST_OFFSET: Final = 23
_VARIABLES: Final = {
    "postgres": "EINLASS_POSTGRES_URL",
    "redis": "EINLASS_REDIS_URL",
    "kafka": "EINLASS_KAFKA_BOOTSTRAP",
    "smtp": "EINLASS_SMTP_URL",
}


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Every TCP port of a stack, at a fixed distance from the gateway's."""

    gateway: int

    def __post_init__(self) -> None:
        if not 1 <= self.gateway <= 65535 - _LAST_OFFSET:
            raise StackError(
                f"EINLASS_PORT={self.gateway} leaves no room: the stack uses the {_LAST_OFFSET} "
                f"ports after it too. Set it between 1 and {65535 - _LAST_OFFSET}."
            )

    @property
    def mail_web(self) -> int:
        return self.gateway + 1

    @property
    def smtp(self) -> int:
        return self.gateway + 2

    @property
    def imap(self) -> int:
        return self.gateway + 3

    @property
    def postgres(self) -> int:
        return self.gateway + 4

    @property
    def valkey(self) -> int:
        return self.gateway + 5

    @property
    def kafka(self) -> int:
        return self.gateway + 6

    @property
    def kafka_controller(self) -> int:
        return self.gateway + 7

    def api(self, service: str) -> int:
        """The port of a service's api process."""
        return self.gateway + 11 + SERVICES.index(service)

    def worker(self, service: str) -> int:
        """The port on which a service's worker answers ``/healthz``, ``/readyz``, ``/metrics``."""
        return self.gateway + 21 + SERVICES.index(service)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a stack keeps what it owns, all below its home.

    The home itself can be passed through, for a PostgreSQL that runs as another user under root;
    everything in it is for its owner alone.
    """

    home: Path

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def kafka(self) -> Path:
        return self.home / "kafka"

    @property
    def valkey(self) -> Path:
        return self.home / "valkey"

    @property
    def mailbox(self) -> Path:
        return self.home / "mailbox"

    @property
    def gateway(self) -> Path:
        return self.home / "gateway"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets.json"

    @property
    def record(self) -> Path:
        return self.home / "run.json"

    @property
    def lock(self) -> Path:
        return self.home / "lock"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Servers that run already and are used instead of starting our own; ``None`` means start."""

    postgres: str | None
    redis: str | None
    kafka: str | None
    smtp: str | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Elsewhere:
        """Read the four variables; one that is empty counts as not set."""
        return cls(**{part: environ.get(name) or None for part, name in _VARIABLES.items()})

    def variables(self) -> list[str]:
        """The names of those that are set."""
        return [name for part, name in _VARIABLES.items() if getattr(self, part)]


def trusted_proxies(environ: Mapping[str, str]) -> list[str]:
    """The networks of proxies before the gateway, from ``EINLASS_TRUSTED_PROXIES``."""
    return environ.get("EINLASS_TRUSTED_PROXIES", "").replace(",", " ").split()


def port_from(environ: Mapping[str, str]) -> int:
    """The gateway's port: ``EINLASS_PORT``, or 8080.

    Raises:
        StackError: the value is not a number.
    """
    given = environ.get("EINLASS_PORT") or str(DEFAULT_PORT)
    try:
        return int(given)
    except ValueError:
        raise StackError(f"EINLASS_PORT={given!r} is not a number.") from None


def home_from(environ: Mapping[str, str]) -> Path:
    """The stack's home: ``EINLASS_HOME``, or ``.local`` beside the project's Makefile."""
    return (ROOT / (environ.get("EINLASS_HOME") or DEFAULT_HOME)).resolve()


def needed_ports(
    ports: Ports, elsewhere: Elsewhere, *, services: bool
) -> Iterator[tuple[int, str, str]]:
    """Every port that will be listened on, as (port, for what, how else to get that part)."""
    if services:
        yield ports.gateway, "the gateway", ""
    if elsewhere.smtp is None:
        other = "EINLASS_SMTP_URL to a mail server that runs already"
        yield ports.mail_web, "the mailbox's web page", other
        yield ports.smtp, "the mailbox's SMTP", other
        yield ports.imap, "the mailbox's IMAP", other
    if elsewhere.postgres is None:
        yield ports.postgres, "PostgreSQL", "EINLASS_POSTGRES_URL to a server that runs already"
    if elsewhere.redis is None:
        yield ports.valkey, "Valkey", "EINLASS_REDIS_URL to a server that runs already"
    if elsewhere.kafka is None:
        other = "EINLASS_KAFKA_BOOTSTRAP to a broker that runs already"
        yield ports.kafka, "Kafka", other
        yield ports.kafka_controller, "Kafka's controller", other
    if services:
        for service in SERVICES:
            yield ports.api(service), f"the {service} api", ""
            yield ports.worker(service), f"the {service} worker", ""


def check_ports(
    ports: Ports, elsewhere: Elsewhere, *, services: bool, patience: float = 0.0
) -> None:
    """See that every needed port is free, or gets free within ``patience`` seconds.

    Raises:
        StackError: names each busy port, the part that wants it, who holds it where that can be
            seen, and what to set.
    """
    lines = []
    until = time.monotonic() + patience
    for port, what, other in needed_ports(ports, elsewhere, services=services):
        if not _gets_free(port, until):
            line = f"Port {port} is busy{_holder(port)}; {what} needs it."
            lines.append(f"{line} Or set {other}." if other else line)
    if lines:
        lines.append(
            f"Set EINLASS_PORT to another first port (now {ports.gateway}; all the others follow "
            "from it)."
        )
        raise StackError("\n".join(lines))


def _gets_free(port: int, until: float) -> bool:
    while not _is_free(port):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: a port whose last connections are still timing out counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """`` (held by NAME, process PID)``, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr
            if listens and connection.laddr.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" (held by {name}, process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
