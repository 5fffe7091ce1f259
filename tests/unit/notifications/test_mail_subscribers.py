"""The mail that asks to confirm an address says what it is about, and nothing that was typed."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.contracts.envelope import Locale
from services.notifications.domain.mail import SubscriberContent, SubscriberLetter
from tests.unit.notifications.letters import LOCALES, MAILER, html_of, read, shown, text_of

SUBSCRIBER = UUID("019234ab-7c1d-7def-8123-0123456789ab")
LINK = "https://einlass.test/newsletter/confirm/Zk3vQ0yX8n1pWc5rT2uBfg"

in_each_language = pytest.mark.parametrize("locale", LOCALES)


def confirmation(locale: Locale, version: int = 1) -> SubscriberLetter:
    """A mail that asks to confirm an address."""
    return SubscriberLetter(
        id=UUID(int=1),
        kind="newsletter_confirm",
        subscriber_id=SUBSCRIBER,
        version=version,
        created_at=datetime(2023, 7, 1, 12, tzinfo=UTC),
        content=SubscriberContent(
            email="ayse@example.org",
            locale=locale,
            confirm_url=LINK,
            valid_until=datetime(2023, 7, 3, 12, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("locale", "subject", "sentence", "until", "button"),
    [
        (
            "de",
            "Bitte bestätigen: Newsletter – Stiftung Lebendige Stadt",
            "Bitte bestätigen Sie, dass Sie den Newsletter möchten.",
            "Der Link gilt bis Montag, 3. Juli 2023, 14:00 Uhr.",
            "Abonnement bestätigen",
        ),
        (
            "en",
            "Please confirm: newsletter – Stiftung Lebendige Stadt",
            "Please confirm that you want the newsletter.",
            "The link works until Monday, 3 July 2023, 14:00.",
            "Confirm subscription",
        ),
    ],
)
def test_what_it_says(locale: Locale, subject: str, sentence: str, until: str, button: str) -> None:
    message = read(MAILER.render(confirmation(locale)))
    html, text = html_of(message), text_of(message)
    assert message["Subject"] == subject
    assert text.startswith(f"{sentence}\n")
    assert re.search(r"<h1[^>]*>([^<]*)</h1>", html)[1] == sentence  # type: ignore[index]
    words, links = shown(html)
    for said in (words, " ".join(text.split())):
        assert until in said
        assert button in said
        assert "ayse" not in said
        assert "!" not in said
        assert "None" not in said
    assert set(links) == {LINK}
    assert LINK in text
    assert all(len(line) <= 72 or "https://" in line for line in text.splitlines())
    assert "\n\n\n" not in text


@in_each_language
def test_its_headers(locale: Locale) -> None:
    message = read(MAILER.render(confirmation(locale, version=3)))
    assert message["Message-ID"] == f"<newsletter_confirm.{SUBSCRIBER}.3@einlass.test>"
    (recipient,) = message["To"].addresses
    assert (recipient.display_name, recipient.addr_spec) == ("", "ayse@example.org")
    assert message["Content-Language"] == locale
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


@in_each_language
def test_the_same_row_gives_the_same_octets(locale: Locale) -> None:
    assert MAILER.render(confirmation(locale)) == MAILER.render(confirmation(locale))
