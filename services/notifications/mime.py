"""Putting a mail together as RFC 5322 and MIME want it.

Invariants:
- Whatever a name, a title or a reason holds, it stays inside its own header: it is brought to one
  line without control characters first, and then encoded as RFC 2047 asks.
- The same parts give the same octets, so that a mail which is sent twice is known by its
  Message-ID and is the same mail.

Built on the older half of the email package (`compat32`): the newer `EmailMessage` parses every
header that is set, which takes longer than all the rest of a mail, and loses the space between
two encoded words when it folds a long display name.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import Compat32
from email.utils import format_datetime
from io import BytesIO
from typing import Any, Final, Literal, TypeAlias

from services.contracts.envelope import Locale
from services.kit.ical import one_line

_LINE: Final = 75
_LONGEST_HEADER_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person or role and the address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that the HTML part shows as `cid:<name>`."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """An iTIP object (RFC 6047): `method` as in the object itself."""

    method: Literal["REQUEST", "CANCEL"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """All of one mail. `message_id` without angle brackets; `at` aware."""

    sender: Mailbox
    recipient: Mailbox
    reply_to: Mailbox | None
    subject: str
    message_id: str
    at: datetime
    locale: Locale
    text: str
    html: str
    pictures: Sequence[Picture] = ()
    calendars: Sequence[CalendarPart] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes to the SMTP server. `utf8`: the recipient's address itself is not ASCII, so
    the server must offer SMTPUTF8 (RFC 6531)."""

    message_id: str
    sender: str
    recipient: str
    message: bytes
    utf8: bool


class _Encoded(str):
    """A header's value that is encoded and folded already."""


class _Policy(Compat32):
    """Writes header values as they are; all of them are made here."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if not isinstance(value, _Encoded) and ("\r" in value or "\n" in value):
            raise ValueError(f"{name} has more than one line")
        return f"{name}: {value}\r\n".encode()


_POLICY: Final = _Policy(linesep="\r\n", mangle_from_=False, cte_type="8bit")

Part: TypeAlias = "Message[str, str]"


def envelope(parts: Parts) -> Envelope:
    """The mail as octets with CRLF line ends, and the addresses to say to the server."""
    address = ascii_domain(parts.recipient.address)
    message = _content(parts)
    message["MIME-Version"] = "1.0"
    message["From"] = _address("From", parts.sender.name, parts.sender.address)
    message["To"] = _address("To", parts.recipient.name, address)
    if parts.reply_to is not None:
        message["Reply-To"] = _address("Reply-To", parts.reply_to.name, parts.reply_to.address)
    message["Subject"] = _text("Subject", parts.subject)
    message["Date"] = format_datetime(parts.at)
    message["Message-ID"] = f"<{parts.message_id}>"
    # RFC 3834, 5: no vacation notice comes back.
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = parts.locale
    written = BytesIO()
    BytesGenerator(written, policy=_POLICY).flatten(message)
    return Envelope(
        message_id=parts.message_id,
        sender=parts.sender.address,
        recipient=address,
        message=written.getvalue(),
        utf8=not address.isascii(),
    )


def ascii_domain(address: str) -> str:
    """`address` with its domain as IDNA has it; the part before the @ as it is."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def _content(parts: Parts) -> Part:
    """The body: text, HTML with its pictures, and the calendar object as alternatives; files
    behind them."""
    html = _text_part("html", parts.html)
    if parts.pictures:
        pictures = [_picture(picture) for picture in parts.pictures]
        html = _multipart("related", parts, html, *pictures)
    choices = [_text_part("plain", parts.text), html]
    choices += [_calendar_part(calendar) for calendar in parts.calendars[:1]]
    body = _multipart("alternative", parts, *choices)
    if not parts.calendars:
        return body
    return _multipart("mixed", parts, body, *_files(parts.calendars))


def _files(calendars: Sequence[CalendarPart]) -> list[Part]:
    """The calendar objects as files. The first one is a copy of the part in the body for programs
    that only save files, so it is no text/calendar that a calendar would take a second time."""
    first = _base64_part("application", "ics", calendars[0].data)
    files = [first, *(_calendar_part(calendar) for calendar in calendars[1:])]
    for number, part in enumerate(files, start=1):
        name = "invite.ics" if number == 1 else f"invite-{number}.ics"
        part["Content-Disposition"] = f'attachment; filename="{name}"'
    return files


def _text_part(subtype: str, text: str) -> Part:
    part = _part("text", subtype, charset="utf-8")
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(text.encode()).decode())
    return part


def _calendar_part(calendar: CalendarPart) -> Part:
    return _base64_part("text", "calendar", calendar.data, method=calendar.method, charset="utf-8")


def _picture(picture: Picture) -> Part:
    part = _base64_part("image", "png", picture.data)
    part["Content-ID"] = f"<{picture.name}>"
    part["Content-Disposition"] = f'inline; filename="{picture.name}.png"'
    return part


def _base64_part(maintype: str, subtype: str, data: bytes, **params: str) -> Part:
    part = _part(maintype, subtype, **params)
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(data).decode())
    return part


def _part(maintype: str, subtype: str, **params: str) -> Part:
    part = MIMENonMultipart(maintype, subtype, policy=_POLICY, **params)
    del part["MIME-Version"]
    return part


def _multipart(subtype: str, parts: Parts, *inner: Part) -> Part:
    digest = hashlib.sha256(f"{subtype} {parts.message_id}".encode()).hexdigest()
    made = MIMEMultipart(subtype, f"=_{digest[:20]}", inner, policy=_POLICY)
    del made["MIME-Version"]
    return made


def _text(header: str, text: str) -> _Encoded:
    clean = one_line(text)[:_LONGEST_HEADER_TEXT]
    if clean.isascii() and "=?" not in clean and len(header) + len(clean) < _LINE:
        return _Encoded(clean)
    return _encoded_words(header, clean)


def _address(header: str, name: str, address: str) -> _Encoded:
    clean = one_line(name)[:_LONGEST_HEADER_TEXT]
    if not clean:
        return _Encoded(f"<{address}>")
    if clean.isascii() and "=?" not in clean and len(header) + len(clean) < _LINE - 5:
        escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
        phrase = f'"{escaped}"'
    else:
        phrase = _encoded_words(header, clean)
    last_line = phrase.rsplit("\r\n", 1)[-1]
    space = " " if len(header) + len(last_line) + len(address) < _LINE - 6 else "\r\n "
    return _Encoded(f"{phrase}{space}<{address}>")


def _encoded_words(header: str, text: str) -> _Encoded:
    made = Header(text, "utf-8", maxlinelen=_LINE, header_name=header)
    return _Encoded(made.encode(linesep="\r\n"))
