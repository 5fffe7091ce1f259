"""One kept connection to the SMTP server.

Invariants:
- A mail is said to be sent only after the server's 2xx to its data (RFC 5321, 4.2.5 and 6.1);
  from then on the server is responsible for it.
- What is wrong with the server (no connection, no login, 421) is told apart from what is wrong
  with one mail, so that a server that is away costs no mail a try.
- No address leaves in a reason.
"""

import asyncio
import re
import time
from typing import Final

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponseException

from services.notifications.domain.retry import Outcome, Refused, Sent
from services.notifications.mime import Envelope
from services.notifications.settings import SmtpServer

_STALE_SECONDS: Final = 15.0
_CLOSING: Final = 421
# To MAIL, before anything of the mail is known: closing down (RFC 5321, 4.2.3), and what has to do
# with our login (RFC 4954, 6).
_NOT_ABOUT_THE_MAIL: Final = frozenset({_CLOSING, 454, 530, 534, 535, 538})
_ADDRESS: Final = re.compile(r"\S+@\S+")
_REASON_LENGTH: Final = 300
# What aiosmtplib raises where the connection or the server is at fault.
_BROKEN: Final = (SMTPException, OSError, TimeoutError)


class ServerAwayError(Exception):
    """The SMTP server cannot be used at the moment; `str()` says why, without any address."""


class Connection:
    """A connection that is opened when needed, kept, and renewed after `most_mails`.

    `name`: our host, as said in EHLO. `timeout`: seconds for each step. Not for use by two tasks
    at the same time.
    """

    def __init__(self, server: SmtpServer, *, name: str, timeout: float, most_mails: int) -> None:
        self._server = server
        self._name = name
        self._timeout = timeout
        self._most_mails = most_mails
        self._client: aiosmtplib.SMTP | None = None
        self._mails = 0
        self._used_at = 0.0

    async def ready(self) -> bool:
        """Opens the connection where it is not open; whether it is a new one.

        One that lay idle is asked for a sign of life first, since the server or something on the
        way may have dropped it. Raises ServerAwayError.
        """
        client = self._client
        if client is not None and client.is_connected and self._mails < self._most_mails:
            if time.monotonic() - self._used_at < _STALE_SECONDS:
                return False
            try:
                await client.noop(timeout=min(5.0, self._timeout))
            except _BROKEN:
                pass
            else:
                self._used_at = time.monotonic()
                return False
        await self.close()
        await self._open()
        return True

    async def send(self, mail: Envelope) -> Outcome:
        """Brings one mail to the server. Raises ServerAwayError; then the mail was not taken and
        nothing speaks against it."""
        new = await self.ready()
        outcome = await self._transaction(mail)
        if outcome is None and not new:
            # The server had closed a connection that it was tired of.
            await self.close()
            await self.ready()
            outcome = await self._transaction(mail)
        if outcome is None:
            await self.close()
            raise ServerAwayError("the server takes no mail")
        return outcome

    async def close(self) -> None:
        """Says goodbye and closes; never raises."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if client.is_connected:
                await client.quit(timeout=1)
        except _BROKEN:
            pass
        finally:
            client.close()

    async def _open(self) -> None:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password.get_secret_value() if server.password else None,
            local_hostname=self._name,
            timeout=self._timeout,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
        )
        try:
            await client.connect()
            # Said now, since what the server offers is asked before the first mail.
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except (*_BROKEN, ValueError) as error:
            client.close()
            raise ServerAwayError(_reason(error)) from error
        self._client, self._mails, self._used_at = client, 0, time.monotonic()

    async def _transaction(self, mail: Envelope) -> Outcome | None:
        """MAIL, RCPT, DATA; None where the server did not take part before it knew anything of
        the mail."""
        client = self._client
        assert client is not None
        if mail.utf8 and not client.supports_extension("smtputf8"):
            return Refused(None, "the server does not offer SMTPUTF8", for_good=True)
        encoding = "utf-8" if mail.utf8 else "ascii"
        options = ["SMTPUTF8"] if mail.utf8 else []
        step = "MAIL"
        try:
            await client.mail(mail.sender, options=options, encoding=encoding)
            step = "RCPT"
            await client.rcpt(mail.recipient, encoding=encoding)
            step = "DATA"
            await client.data(mail.message)
        except SMTPResponseException as error:
            if step == "MAIL" and error.code in _NOT_ABOUT_THE_MAIL:
                return None
            await self._reset(client, error.code)
            return Refused(error.code, f"{step}: {_reason(error)}")
        except ValueError as error:
            await self._reset(client, 0)
            return Refused(None, f"{step}: {type(error).__name__}", for_good=True)
        except (SMTPException, OSError, TimeoutError) as error:
            self._drop(client)
            return None if step == "MAIL" else Refused(None, f"{step}: {_reason(error)}")
        except asyncio.CancelledError:
            # Half a mail is on the line: the server must see it end without its last dot.
            self._drop(client)
            raise
        self._mails += 1
        self._used_at = time.monotonic()
        return Sent()

    async def _reset(self, client: aiosmtplib.SMTP, code: int) -> None:
        """Makes the connection fit for the next mail, or drops it."""
        try:
            if code == _CLOSING:
                raise ConnectionResetError
            await client.rset()
        except _BROKEN:
            self._drop(client)
        else:
            self._used_at = time.monotonic()

    def _drop(self, client: aiosmtplib.SMTP) -> None:
        client.close()
        self._client = None


def _reason(error: BaseException) -> str:
    """What an error says, on one line, with every address taken out."""
    said = error.message if isinstance(error, SMTPException) else str(error)
    said = " ".join(_ADDRESS.sub("<address>", said).split())
    return f"{type(error).__name__}: {said}"[:_REASON_LENGTH] if said else type(error).__name__
