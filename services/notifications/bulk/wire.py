"""A lean SMTP exchange over a kept connection: many mails, few packets.

With PIPELINING (RFC 2920) a mail's data and the next mail's MAIL, RCPT and DATA are one write, so
each mail costs one way to the server and back. Opening, TLS and login are aiosmtplib's; the
connection is taken over from it once the server is ready for the first MAIL.

Invariants:
- `Taken` only after the server's 2xx to the data (RFC 5321, 4.2.5 and 6.1).
- `Unknown` only where the end of the data was written and no reply came: the server may have taken
  the mail (RFC 1047). Where the end was not written it cannot have, and the mail is `NotTried`.
- A mail whose data would begin after the caller's deadline is not begun.
- No address leaves in a reason.

Messages must end in CRLF and have no line that begins with a dot: see prepared.py.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

_MAIL: Final = 0
_RCPT: Final = 1
_DATA: Final = 2
_END: Final = 3
_RSET: Final = 4
_STEPS: Final = ("MAIL", "RCPT", "DATA", "data", "RSET")

_DOT: Final = b".\r\n"
_CLOSING: Final = 421
_LONGEST_REPLY: Final = 65_536
_REASON_LENGTH: Final = 300
_ADDRESS: Final = re.compile(r"\S+@\S+")


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail as octets. `utf8`: an address is not ASCII (RFC 6531)."""

    sender: bytes
    recipient: bytes
    message: bytes
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """The server took the mail."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no to this mail or its recipient. `code` is None where it was not asked,
    and then for good. `reason` names no address."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class NotTried:
    """The mail was certainly not taken, and nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """All of the mail was sent, and the reply was lost."""

    reason: str


Outcome: TypeAlias = Taken | Refused | NotTried | Unknown
TAKEN: Final = Taken()
NOT_TRIED: Final = NotTried()
NO_UTF8: Final = Refused(None, "the server does not offer SMTPUTF8")


class Wire(asyncio.Protocol):
    """One connection, for one exchange at a time.

    `pipelining`, `utf8`: what the server offers. `timeout`: seconds without a reply after which
    the connection is given up. `trouble`: why the server takes no mail at the moment, or None; it
    is said where it is about us and not about a recipient. `mails`: how many went to an end here.
    """

    def __init__(
        self, transport: asyncio.Transport, *, pipelining: bool, utf8: bool, timeout: float
    ) -> None:
        self._transport = transport
        self._pipelining = pipelining
        self._utf8 = utf8
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._batch: Sequence[Ready] = ()
        self._outcomes: list[Outcome] = []
        self._stage = _MAIL
        self._bad: Refused | None = None
        self._rest = b""
        self._said: list[bytes] = []
        self._heard_at = 0.0
        self._until = 0.0
        self._said_head = False
        self._why = "connection lost"
        self._watch: asyncio.TimerHandle | None = None
        self.trouble: str | None = None
        self.mails = 0
        self.open = True
        transport.set_protocol(self)

    async def exchange(self, batch: Sequence[Ready], until: float) -> list[Outcome]:
        """Brings `batch` to the server in order; an outcome for each, in that order.

        `until`: loop time after which no data is begun. Where the connection ends on the way, the
        rest is NotTried. A cancelled exchange drops the connection.
        """
        if not self.open or not batch:
            return [NOT_TRIED] * len(batch)
        self._batch, self._outcomes, self._bad, self._until = batch, [], None, until
        self._heard_at = self._loop.time()
        self._waiter = self._loop.create_future()
        self._watch = self._loop.call_later(self._timeout, self._look)
        self._said_head = False
        self._begin(b"")
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.drop("cancelled")
            raise
        finally:
            self._watch.cancel()
            self._waiter = None
        return self._outcomes + [NOT_TRIED] * (len(batch) - len(self._outcomes))

    def close(self) -> None:
        """Says goodbye and closes."""
        if self.open:
            self.open = False
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def drop(self, why: str) -> None:
        """Ends the connection at once, whatever is on it."""
        if self.open:
            self._why = why
            self.open = False
            self._transport.abort()

    # --- The transport's side --------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Takes replies in."""
        self._heard_at = self._loop.time()
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_REPLY or len(self._said) > _LONGEST_REPLY // 64:
            self.drop("reply without an end")
            return
        for line in lines:
            if not self.open:
                return
            if line[3:4] == b"-":
                self._said.append(line)
            elif self._waiter is None or self._waiter.done():
                # A server that is tired of waiting says so before it closes.
                self.drop("said something unasked")
                return
            else:
                self._hear(line)

    def eof_received(self) -> None:
        """The server has closed its side, and the transport closes."""

    def connection_lost(self, error: Exception | None) -> None:
        """Settles the mail that was on the line."""
        self.open = False
        if self._waiter is None or self._waiter.done():
            return
        if self._stage == _END:
            self._outcomes.append(self._bad or Unknown(self._why))
        self._waiter.set_result(None)

    # --- The exchange ----------------------------------------------------------------------

    def _look(self) -> None:
        """Gives the connection up where nothing was heard for too long."""
        left = self._heard_at + self._timeout - self._loop.time()
        if left <= 0:
            self.drop("timed out")
        else:
            self._watch = self._loop.call_later(left, self._look)

    def _head(self, mail: Ready) -> bytes:
        options = b" SMTPUTF8" if mail.utf8 else b""
        return b"MAIL FROM:<%b>%b\r\nRCPT TO:<%b>\r\nDATA\r\n" % (
            mail.sender,
            options,
            mail.recipient,
        )

    def _next(self) -> Ready | None:
        """The mail to begin with now; None at the end, or where it is too late for another."""
        while (at := len(self._outcomes)) < len(self._batch):
            if self._loop.time() > self._until:
                return None
            mail = self._batch[at]
            if not mail.utf8 or self._utf8:
                return mail
            self._outcomes.append(NO_UTF8)
        return None

    def _begin(self, before: bytes) -> None:
        """Says what comes before, and the head of the next mail; ends where there is none."""
        mail = self._next()
        self._bad, self._stage = None, _MAIL
        if mail is None:
            if before:
                self._transport.write(before)
            self._end()
        elif self._pipelining:
            self._transport.write(before + self._head(mail))
        else:
            options = b" SMTPUTF8" if mail.utf8 else b""
            self._transport.write(before + b"MAIL FROM:<%b>%b\r\n" % (mail.sender, options))

    def _end(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _hear(self, line: bytes) -> None:
        """One whole reply."""
        code = int(line[:3]) if line[:3].isdigit() else 0
        stage = self._stage
        if code == 250:
            if stage == _END:
                self._said.clear()
                self._settle(self._bad or TAKEN)
                return
            if stage in (_MAIL, _RCPT):
                self._said.clear()
                self._advance(stage + 1)
                return
        elif code == 354 and stage == _DATA:
            self._said.clear()
            self._send_data()
            return
        reason = self._reason(line)
        self._said.clear()
        if not 200 <= code <= 599 or (stage == _DATA and code < 400):
            self.drop("said something else than a reply")
        elif stage == _RSET:
            self._begin(b"") if code < 300 else self.drop("refused to start anew")
        elif 200 <= code < 300 and stage != _DATA:
            self._settle(self._bad or TAKEN) if stage == _END else self._advance(stage + 1)
        else:
            self._refuse(code, reason)

    def _advance(self, stage: int) -> None:
        self._stage = stage
        if not self._pipelining:
            mail = self._batch[len(self._outcomes)]
            self._transport.write(
                b"RCPT TO:<%b>\r\n" % mail.recipient if stage == _RCPT else b"DATA\r\n"
            )

    def _refuse(self, code: int, reason: str) -> None:
        """A reply that is not what the mail needs."""
        stage = self._stage
        if stage == _END:
            # 421 to the data itself: not taken, and the server closes.
            refused = self._bad or Refused(code, reason)
            if code == _CLOSING:
                self._outcomes.append(refused)
                self.trouble = reason
                self._hang_up()
            else:
                self._settle(refused)
        elif code == _CLOSING or (stage == _MAIL and not self._batch[len(self._outcomes)].utf8):
            # Nothing is known of the recipient yet: it is about the server, or about us.
            self.trouble = reason
            self._hang_up()
        elif stage == _DATA or not self._pipelining:
            self._outcomes.append(self._bad or Refused(code, reason))
            self.mails += 1
            self._stage = _RSET
            self._transport.write(b"RSET\r\n")
        else:
            # DATA is said already; its reply has to be waited for.
            self._bad = self._bad or Refused(code, reason)
            self._stage = stage + 1

    def _send_data(self) -> None:
        """The server waits for the data."""
        if self._bad is not None:
            # No recipient is left, so an empty mail goes nowhere (RFC 2920, 3.1).
            self._stage = _END
            self._said_head = False
            self._transport.write(_DOT)
            return
        at = len(self._outcomes)
        if self._loop.time() > self._until:
            self._hang_up()
            return
        self._stage = _END
        message = self._batch[at].message
        following = self._batch[at + 1] if at + 1 < len(self._batch) else None
        self._said_head = (
            self._pipelining and following is not None and (not following.utf8 or self._utf8)
        )
        if self._said_head:
            assert following is not None
            self._transport.write(b"%b%b%b" % (message, _DOT, self._head(following)))
        else:
            self._transport.write(message + _DOT)

    def _settle(self, outcome: Outcome) -> None:
        """A mail has come to its end; on with the next."""
        self._outcomes.append(outcome)
        self.mails += 1
        if self._said_head:
            self._said_head = False
            self._bad, self._stage = None, _MAIL
        else:
            self._begin(b"")

    def _hang_up(self) -> None:
        """Ends the connection before the end of any data is said."""
        self._stage = _MAIL
        self.drop("hung up")
        self._end()

    def _reason(self, line: bytes) -> str:
        said = b" ".join([*(one[4:] for one in self._said), line[4:]]).decode("utf-8", "replace")
        said = " ".join(_ADDRESS.sub("<address>", said).split())
        return f"{_STEPS[self._stage]}: {said}"[:_REASON_LENGTH]
