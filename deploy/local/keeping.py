"""The mailbox process: ``mail-devel``, whose mails are kept in files over a restart.

Usage: ``python -m deploy.local.keeping DIRECTORY OPTION...`` with mail-devel's own options. Each
mail is one ``.eml`` file, numbered in the order of arrival, written before the sender is told that
it was taken. They survive the end of the process, however it comes about; a power cut may cost the
last ones, since nothing waits for the disk.
"""

from __future__ import annotations

import asyncio
import email
import itertools
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from email.message import Message
from pathlib import Path
from typing import Any, Final

from mail_devel.service import Service

# More than anybody reads on a web page; what came before is removed at the next start.
KEPT: Final = 2000

Append = Callable[..., Awaitable[None]]


class KeepingService(Service):  # type: ignore[misc]
    """A mailbox that begins with the mails it had, and keeps each new one."""

    directory: Path

    @classmethod
    async def init(cls, args: Any) -> KeepingService:
        """Make the service and put the kept mails in."""
        service: KeepingService = await super().init(args)
        append: Append = service.mailboxes.append
        files = sorted(cls.directory.glob("*.eml"))
        for old in files[:-KEPT]:
            old.unlink()
        for file in files[-KEPT:]:
            await append(email.message_from_bytes(file.read_bytes()), flags=frozenset())
        service.mailboxes.append = _keeping(append, cls.directory, _last(files) + 1)
        return service


def _last(files: list[Path]) -> int:
    return int(files[-1].stem) if files else 0


def _keeping(append: Append, directory: Path, first: int) -> Append:
    """``append`` that also writes each mail into a file of its own."""
    numbers = itertools.count(first)

    async def keep(message: Message, *args: Any, **kwargs: Any) -> None:
        file = directory / f"{next(numbers):08}.eml"
        part = file.with_suffix(".part")
        part.write_bytes(message.as_bytes())
        part.rename(file)
        await append(message, *args, **kwargs)

    return keep


async def serve(arguments: list[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    service = await KeepingService.init(Service.parse(arguments))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with service.start():
        await stopping.wait()


def main() -> None:
    """Read the command line and serve."""
    KeepingService.directory = Path(sys.argv[1])
    KeepingService.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Its own lines at the level INFO hold every address and every line of every conversation.
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(sys.argv[2:]))


if __name__ == "__main__":
    main()
