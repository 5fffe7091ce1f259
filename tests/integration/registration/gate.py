"""A way to a server that can be cut, so that the server itself need not be ended."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Forwards TCP to the server of `url`. `cut` ends every connection and refuses new ones;
    `freeze` keeps them and lets nothing through."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """The server's address by way of the gate."""
        return urlunsplit(self._to._replace(netloc=f"127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        """Opens the gate, the first time or again."""
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Lets nothing through, as a network does that drops everything."""
        self._flows.clear()

    async def cut(self) -> None:
        """Ends what is open, as a server does that dies."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._flows.set()
        for writer in list(self._open):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._flow(reader, back), self._flow(there, writer))
        finally:
            self._open -= {writer, back}

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
