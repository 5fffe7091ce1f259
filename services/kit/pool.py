"""Open connections, kept open between uses.

Invariants:
- At most `size` are open; whoever finds none free within TAKE_TIMEOUT is told so.
- One that is closed, or that somebody left in the middle of something, is never given again. Once
  one broke in use, those opened before it are opened anew, since a server that restarts closes
  all.

SQLAlchemy's own pool sets each connection back when it is returned and looks it over when it is
taken, which costs a batch of sign-ups as much as its statement.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

TAKE_TIMEOUT: Final = 5.0
RAW: Final = "einlass.raw"


@dataclass(slots=True)
class Line:
    """An open connection. `raw` is the driver's own; `info` is what is kept with it, the same as
    `conn.info`, which costs much more to ask for."""

    conn: AsyncConnection
    raw: "asyncpg.Connection[asyncpg.Record]"
    info: dict[Any, Any]
    opened: float


@dataclass(slots=True)
class Pool:
    """The connections of one process. `engine` is one that opens and closes, and keeps none."""

    engine: AsyncEngine
    size: int
    _free: list[Line] = field(default_factory=list)
    _room: asyncio.Semaphore = field(init=False)
    _broken: float = 0.0

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.size)

    async def take(self) -> Line:
        """A connection for the caller alone, the last one used first. Raises PoolTimeout, and
        what opening one raises."""
        if self._room.locked():
            try:
                async with asyncio.timeout(TAKE_TIMEOUT):
                    await self._room.acquire()
            except TimeoutError as error:
                raise PoolTimeout("all connections are in use") from error
        else:
            await self._room.acquire()
        try:
            while self._free:
                line = self._free.pop()
                if not line.raw.is_closed() and line.opened >= self._broken:
                    return line
                await drop(line)
            return await self._open()
        except BaseException:
            self._room.release()
            raise

    def give(self, line: Line, *, whole: bool) -> bool:
        """Takes a connection back; `whole` where nothing of it is left half done. False where it
        was not kept, and is to be dropped."""
        self._room.release()
        if line.raw.is_closed():
            self._broken = time.monotonic()
        elif whole and not line.conn.invalidated:
            self._free.append(line)
            return True
        return False

    async def close(self) -> None:
        """Closes those that are free."""
        while self._free:
            line = self._free.pop()
            if line.raw.is_closed():
                await drop(line)
            else:
                await line.conn.close()

    async def _open(self) -> Line:
        conn = await self.engine.connect()
        raw = (await conn.get_raw_connection()).driver_connection
        assert raw is not None
        conn.info[RAW] = raw
        return Line(conn, raw, conn.info, time.monotonic())


async def drop(line: Line) -> None:
    """Ends a connection without a farewell, which might wait for a server that is not there."""
    line.raw.terminate()
    await line.conn.invalidate()
    await line.conn.close()
