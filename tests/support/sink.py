"""An SMTP server that takes every mail and remembers to whom it went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.controller import Controller


@dataclass(frozen=True, slots=True)
class Came:
    """One mail; `at` in Unix seconds. `content`: all of it, where the sink keeps that."""

    recipient: str
    message_id: str
    at: float
    content: bytes = b""


@dataclass(slots=True)
class Sink:
    """What came, in the order of coming; with `whole` also what was in it."""

    url: str = ""
    whole: bool = False
    mails: list[Came] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """aiosmtpd's hook for a whole mail."""
        at = time.time()
        head = message_from_bytes(envelope.content, policy=policy.default)
        message_id = str(head["Message-ID"]).strip("<> ")
        content = bytes(envelope.content) if self.whole else b""
        self.mails.append(Came(envelope.rcpt_tos[0], message_id, at, content))
        return "250 OK"


@contextmanager
def sink(port: int) -> Iterator[Sink]:
    """A sink that runs in a thread of its own on loopback."""
    found = Sink(url=f"smtp://127.0.0.1:{port}")
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield found
    finally:
        controller.stop()
