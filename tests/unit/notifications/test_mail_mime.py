"""Whatever a name or a title holds, it stays in its own header."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.ical import one_line
from services.notifications.mime import (
    CalendarPart,
    Mailbox,
    Parts,
    ascii_domain,
    envelope,
)

HEADERS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "mime-version",
    "content-language",
    "content-type",
}

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
nasty = st.text("aZü€𝄞 ,;:/\\\"'()<>@[]=?_.\r\n\t\x00\x7f\u2028\u202e", max_size=200)
texts = anything | nasty
addresses = st.emails()


def parts(**changes: Any) -> Parts:
    return Parts(
        **{
            "sender": Mailbox("Stiftung", "anmeldung@einlass.test"),
            "recipient": Mailbox("Ayşe", "ayse@example.org"),
            "reply_to": None,
            "subject": "Ihr Platz",
            "message_id": "confirmed.1.1@einlass.test",
            "at": datetime(2023, 7, 1, tzinfo=UTC),
            "locale": "de",
            "text": "Guten Tag\n",
            "html": "<p>Guten Tag</p>",
            **changes,
        }
    )


def decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


@given(sender=texts, name=texts, subject=texts, address=addresses)
def test_never_a_header_more_and_each_reads_back(
    sender: str, name: str, subject: str, address: str
) -> None:
    made = envelope(
        parts(
            sender=Mailbox(sender, "anmeldung@einlass.test"),
            recipient=Mailbox(name, address),
            subject=subject,
        )
    )
    head, _, _ = made.message.partition(b"\r\n\r\n")
    assert head.replace(b"\r\n", b"").count(b"\n") == 0
    assert head.replace(b"\r\n", b"").count(b"\r") == 0
    assert all(len(line) < 998 for line in head.split(b"\r\n"))
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", head)
    message = message_from_bytes(made.message, policy=compat32)
    assert {name.lower() for name in message.keys()} == HEADERS  # noqa: SIM118 - a Message
    assert len(message.keys()) == len(HEADERS)
    for header, expected, spec in (
        ("From", sender, "anmeldung@einlass.test"),
        ("To", name, made.recipient),
    ):
        ((phrase, found),) = getaddresses([str(message[header])])
        assert found == spec
        assert decoded(phrase).split() == one_line(expected)[:500].split()
    assert decoded(str(message["Subject"])).split() == one_line(subject)[:500].split()


@pytest.mark.parametrize(
    "name",
    [
        "Müller, Jörg",
        'Ina "die Erste" O\'Neill',
        "Bürger/innen",
        "a\r\nBcc: x@example.org",
        "=?utf-8?q?nicht_echt?=",
        "back\\slash",
        "",
        " ",
        "x" * 400,
        "ü" * 400,
    ],
)
def test_display_names(name: str) -> None:
    made = envelope(parts(recipient=Mailbox(name, "a@example.org")))
    message = message_from_bytes(made.message, policy=compat32)
    ((phrase, address),) = getaddresses([message["To"]])
    assert address == "a@example.org"
    assert decoded(phrase) == one_line(name)
    assert message["Bcc"] is None


def test_encoded_words_keep_to_their_length() -> None:
    made = envelope(parts(subject="Straßenbahn " * 20, recipient=Mailbox("Ö" * 90, "a@b.org")))
    head, _, _ = made.message.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?.*?\?=", head))


def test_addresses_beyond_ascii() -> None:
    assert ascii_domain("ben@müller.example") == "ben@xn--mller-kva.example"
    assert ascii_domain("gräfin@example.org") == "gräfin@example.org"
    assert ascii_domain(f"a@{'ü' * 80}.de") == f"a@{'ü' * 80}.de"
    made = envelope(parts(recipient=Mailbox("Gräfin", "gräfin@schloß.example")))
    assert made.utf8
    assert made.recipient == "gräfin@schloss.example"
    assert "<gräfin@schloss.example>".encode() in made.message
    assert not envelope(parts()).utf8


def test_reply_to() -> None:
    made = envelope(parts(reply_to=Mailbox("Büro", "buero@example.org")))
    message = message_from_bytes(made.message, policy=compat32)
    assert getaddresses([message["Reply-To"]])[0][1] == "buero@example.org"


def test_the_shape_of_the_body() -> None:
    calendars = [CalendarPart("REQUEST", b"BEGIN:VCALENDAR"), CalendarPart("CANCEL", b"BEGIN")]
    message = message_from_bytes(envelope(parts(calendars=calendars)).message)
    shape = [(part.get_content_type(), part.get_filename()) for part in message.walk()]
    assert shape == [
        ("multipart/mixed", None),
        ("multipart/alternative", None),
        ("text/plain", None),
        ("text/html", None),
        ("text/calendar", None),
        ("application/ics", "invite.ics"),
        ("text/calendar", "invite-2.ics"),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=400))
def test_bodies_read_back(text: str) -> None:
    made = envelope(parts(text=text, html=text))
    assert made.message.isascii()
    assert all(len(line) <= 78 for line in made.message.split(b"\r\n"))
    for part in message_from_bytes(made.message).walk():
        if part.is_multipart():
            continue
        found = part.get_payload(decode=True)
        assert isinstance(found, bytes)
        assert found.decode().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
