"""What an operator writes to all is told in their own words, and in nothing but them."""

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.envelope import Locale
from services.contracts.registration import Day
from services.notifications.domain.broadcast import Words, words_for
from tests.unit.notifications.letters import (
    MAILER,
    event,
    html_of,
    letter,
    offer,
    read,
    shown,
    text_of,
    texts,
)


@pytest.mark.parametrize(
    ("written", "reader", "language"),
    [
        (("de", "en"), "en", "en"),
        (("de", "en"), "de", "de"),
        (("de",), "en", "de"),
        (("en",), "de", "en"),
    ],
)
def test_everybody_reads_their_language_or_the_one_there_is(
    written: tuple[Locale, ...], reader: Locale, language: Locale
) -> None:
    given_texts = {one: Words(subject=one, text=one) for one in written}
    assert words_for(given_texts, reader) == (language, Words(subject=language, text=language))


def test_who_reads_another_language_is_greeted_in_their_own() -> None:
    message = read(MAILER.render(letter("message", "en", texts=texts(de="Der Saal"))))
    assert message["Subject"] == "Der Saal"
    assert "Good day Ayşe Öztürk," in text_of(message)
    assert "Wir sind im Kleinen Saal." in text_of(message)
    assert '<div class="said" lang="de">' in html_of(message)


def test_paragraphs_and_lines_stay_as_they_were_written() -> None:
    said = "Guten Tag.\nNoch eine Zeile.\n\n \n\tEin  Absatz.\r\n\r\nDer letzte."
    message = read(
        MAILER.render(letter("message", texts={"de": Words(subject="Neues", text=said)}))
    )
    text = text_of(message)
    assert "\nGuten Tag.\nNoch eine Zeile.\n\nEin Absatz.\n\nDer letzte.\n\n" in text
    html = html_of(message)
    assert "Guten Tag.<br />Noch eine Zeile.</p>" in html
    assert html.count('<p style="margin-top:12px') == 3


def test_an_address_becomes_a_link_and_stays_whole() -> None:
    address = "https://einlass.test/a/" + "lang-" * 20 + "x?a=1&b=2"
    said = f"Die Unterlagen liegen auf {address}. Und <b>das</b> ist Text."
    message = read(
        MAILER.render(letter("message", texts={"de": Words(subject="Neues", text=said)}))
    )
    words, links = shown(html_of(message))
    assert address in links
    assert "Und <b>das</b> ist Text." in words
    assert address in text_of(message)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, "sagen Sie bitte ab"),
        ({"holds_place": False}, "verlassen Sie bitte die Warteliste"),
        ({"holds_place": False, "offer": offer()}, "nehmen Sie den Platz an oder lehnen ihn ab"),
    ],
)
def test_it_says_what_one_can_do(changes: dict[str, Any], asked: str) -> None:
    message = read(MAILER.render(letter("message", **changes)))
    for said in (" ".join(text_of(message).split()), shown(html_of(message))[0]):
        assert asked in said


@pytest.mark.parametrize(
    "changes", [{"status": "called_off"}, {"days": (Day(date=date(2023, 6, 30)),)}]
)
def test_of_what_is_over_or_called_off_nobody_need_sign_off(changes: dict[str, Any]) -> None:
    """The mail is of noon on 1 July."""
    message = read(MAILER.render(letter("message", event=event(**changes))))
    for said in (text_of(message), shown(html_of(message))[0]):
        assert "kommen können" not in said
        assert "abmelden" not in said
        assert "Anmeldung ansehen" in said


def test_on_its_last_day_an_event_is_not_over() -> None:
    today = Day(date=date(2023, 7, 1), starts_at=time(8), ends_at=time(9))
    message = read(MAILER.render(letter("message", event=event(days=(today,)))))
    assert "kommen können" in text_of(message)


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@settings(deadline=None)
@given(anything, anything)
def test_no_subject_breaks_out_of_its_header(subject: str, text: str) -> None:
    bad = f"{subject}\r\nBcc: mallory@example.org\r\n\r\n{text}\n-- \n{text}"
    envelope = MAILER.render(letter("message", texts={"de": Words(subject=bad, text=bad)}))
    message = read(envelope)
    usual = read(MAILER.render(letter("message")))
    assert message.keys() == usual.keys()
    assert "Bcc" not in message
    assert "\n" not in message["Subject"]
    assert len(envelope.message.split(b"\r\n\r\n")[0].splitlines()) < 20
