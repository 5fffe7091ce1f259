"""Every mail says what it has to, in both languages, in text, in HTML and to the calendar."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from services.contracts.envelope import Locale
from services.contracts.notifications import MailKind
from services.contracts.registration import Day
from services.notifications.domain.broadcast import Words
from tests.unit.notifications.letters import (
    KINDS,
    LINK,
    LOCALES,
    MAILER,
    REGISTRATION,
    calendars_of,
    event,
    html_of,
    letter,
    person,
    read,
    shown,
    text_of,
)

every_mail = pytest.mark.parametrize(
    ("kind", "locale"), [(kind, locale) for kind in KINDS for locale in LOCALES]
)


SAID: dict[tuple[MailKind, Locale], tuple[str, str]] = {
    ("confirmed", "de"): ("Ihr Platz: Die digitale", "Sie haben einen Platz."),
    ("confirmed", "en"): ("Your place: Die digitale", "You have a place."),
    ("waitlisted", "de"): ("Warteliste: Die", "Sie stehen an 3. Stelle der Warteliste."),
    ("waitlisted", "en"): ("Waiting list: Die", "You are number 3 on the waiting list."),
    ("promoted", "de"): ("Sie sind nachgerückt: Die", "Sie haben einen Platz."),
    ("promoted", "en"): ("You have moved up: Die", "You have a place."),
    ("cancelled", "de"): ("Ihre Abmeldung: Die", "Sie sind abgemeldet."),
    ("cancelled", "en"): ("Your cancellation: Die", "You are no longer signed up."),
    ("offered", "de"): ("Ein Platz ist für Sie frei: Die", "Wir halten einen Platz für Sie frei."),
    ("offered", "en"): ("A place is free for you: Die", "We are holding a place for you."),
    ("offer_ended", "de"): ("Angebot abgelaufen: Die", "Unser Angebot ist abgelaufen."),
    ("offer_ended", "en"): ("Offer run out: Die", "Our offer has run out."),
    ("event_changed", "de"): ("Geändert: Die", "Die Veranstaltung hat sich geändert."),
    ("event_changed", "en"): ("Changed: Die", "The event has changed."),
    ("event_called_off", "de"): ("Fällt aus: Die", "Die Veranstaltung fällt aus."),
    ("event_called_off", "en"): ("Called off: Die", "The event does not take place."),
    ("message", "de"): ("Der Saal ist ein anderer", "Der Saal ist ein anderer"),
    ("reminder", "de"): (
        "Erinnerung: Die",
        "Die Veranstaltung beginnt am Freitag, 25. August 2023, 9:00 Uhr.",
    ),
    ("reminder", "en"): ("Reminder: Die", "The event begins on Friday, 25 August 2023, 9:00."),
    ("message", "en"): ("The hall is another one", "The hall is another one"),
}


@every_mail
def test_the_plain_sentence_comes_first(kind: MailKind, locale: Locale) -> None:
    subject, sentence = SAID[kind, locale]
    message = read(MAILER.render(letter(kind, locale)))
    text, html = text_of(message), html_of(message)
    assert message["Subject"].startswith(subject)
    assert text.startswith(f"{sentence}\n")
    words, _ = shown(html)
    assert sentence in words
    assert re.search(r"<h1[^>]*>([^<]*)</h1>", html)[1] == sentence  # type: ignore[index]


@every_mail
def test_text_and_html_tell_the_same_facts(kind: MailKind, locale: Locale) -> None:
    message = read(MAILER.render(letter(kind, locale)))
    words, links = shown(html_of(message))
    text = " ".join(text_of(message).split())
    day = "Freitag, 25. und Samstag, 26. August 2023"
    if locale == "en":
        day = "Friday, 25 and Saturday, 26 August 2023"
    for fact in (day, "9:00", "Stadthaus, Münster", "Ayşe Öztürk", "Stiftung Lebendige Stadt"):
        assert fact in words
        assert fact in text
    assert LINK in links
    assert LINK in text
    assert ("Kontakt" in words or "Contact" in words) is False


@every_mail
def test_every_mail_is_small_quiet_and_complete(kind: MailKind, locale: Locale) -> None:
    envelope = MAILER.render(letter(kind, locale))
    message = read(envelope)
    html, text = html_of(message), text_of(message)
    assert len(html.encode()) < 20_000
    assert len(envelope.message) < 102 * 1024
    assert f'lang="{locale}"' in html
    assert "prefers-color-scheme: dark" in html
    _, links = shown(html)
    for link in links:
        assert link.startswith(("https://einlass.test/", "cid:"))
    assert "<script" not in html
    for part in (shown(html)[0], text):
        assert "!" not in part
        assert "{{" not in part
        assert "%(" not in part
        assert "None" not in part
    assert all(len(line) <= 72 or "https://" in line for line in text.splitlines())
    assert "\n\n\n" not in text


@every_mail
def test_headers(kind: MailKind, locale: Locale) -> None:
    message = read(MAILER.render(letter(kind, locale)))
    assert message["Message-ID"] == f"<{kind}.{REGISTRATION}.2@einlass.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == locale
    assert message["From"].addresses[0].addr_spec == "anmeldung@einlass.test"
    assert message["To"].addresses[0].display_name == "Ayşe Öztürk"
    assert str(message["Date"].datetime) == "2023-07-01 12:00:00+00:00"
    assert message["Reply-To"] is None


@every_mail
def test_the_same_row_gives_the_same_octets(kind: MailKind, locale: Locale) -> None:
    assert MAILER.render(letter(kind, locale)) == MAILER.render(letter(kind, locale))


def test_a_waiting_list_never_promises() -> None:
    message = read(MAILER.render(letter("waitlisted")))
    honest = "sobald ein Platz für Sie frei wird – sicher ist das nicht"
    assert honest in " ".join(text_of(message).split())
    words, links = shown(html_of(message))
    assert honest in words
    assert "cid:light-red" in links
    pictures = [part for part in message.walk() if part.get_content_maintype() == "image"]
    assert [part["Content-ID"] for part in pictures] == ["<light-red>"]


def test_several_places() -> None:
    message = read(MAILER.render(letter("confirmed", seats=3)))
    assert text_of(message).startswith("Sie haben 3 Plätze.")
    assert "Plätze:  3" in text_of(message)
    message = read(MAILER.render(letter("waitlisted", "en", seats=2)))
    assert "as soon as 2 places become free" in " ".join(text_of(message).split())


def test_a_contact_may_have_several_lines() -> None:
    contact = "Dr. Jana Groß\n\nTelefon 0251 555-0199"
    message = read(MAILER.render(letter("confirmed", event=event(contact=contact))))
    assert "Kontakt:  Dr. Jana Groß\n          Telefon 0251 555-0199\n" in text_of(message)
    assert "Dr. Jana Groß<br" in html_of(message)


def test_the_deadline_for_cancelling_is_said_in_local_time() -> None:
    said = "Abmelden können Sie sich bis Mittwoch, 23. August 2023, 18:00 Uhr."
    assert said in shown(html_of(read(MAILER.render(letter("confirmed")))))[0]
    without = read(MAILER.render(letter("confirmed", event=event(cancel_until=None))))
    assert "Abmelden können Sie" not in text_of(without)


@pytest.mark.parametrize("kind", ["confirmed", "promoted", "event_changed"])
def test_who_can_no_longer_cancel_is_not_told_to(kind: MailKind) -> None:
    """The mail is of noon on 1 July."""
    closed = event(cancel_until=datetime(2023, 7, 1, 12, tzinfo=UTC))
    open_still = event(cancel_until=datetime(2023, 7, 1, 12, 1, tzinfo=UTC))
    message = read(MAILER.render(letter(kind, event=closed)))
    for text in (" ".join(text_of(message).split()), shown(html_of(message))[0]):
        assert "sagen Sie bitte dem Veranstalter Bescheid; antworten Sie einfach" in text
        assert "abmelden" not in text
        assert "Anmeldung ansehen" in text
    assert "/cancel" not in html_of(message) + text_of(message)
    assert "oder abmelden:" in text_of(read(MAILER.render(letter(kind, event=open_still))))


def test_what_is_new_is_marked() -> None:
    content: dict[str, Any] = {
        "event": event(place=None, title="Neu"),
        "changes": ("title", "place"),
    }
    message = read(MAILER.render(letter("event_changed", **content)))
    text = text_of(message)
    assert "\nNeu (neu)\n" in text
    assert "Wo:    steht noch nicht fest (neu)\n" in text
    assert "9:00 bis 17:00 Uhr\n" in text
    assert shown(html_of(message))[0].count("(neu)") == 2


def test_who_left_the_line_is_told_so() -> None:
    message = read(MAILER.render(letter("cancelled", holds_place=False)))
    assert text_of(message).startswith("Sie stehen nicht mehr auf der Warteliste.")
    assert "https://einlass.test/events/stadt" in text_of(message)
    off = letter("cancelled", event=event(status="called_off"))
    assert "Versehen" not in text_of(read(MAILER.render(off)))


@pytest.mark.parametrize(
    ("kind", "methods"),
    [
        ("confirmed", ["REQUEST"]),
        ("promoted", ["REQUEST"]),
        ("event_changed", ["REQUEST"]),
        ("cancelled", ["CANCEL"]),
        ("event_called_off", ["CANCEL"]),
        ("message", []),
        ("reminder", []),
        ("waitlisted", []),
        ("offered", []),
        ("offer_ended", []),
    ],
)
def test_the_calendar_of_who_has_a_place(kind: MailKind, methods: list[str]) -> None:
    message = read(MAILER.render(letter(kind)))
    found = calendars_of(message)
    assert [method for method, _ in found] == methods
    for method, data in found:
        calendar = Calendar.from_ical(data)
        assert calendar["METHOD"] == method
        (entry,) = calendar.walk("VEVENT")
        assert entry["UID"] == f"{REGISTRATION}@einlass.test"
        assert entry["SEQUENCE"] == 4
        assert entry["ATTENDEE"] == "mailto:ayse@example.org"
    files = [part.get_filename() for part in message.iter_attachments()]
    assert files == ["invite.ics"] * len(methods)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "waitlisted"])
def test_who_waits_has_nothing_in_the_calendar(kind: MailKind) -> None:
    assert calendars_of(read(MAILER.render(letter(kind, holds_place=False)))) == []


def test_a_change_takes_away_days_that_are_no_longer() -> None:
    former = tuple(Day(date=date(2023, 8, day)) for day in (1, 8, 15))
    changed = letter("event_changed", former_days=former, changes=("days",))
    found = calendars_of(read(MAILER.render(changed)))
    uids = [(m, Calendar.from_ical(data).walk("VEVENT")[0]["UID"]) for m, data in found]
    assert uids == [
        ("REQUEST", f"{REGISTRATION}@einlass.test"),
        ("CANCEL", f"{REGISTRATION}-2@einlass.test"),
        ("CANCEL", f"{REGISTRATION}-3@einlass.test"),
    ]


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


# The first mail of a kind takes its time: its templates are compiled.
@settings(deadline=None)
@given(anything, anything, anything, anything, st.sampled_from(KINDS), st.sampled_from(LOCALES))
def test_whatever_is_put_in_nothing_breaks_out(
    title: str, name: str, place: str, reason: str, kind: MailKind, locale: Locale
) -> None:
    mark = "<img src=x onerror=alert(1)>\"'&"
    content: dict[str, Any] = {
        "event": event(title=f"{title}{mark}", place=f"{place}{mark}", contact=f"{mark}{reason}"),
        "person": person(locale, name=f"{mark}{name}"),
    }
    if kind == "event_called_off":
        content["reason"] = f"{reason}{mark}"
    if kind == "message":
        content["texts"] = {locale: Words(subject=f"{title}{mark}", text=f"{reason}{mark}")}
    message = read(MAILER.render(letter(kind, locale, **content)))
    html = html_of(message)
    assert "<img src=x" not in html
    words, links = shown(html)
    assert mark in words
    assert "x" not in links
    assert mark in text_of(message)
