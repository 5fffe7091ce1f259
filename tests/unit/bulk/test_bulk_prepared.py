"""Letters as octets with holes: whoever reads the mail reads the letter, with the own links."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Final
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.bulk.prepared import BadAddress, Prepared, Recipient, Sending
from services.notifications.bulk.verp import Returned, ReturnPaths
from services.notifications.mailer import Identity
from services.notifications.mime import Mailbox
from services.notifications.subscribers.links import Links

AT: Final = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
LINKS: Final = Links(bytes(32), "https://einlass.test")
IDENTITY: Final = Identity(
    organisation="Stiftung Mitarbeit",
    sender=Mailbox("Stiftung Übermut", "news@einlass.test"),
    reply_to=Mailbox("Stiftung", "office@einlass.test"),
    host="einlass.test",
    accent="#1f5a96",
)
ISSUE: Final = UUID("01900000-0000-7000-8000-000000000001")
WHO: Final = UUID("01900000-0000-7000-8000-0000000000aa")
TEXTS: Final = st.lists(
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200),
        st.sampled_from(
            [OWN_LINK, UNSUBSCRIBE_LINK, "\n", ".", "..", "\n.", "\nFrom ", " \n", "=", "x" * 90]
        ),
    ),
    max_size=12,
).map("".join)


def sending(**more: object) -> Sending:
    return Sending(ISSUE, 7, IDENTITY, LINKS, **more)  # type: ignore[arg-type]


def read(message: bytes) -> EmailMessage:
    mail = message_from_bytes(message, policy=default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    payload = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def filled(text: str, who: UUID, generation: int) -> str:
    return (
        text.replace(OWN_LINK, LINKS.own(who, generation))
        .replace(UNSUBSCRIBE_LINK, LINKS.unsubscribe(who, generation))
        .replace("\n", "\r\n")
    )


@example(text="x" * 76 + OWN_LINK, html=OWN_LINK + OWN_LINK, generation=1)
@example(text="." * 80 + UNSUBSCRIBE_LINK + ".", html="ä" * 90 + " \n" + OWN_LINK, generation=1)
@settings(deadline=None)
@given(text=TEXTS, html=TEXTS, generation=st.integers(1, 99))
def test_both_parts_are_the_letter_with_the_links(text: str, html: str, generation: int) -> None:
    prepared = Prepared(Letter("Subject", html, text), "de", sending())
    who = uuid4()
    ready = prepared.compose(Recipient(3, who, "ada@people.test", generation), AT)

    mail = read(ready.message)
    assert part(mail, "plain").removesuffix("\r\n") == filled(text, who, generation).removesuffix(
        "\r\n"
    )
    assert part(mail, "html").removesuffix("\r\n") == filled(html, who, generation).removesuffix(
        "\r\n"
    )
    body = ready.message.partition(b"\r\n\r\n")[2]
    lines = body.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert not re.search(rb"(?m)^\.|^From ", ready.message)
    assert b"\n" not in ready.message.replace(b"\r\n", b"")
    assert b"\r" not in ready.message.replace(b"\r\n", b"")
    assert ready.message.endswith(b"\r\n")


def test_the_headers() -> None:
    prepared = Prepared(Letter("mitarbeiten 1/2027 – grün", "<p>x</p>", "x"), "de", sending())
    ready = prepared.compose(Recipient(12, WHO, "ada@people.test", 2), AT)
    mail = read(ready.message)
    assert {name: str(mail[name]) for name in mail if name != "Content-Type"} == {
        "To": "ada@people.test",
        "Message-ID": f"<newsletter.{ISSUE}.12@einlass.test>",
        "Date": "Mon, 01 Mar 2027 09:30:00 +0000",
        "List-Unsubscribe": f"<{LINKS.unsubscribe(WHO, 2)}>",
        "MIME-Version": "1.0",
        "From": "Stiftung Übermut <news@einlass.test>",
        "Reply-To": "Stiftung <office@einlass.test>",
        "Subject": "mitarbeiten 1/2027 – grün",
        "Content-Language": "de",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<newsletter.einlass.test>",
    }
    assert ready.sender == b"news@einlass.test"
    assert ready.recipient == b"ada@people.test"


@settings(deadline=None)
@given(
    subject=st.text(st.characters(codec="utf-8"), max_size=120),
    address=st.text(st.characters(codec="utf-8"), max_size=60),
)
def test_nothing_makes_a_header_more(subject: str, address: str) -> None:
    prepared = Prepared(Letter(subject, "<p>x</p>", "x"), "en", sending())
    usual = prepared.compose(Recipient(1, WHO, "ada@people.test", 1), AT)
    try:
        ready = prepared.compose(Recipient(1, WHO, address, 1), AT)
    except BadAddress:
        return
    assert names(ready.message) == names(usual.message)
    for said in (ready.sender, ready.recipient):
        assert not re.search(rb"[\x00-\x20\x7f<>]", said)


@pytest.mark.parametrize(
    "address",
    [
        "ada@people.test\r\nBcc: eve@evil.test",
        "ada@people.test>\r\nRCPT TO:<eve@evil.test",
        "ada@people.test\n",
        "<ada@people.test>",
        "ada people@people.test",
        "ada@people.test\x00",
        "ada",
        "@",
        "",
    ],
)
def test_an_address_that_would_say_more_is_refused(address: str) -> None:
    prepared = Prepared(Letter("x", "<p>x</p>", "x"), "en", sending())
    with pytest.raises(BadAddress):
        prepared.compose(Recipient(1, WHO, address, 1), AT)


def names(message: bytes) -> list[bytes]:
    head = message.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0] for line in re.split(rb"\r\n(?![ \t])", head)]


def test_an_address_with_umlauts_asks_for_smtputf8() -> None:
    prepared = Prepared(Letter("x", "<p>x</p>", "x"), "en", sending())
    domain = prepared.compose(Recipient(1, WHO, "ada@grün.test", 1), AT)
    assert (domain.recipient, domain.utf8) == (b"ada@xn--grn-ioa.test", False)
    local = prepared.compose(Recipient(1, WHO, "ädä@grün.test", 1), AT)
    assert (local.recipient, local.utf8) == ("ädä@xn--grn-ioa.test".encode(), True)


def test_return_paths_tell_the_mail_and_cannot_be_made_up() -> None:
    paths = ReturnPaths(bytes(32), "bounces@einlass.test")
    prepared = Prepared(Letter("x", "<p>x</p>", "x"), "en", sending(returns=paths))
    sender = prepared.compose(Recipient(12, WHO, "ada@people.test", 3), AT).sender.decode()
    assert sender.startswith("bounces+n.7.12.3.")
    assert paths.read(sender) == Returned(7, 12, 3)
    assert paths.read(sender.upper()) == Returned(7, 12, 3)
    assert paths.read(sender.replace(".12.", ".13.")) is None
    assert paths.read(sender.replace(".12.3.", ".12.1.")) is None
    assert paths.read(sender.replace("einlass.test", "evil.test")) is None
    assert ReturnPaths(b"x" * 32, "bounces@einlass.test").read(sender) is None
    assert paths.read("bounces@einlass.test") is None
    assert paths.read("bounces+n.7.12.3.äääääääß@einlass.test") is None
