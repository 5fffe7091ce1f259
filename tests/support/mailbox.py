"""Reading the mailbox of the stack over IMAP, as a mail program does."""

import asyncio
import email
import email.policy
import imaplib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Mailbox:
    """All mails that the stack has sent, whoever they were sent to."""

    url: str

    def _to(self, ending: str) -> list[EmailMessage]:
        parts = urlsplit(self.url)
        with imaplib.IMAP4(parts.hostname or "", parts.port or 143) as client:
            client.login(unquote(parts.username or ""), unquote(parts.password or ""))
            client.select("INBOX", readonly=True)
            _, found = client.search(None, "TO", ending)
            mails: list[EmailMessage] = []
            for number in found[0].split():
                _, data = client.fetch(number, "(RFC822)")
                whole = next(part[1] for part in data if isinstance(part, tuple))
                mail = email.message_from_bytes(whole, policy=email.policy.default)
                assert isinstance(mail, EmailMessage)
                mails.append(mail)
            return mails

    async def to(self, ending: str) -> list[EmailMessage]:
        """Mails to addresses that end in `ending`, in the order of their coming."""
        return await asyncio.to_thread(self._to, ending)

    async def wait(
        self, ending: str, enough: Callable[[Sequence[EmailMessage]], bool], timeout: float = 30
    ) -> list[EmailMessage]:
        """Mails to `ending` as soon as there are enough. Raises AssertionError."""
        until = time.monotonic() + timeout
        while True:
            mails = await self.to(ending)
            if enough(mails):
                return mails
            assert time.monotonic() < until, [(str(m["To"]), str(m["Subject"])) for m in mails]
            await asyncio.sleep(0.1)
