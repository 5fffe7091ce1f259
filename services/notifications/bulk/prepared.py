"""A letter as octets with holes, rendered once a send and language.

Only a few places of a newsletter differ between two recipients: some header lines, and the
person's part `<id>/<token>` of the links. All else is put together once, so that a mail costs two
joins of bytes.

Invariants:
- In the quoted-printable body the personal part stands on a line of its own between two soft
  breaks (RFC 2045, 6.7), so whatever it holds, no other line changes; no line is over 76
  characters.
- No line begins with a dot or with "From ": nothing has to be stuffed on the way (RFC 5321,
  4.5.2), and no server in between changes what is signed.
- An address is said to the server only if nothing in it can end a line or an angle bracket.
"""

import hashlib
import html
import re
from binascii import b2a_qp
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from uuid import UUID

from services.contracts.envelope import Locale
from services.notifications.bulk.dkim import Digest, Signer, relaxed_body, relaxed_header
from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.bulk.wire import Ready
from services.notifications.mailer import Identity
from services.notifications.mime import Mailbox, Parts, ascii_domain, envelope
from services.notifications.subscribers.links import Links

_ADDRESS: Final = re.compile(r"[^\x00-\x20\x7f<>@]+@[^\x00-\x20\x7f<>@]+")
_KEPT: Final = (b"mime-version", b"from", b"reply-to", b"subject", b"content-language")
_SOFT: Final = b"=\r\n"
_ANYBODY: Final = UUID(int=0)
_LONGEST_LINE: Final = 76


class BadAddress(ValueError):
    """An address that cannot be said to a server; the message does not hold it."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a mail is for. `n`: the number in the send; `generation`: of the links."""

    n: int
    subscriber_id: UUID
    address: str
    generation: int


@dataclass(frozen=True, slots=True)
class Sending:
    """What all letters of one send have in common. `number`: the send's short name. Without
    `returns` mails come back to the sender's own address."""

    issue_id: UUID
    number: int
    identity: Identity
    links: Links
    returns: ReturnPaths | None = None
    signers: Sequence[Signer] = ()


class Prepared:
    """A letter of a send in one language, ready to be filled in."""

    def __init__(self, letter: Letter, locale: Locale, sending: Sending) -> None:
        self._sending = sending
        links = sending.links
        sample, leave = links.own(_ANYBODY, 0), links.unsubscribe(_ANYBODY, 0)
        self._before = sample[: sample.index(str(_ANYBODY))]
        self._after = leave.removeprefix(sample)
        if not leave.startswith(sample):
            raise ValueError("the link for leaving does not begin with the person's own")
        self._from = sending.identity.sender.address.encode()
        fixed, canonical, content_type, body = self._parts(letter, locale)
        self._fixed = b"".join(fixed) + content_type + b"\r\n"
        self._body = body
        # Signed in the order of the mail: what changes first, then what stays.
        self._names: list[bytes] = [b"To", b"Message-ID", b"Date", b"List-Unsubscribe"]
        lines = [*fixed, content_type]
        self._names += [line.partition(b":")[0] for line in lines]
        self._canonical = b"".join(canonical)
        relaxed = [relaxed_body(piece) for piece in body]
        relaxed[-1] = relaxed[-1].rstrip(b"\r\n") + b"\r\n"
        self._relaxed = relaxed
        self._hashed: Digest = hashlib.sha256(relaxed[0])
        self._dated: tuple[int, bytes] = (-1, b"")

    def compose(self, to: Recipient, at: datetime) -> Ready:
        """The mail to one recipient. Raises BadAddress."""
        if not _ADDRESS.fullmatch(to.address):
            raise BadAddress("the address cannot be said to a server")
        address = to.address if to.address.isascii() else ascii_domain(to.address)
        sending = self._sending
        own = sending.links.own(to.subscriber_id, to.generation)
        personal = own[len(self._before) :].encode()
        host = sending.identity.host
        said = address.encode()
        heads = (
            b"<%b>" % said,
            f"<newsletter.{sending.issue_id}.{to.n}@{host}>".encode(),
            self._date(at),
            f"<{own}{self._after}>".encode(),
        )
        head = b"To: %b\r\nMessage-ID: %b\r\nDate: %b\r\nList-Unsubscribe: %b\r\n" % heads
        signatures = self._sign(heads, personal, at) if sending.signers else b""
        message = b"%b%b%b%b" % (signatures, head, self._fixed, personal.join(self._body))
        returns = sending.returns
        sender = self._from
        if returns is not None:
            sender = returns.make(sending.number, to.n, to.generation).encode()
        return Ready(sender, said, message, utf8=not address.isascii())

    def _sign(self, heads: Sequence[bytes], personal: bytes, at: datetime) -> bytes:
        body = self._hashed.copy()
        for piece in self._relaxed[1:]:
            body.update(personal)
            body.update(piece)
        headers = (
            b"to:%b\r\nmessage-id:%b\r\ndate:%b\r\nlist-unsubscribe:%b\r\n" % tuple(heads)
            + self._canonical
        )
        seconds = int(at.timestamp())
        return b"".join(
            signer.sign(self._names, headers, body, seconds) for signer in self._sending.signers
        )

    def _date(self, at: datetime) -> bytes:
        seconds = int(at.timestamp())
        if self._dated[0] != seconds:
            whole = datetime.fromtimestamp(seconds, UTC)
            self._dated = (seconds, format_datetime(whole).encode())
        return self._dated[1]

    def _parts(
        self, letter: Letter, locale: Locale
    ) -> tuple[list[bytes], list[bytes], bytes, list[bytes]]:
        """Fixed header lines, all of them but none of the holes' in canonical form, the
        Content-Type, and the body cut at its holes."""
        identity, issue = self._sending.identity, self._sending.issue_id
        fixed = [
            *_headers(letter, locale, identity),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            b"List-Id: <newsletter.%b>\r\n" % identity.host.encode(),
        ]
        digest = hashlib.sha256(f"newsletter {issue} {locale}".encode()).hexdigest()
        boundary = b"=_" + digest[:20].encode()
        content_type = b'Content-Type: multipart/alternative; boundary="%b"\r\n' % boundary
        body = [b""]
        for kind, text, escape in (
            (b"plain", letter.text, str),
            (b"html", letter.html, html.escape),
        ):
            body[-1] += (
                b'--%b\r\nContent-Type: text/%b; charset="utf-8"\r\n'
                b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" % (boundary, kind)
            )
            pieces = self._holes(text, escape)
            body[-1] += pieces[0]
            body += pieces[1:]
            body[-1] += b"\r\n"
        body[-1] += b"--%b--\r\n" % boundary
        canonical = [_canonical(line) for line in (*fixed, content_type)]
        return fixed, canonical, content_type, body

    def _holes(self, text: str, escape: Callable[[str], str]) -> list[bytes]:
        """The quoted-printable form of a part, cut where personal parts stand."""
        before, after = escape(self._before), escape(self._after)
        found = re.split(f"({re.escape(OWN_LINK)}|{re.escape(UNSUBSCRIBE_LINK)})", text)
        pieces = [_quoted(found[0])]
        for at in range(1, len(found), 2):
            pieces[-1] += _soft(pieces[-1]) + _quoted(before) + _SOFT
            rest = (after if found[at] == UNSUBSCRIBE_LINK else "") + found[at + 1]
            # A break of the text itself, or its end, ends the line of the personal part as well.
            last = at + 2 == len(found)
            ended = rest.startswith(("\n", "\r\n")) or (last and not rest)
            pieces.append((b"" if ended else _SOFT) + _quoted(rest))
        return pieces


def _headers(letter: Letter, locale: Locale, identity: Identity) -> list[bytes]:
    """The header lines that say nothing of the recipient, as mime.py writes them."""
    made = envelope(
        Parts(
            sender=identity.sender,
            recipient=Mailbox("", "nobody@invalid"),
            reply_to=identity.reply_to,
            subject=letter.subject,
            message_id="none",
            at=datetime(2000, 1, 1, tzinfo=UTC),
            locale=locale,
            text="",
            html="",
        )
    ).message
    head = made.partition(b"\r\n\r\n")[0]
    lines = re.split(rb"\r\n(?![ \t])", head)
    return [line + b"\r\n" for line in lines if line.partition(b":")[0].lower() in _KEPT]


def _canonical(line: bytes) -> bytes:
    name, _, value = line.removesuffix(b"\r\n").partition(b":")
    return relaxed_header(name, value)


def _soft(before: bytes) -> bytes:
    """What brings the next octet to the beginning of a line."""
    return b"" if not before or before.endswith(b"\r\n") else _SOFT


def _quoted(text: str) -> bytes:
    """Quoted-printable with CRLF, no line that begins with a dot or with "From ", and room for a
    soft break behind the last."""
    encoded = b2a_qp(text.replace("\r\n", "\n").encode()).split(b"\n")
    lines: list[bytes] = []
    for at, whole in enumerate(encoded, 1):
        line, most = whole, _LONGEST_LINE - (at == len(encoded))
        while True:
            if line.startswith((b".", b"From ")):
                first = b"=%02X" % line[0]
                if len(line) + 2 <= most:
                    line = first + line[1:]
                else:
                    lines.append(first + b"=")
                    line = line[1:]
            elif len(line) > most:  # a last space is encoded after the line was measured
                cut = most - 1
                while b"=" in line[cut - 2 : cut]:
                    cut -= 1
                lines.append(line[:cut] + b"=")
                line = line[cut:]
            else:
                break
        lines.append(line)
    return b"\r\n".join(lines)
