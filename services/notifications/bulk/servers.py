"""The SMTP servers that newsletters go through, and the kept connections to them.

Invariants:
- A server that is away is left out, with growing pauses; nothing that was not tried counts
  against a recipient.
- A server on which replies are lost again and again is left out as well, so that a broken one
  makes few mails unknown and not all of them.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import aiosmtplib
import structlog
from aiosmtplib import SMTPException
from prometheus_client import Gauge

from services.notifications.bulk.wire import NOT_TRIED, Outcome, Ready, Taken, Unknown, Wire
from services.notifications.settings import SmtpServer, smtp_server

log = structlog.get_logger(__name__)

AWAY: Final = Gauge("einlass_newsletter_smtp_away", "SMTP servers that cannot be used.")

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LOST_IN_A_ROW: Final = 3


@dataclass(slots=True, eq=False)
class Server:
    """One server. `weight`: its share of the connections; `until`: monotonic seconds before which
    it is left out."""

    address: SmtpServer
    weight: float
    connections: int = 0
    until: float = 0.0
    pause: float = 0.0
    lost: int = 0

    def away(self, why: str) -> None:
        """Leaves it out for a while, longer each time."""
        if time.monotonic() < self.until:
            return
        self.pause = min(max(self.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - keeps no secret
        self.until = time.monotonic() + self.pause * spread
        self.lost = 0
        log.warning("newsletter.server_away", host=self.address.host, reason=why, pause=self.pause)

    def works(self) -> None:
        """It took a mail."""
        self.lost, self.pause, self.until = 0, 0.0, 0.0


class Servers:
    """All servers of an installation. `name`: our host in EHLO; `timeout`: seconds a step."""

    def __init__(
        self, servers: Sequence[tuple[SmtpServer, float]], *, name: str, timeout: float
    ) -> None:
        self._servers = [Server(address, weight) for address, weight in servers]
        self._name = name
        self._timeout = timeout

    def pause(self) -> float:
        """Seconds until one of the servers may be tried; 0 where one can be used."""
        now = time.monotonic()
        AWAY.set(sum(one.until > now for one in self._servers))
        return max(0.0, min(one.until for one in self._servers) - now)

    async def open(self) -> tuple[Server, Wire] | None:
        """A new connection to the server that has the fewest for its weight; None where all are
        away."""
        while True:
            now = time.monotonic()
            usable = [one for one in self._servers if one.until <= now]
            if not usable:
                return None
            server = min(usable, key=lambda one: (one.connections + 1) / one.weight)
            server.connections += 1
            try:
                return server, await _connect(server.address, self._name, self._timeout)
            except (SMTPException, OSError, TimeoutError, ValueError) as error:
                server.connections -= 1
                server.away(type(error).__name__)
            except BaseException:
                server.connections -= 1
                raise


class Line:
    """One place for a connection, opened when needed, renewed after `most_mails`. For one task."""

    def __init__(self, servers: Servers, *, most_mails: int) -> None:
        self._servers = servers
        self._most_mails = most_mails
        self._server: Server | None = None
        self._wire: Wire | None = None

    async def exchange(self, batch: Sequence[Ready], until: float) -> list[Outcome]:
        """As Wire.exchange, over as many connections as it takes while a server can be used."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(batch) and asyncio.get_running_loop().time() <= until:
            if not await self._ready():
                break
            assert self._wire is not None
            assert self._server is not None
            before = self._wire.mails
            found = await self._wire.exchange(batch[len(outcomes) :], until)
            tried = [one for one in found if one is not NOT_TRIED]
            outcomes += tried
            self._judge(self._server, self._wire, tried, brought=self._wire.mails > before)
        return outcomes + [NOT_TRIED] * (len(batch) - len(outcomes))

    def close(self) -> None:
        """Says goodbye where a connection is open."""
        if self._wire is not None:
            self._wire.close()
            self._leave()

    async def _ready(self) -> bool:
        if self._wire is not None and self._wire.open and self._wire.mails < self._most_mails:
            return True
        self.close()
        found = await self._servers.open()
        if found is None:
            return False
        self._server, self._wire = found
        return True

    def _judge(
        self, server: Server, wire: Wire, tried: Sequence[Outcome], *, brought: bool
    ) -> None:
        if any(isinstance(one, Taken) for one in tried):
            server.works()
        if tried and isinstance(tried[-1], Unknown):
            server.lost += 1
            if server.lost >= _LOST_IN_A_ROW:
                server.away("replies are lost")
        elif not wire.open and not brought and wire.mails == 0:
            # A connection that brought no mail at all: not one that the server was tired of.
            server.away(wire.trouble or "the connection ends at once")
        if not wire.open:
            self._leave()

    def _leave(self) -> None:
        if self._server is not None:
            self._server.connections -= 1
        self._server = self._wire = None


def read_urls(listed: str) -> list[tuple[SmtpServer, float]]:
    """Servers and weights of "<url> <weight>, <url> ...", a weight being 1 where none is named.

    Raises ValueError, without what was read, since that may hold a password.
    """
    found = []
    for entry in filter(None, map(str.strip, listed.split(","))):
        url, _, weight = entry.partition(" ")
        try:
            share = float(weight) if weight.strip() else 1.0
        except ValueError:
            raise ValueError("a server's weight is a number") from None
        if not 0 < share < float("inf"):
            raise ValueError("a server's weight is above 0")
        found.append((smtp_server(url), share))
    if not found:
        raise ValueError("no SMTP server is named")
    return found


async def _connect(server: SmtpServer, name: str, timeout: float) -> Wire:
    """Connects, says EHLO, begins TLS and logs in by aiosmtplib, and takes the connection over."""
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password.get_secret_value() if server.password else None,
        local_hostname=name,
        timeout=timeout,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        wire = Wire(
            cast(asyncio.Transport, client.transport),  # uvloop's is one only by its methods
            pipelining=client.supports_extension("pipelining"),
            utf8=client.supports_extension("smtputf8"),
            timeout=timeout,
        )
        client.transport = None  # else it would close what is no longer its own
    finally:
        client.close()
    return wire
