"""An SMTP server for newsletters: counts what it takes, and misbehaves where it is told to.

Invariant: what `taken` holds has come whole, its last dot included, whether or not a reply was
given. Runs in the test's loop, or as a process of its own:
``python -m tests.support.newsletter_sink <port>`` says what it took, one recipient and
Message-ID a line, into the file named by a second argument.
"""

import asyncio
import re
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

Reply = str | None
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^>]+)>", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that came whole. `answered`: that it was taken was said."""

    recipient: str
    message_id: str
    sender: str
    message: bytes
    answered: bool


@dataclass
class Sink:
    """`on_mail`, `on_recipient`, `on_data` may answer with a reply of their own such as "451
    later", or with "" to close the connection without any. `on_data` is asked once all of the
    mail is there. `tls` from the beginning, `starttls` on demand. `pause`: seconds before each
    reply to data. `keep`: the messages as well."""

    on_mail: Callable[[str], Reply] = lambda _: None
    on_recipient: Callable[[str], Reply] = lambda _: None
    on_data: Callable[[str], Reply] = lambda _: None
    pipelining: bool = True
    pause: float = 0.0
    keep: bool = False
    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    cut: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    log: IO[str] | None = None
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        """Of all that was taken, in order."""
        return [one.recipient for one in self.taken]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Opens; again on the same port after `stop`."""
        self._server = await asyncio.start_server(
            self._session, "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the door and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def wait(self, mails: int, timeout: float = 30) -> None:
        """Until so many are taken. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while len(self.taken) < mails:
                self._news.clear()
                await self._news.wait()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            writer.write(b"220 sink.test ESMTP\r\n")
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipient, secure = "", "", self.tls is not None
        while line := await reader.readline():
            verb = line[:4].upper()
            reply: Reply = None
            if verb == b"EHLO":
                offers = ["sink.test", "SMTPUTF8", "8BITMIME"]
                offers += ["STARTTLS"] if self.starttls and not secure else []
                offers += ["AUTH PLAIN"] if secure else []
                offers += ["PIPELINING"] if self.pipelining else []
                for offer in offers[:-1]:
                    writer.write(f"250-{offer}\r\n".encode())
                reply = f"250 {offers[-1]}"
            elif verb == b"STAR" and self.starttls:
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self.starttls)
                secure = True
                continue
            elif verb == b"AUTH":
                self.logins.append(line.split()[-1].decode())
                reply = "235 welcome"
            elif verb == b"MAIL":
                sender, recipient = _address(line), ""
                reply = self.on_mail(sender)
            elif verb == b"RCPT":
                reply = self.on_recipient(_address(line))
                recipient = _address(line) if reply is None else ""
            elif verb == b"DATA" and not recipient:
                reply = "554 no valid recipients"
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                message = await reader.readuntil(b"\r\n.\r\n")
                reply = self.on_data(recipient)
                if self.pause:
                    await asyncio.sleep(self.pause)
                self._take(sender, recipient, message, reply)
                sender = recipient = ""
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            if reply == "":
                return
            writer.write(f"{reply or '250 OK'}\r\n".encode())

    def _take(self, sender: str, recipient: str, message: bytes, reply: Reply) -> None:
        if reply:
            return
        found = _MESSAGE_ID.search(message)
        message_id = found[1].decode() if found else ""
        if reply == "":
            self.cut.append(recipient)
        if self.log is not None:
            print(recipient, message_id, "cut" if reply == "" else "", file=self.log, flush=True)
        kept = message if self.keep else b""
        self.taken.append(Taken(recipient, message_id, sender, kept, reply is None))
        self._news.set()


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


async def _serve(port: int, file: Path) -> None:
    with file.open("w") as log:
        async with Sink(port=port, log=log):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
