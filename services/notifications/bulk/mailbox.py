"""The role that reads what came back from a mailbox, over IMAP.

Invariants:
- A mail is marked as seen only once its report is committed; one that was read twice changes
  nothing the second time.
- What is no report of ours stays in the mailbox, seen and flagged, for somebody to look at.

The standard library's client in a thread: a look every minute needs no more, and the asyncio
clients for IMAP are each one person's.
"""

import asyncio
import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.roles import every
from services.notifications.bulk import bounces
from services.notifications.bulk.verp import ReturnPaths

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 60.0
_TIMEOUT: Final = 30.0
_AT_ONCE: Final = 200
_PORTS: Final = {"imap": 143, "imaps": 993}


@dataclass(frozen=True, slots=True)
class Bounces:
    """Reads the mailbox that `url` names: `imap[s]://user:password@host[:port]/folder`."""

    db: Database
    url: str
    paths: ReturnPaths
    clock: Clock
    pause: float = PAUSE_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
            except (OSError, imaplib.IMAP4.error) as error:
                # Without what it says: that may name the account.
                log.warning("newsletter.mailbox_later", error=type(error).__name__)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("newsletter.mailbox_later", error=type(error).__name__)
            if not await every(self.pause, stop):
                return

    async def look(self) -> int:
        """Takes what is new; returns how many mails. Raises OSError and imaplib's errors."""
        found = await asyncio.to_thread(self._fetch)
        read: dict[bytes, bool] = {}
        try:
            for number, raw in found:
                async with self.db.transaction() as conn:
                    read[number] = await bounces.take(conn, raw, self.paths, self.clock.now())
        finally:
            if read:
                await asyncio.to_thread(self._mark, read)
        return len(read)

    def _fetch(self) -> list[tuple[bytes, bytes]]:
        with self._open() as box:
            _, [numbers] = box.uid("SEARCH", "UNSEEN")
            found = []
            for number in (numbers or b"").split()[:_AT_ONCE]:
                _, data = box.uid("FETCH", number.decode(), "(BODY.PEEK[])")
                raw = next((one[1] for one in data or () if isinstance(one, tuple)), None)
                if isinstance(raw, bytes):
                    found.append((number, raw))
            return found

    def _mark(self, read: dict[bytes, bool]) -> None:
        with self._open() as box:
            for number, ours in read.items():
                flags = r"(\Seen)" if ours else r"(\Seen \Flagged)"
                box.uid("STORE", number.decode(), "+FLAGS", flags)

    @contextmanager
    def _open(self) -> Iterator[imaplib.IMAP4]:
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("an IMAP URL starts with imap:// or imaps://")
        port = parts.port or _PORTS[parts.scheme]
        client = imaplib.IMAP4_SSL if parts.scheme == "imaps" else imaplib.IMAP4
        box = client(parts.hostname, port, timeout=_TIMEOUT)
        try:
            box.login(unquote(parts.username or ""), unquote(parts.password or ""))
            box.select(f'"{unquote(parts.path.lstrip("/")) or "INBOX"}"')
            yield box
        finally:
            box.shutdown()
