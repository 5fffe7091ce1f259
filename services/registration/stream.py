"""The stream of lights (server-sent events, WHATWG HTML 9.2).

Invariant: it starts with every light as it is, so that a page that was away misses nothing; it
ends when the process does, and the browser comes back by itself.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi.sse import ServerSentEvent

from services.kit.tasks import cancelled
from services.registration.board import Board, Change

RETRY_MS: Final = 2000


def _event(change: Change) -> ServerSentEvent:
    return ServerSentEvent(event="light", raw_data=change.json().decode(), retry=RETRY_MS)


async def lights(board: Board, stopping: asyncio.Event) -> AsyncIterator[ServerSentEvent]:
    """All lights, then each change until `stopping`."""
    async with board.changes() as queue:
        for found in board.all():
            if found.state != "past":
                yield _event(Change(found.event.slug, found.light, found.state))
        ended = asyncio.create_task(stopping.wait())
        following = asyncio.create_task(queue.get())
        try:
            while not ended.done():
                await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    yield _event(following.result())
                    following = asyncio.create_task(queue.get())
        finally:
            await cancelled((ended, following))
