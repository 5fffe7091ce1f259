"""A TCP proxy between a service and a server, which spoils the line on demand.

Invariant: what it passes on it passes on whole and in order; it only delays, withholds or cuts.
It runs in a thread of its own, so that it works while a test starts or waits for processes.
"""

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

HOST = "127.0.0.1"
_CHUNK = 65536
T = TypeVar("T")


# What commits: the statement itself, and a batch of sign-ups, which is a transaction of its own and
# has its registrations in JSON among its parameters.
COMMITS: Final = (b"COMMIT\0", b'"token_sealed"')


@dataclass(eq=False, slots=True)
class _Line:
    """One connection through the proxy. `stranded`: it stays open and passes nothing on;
    `doomed`: the next thing that the server says on it is swallowed, and the line cut."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    stranded: bool = False
    doomed: bool = False

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass(slots=True)
class Proxy:
    """Listens on `port` and passes on to `target`, both on loopback.

    `latency`: seconds that each piece waits, in each direction. `bandwidth`: bytes a second, in
    each direction and connection; None: no limit. `cuts`: connections cut so far. The first two
    may be set at any time, from any thread.
    """

    port: int
    target: int
    latency: float = 0.0
    bandwidth: float | None = None
    cuts: int = 0
    _deaf: bool = False
    _needles: tuple[bytes, ...] = ()
    _left: int = 0
    _lines: set[_Line] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_exc: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Cuts every connection, as a reset does."""
        self._do(self._cut())

    def cut_answer(self, *needles: bytes, times: int = 1) -> None:
        """Cuts the next `times` connections on which a client sends one of `needles`: what it
        sent comes through, what the server answers does not."""
        self._needles, self._left = needles, times

    @property
    def armed(self) -> bool:
        """Whether an answer still waits to be cut."""
        return self._left > 0

    def strand(self) -> None:
        """Leaves every connection half-open: nothing passes any more, nobody is told. New ones
        work."""
        self._do(self._strand())

    def deafen(self) -> None:
        """Lets nothing pass, on old connections and on new ones, until `heal`."""
        self._deaf = True
        self.strand()

    def heal(self) -> None:
        """Passes everything on at once again. What is stranded stays so, as after an outage."""
        self.latency, self.bandwidth, self._left, self._deaf = 0.0, None, 0, False

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _cut(self) -> None:
        for line in list(self._lines):
            self.cuts += 1
            line.abort()

    async def _strand(self) -> None:
        for line in self._lines:
            line.stranded = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(writer, to_server, stranded=self._deaf)
        self._lines.add(line)
        try:
            await asyncio.gather(
                self._up(reader, to_server, line), self._down(from_server, writer, line)
            )
        except OSError:
            return
        finally:
            line.abort()
            self._lines.discard(line)

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self._left and any(needle in data for needle in self._needles):
                self._left -= 1
                line.doomed = True
            await self._pass(data, writer, line)
        if not line.stranded:
            writer.close()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line
    ) -> None:
        while data := await reader.read(_CHUNK):
            if line.doomed:
                self.cuts += 1
                line.abort()
                return
            await self._pass(data, writer, line)
        if not line.stranded:
            writer.close()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, line: _Line) -> None:
        pause = self.latency + (len(data) / self.bandwidth if self.bandwidth else 0.0)
        if pause:
            await asyncio.sleep(pause)
        if not line.stranded:
            writer.write(data)
            await writer.drain()
