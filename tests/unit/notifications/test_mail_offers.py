"""What the mails say of a place that is offered, of how an offer ended, and of moving up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.contracts.envelope import Locale
from services.notifications.domain.mail import Mail, Priority, priority_of
from services.registration import own_pages
from tests.unit.notifications.letters import (
    LINK,
    LOCALES,
    MAILER,
    event,
    html_of,
    letter,
    offer,
    read,
    shown,
    text_of,
)


def said(mail: Mail) -> str:
    """The subject and the words of a mail in one line. What it has to say before the facts is
    the same in text and HTML."""
    message = read(MAILER.render(mail))
    text, (html, _) = text_of(message), shown(html_of(message))
    body = text[text.index(",\n") + 2 : text.index(f"\n{mail.content.event.title}\n")]
    paragraphs = [" ".join(each.split()) for each in body.split("\n\n") if each.strip()]
    assert paragraphs
    for paragraph in paragraphs:
        assert paragraph in html
    return f"{message['Subject']} | {' '.join(text.split())}"


def test_the_offer_comes_before_answers() -> None:
    assert priority_of("offered") == Priority.TURN
    assert priority_of("offer_ended") == Priority.ANSWER


def test_an_offer_says_until_when_in_the_time_of_the_event() -> None:
    until = datetime(2023, 8, 24, 16, tzinfo=UTC)
    german = said(letter("offered", offer=offer(until=until)))
    assert "und zwar bis: Donnerstag, 24. August 2023, 18:00 Uhr" in german
    lisbon = letter("offered", "en", event=event(timezone="Europe/Lisbon"))
    assert "decline it by: Thursday, 24 August 2023, 17:00" in said(lisbon)
    message = read(MAILER.render(letter("offered")))
    assert "Bitte antworten Sie bis Donnerstag, 24. August 2023, 18:00 Uhr." in html_of(message)


@pytest.mark.parametrize("locale", LOCALES)
def test_an_offer_leads_to_the_persons_page_and_changes_nothing_by_itself(locale: Locale) -> None:
    message = read(MAILER.render(letter("offered", locale)))
    _, links = shown(html_of(message))
    assert set(links) == {LINK}
    button = {"de": "Platz annehmen oder ablehnen", "en": "Accept or decline the place"}[locale]
    assert f"{button}:\n{LINK}\n" in text_of(message)
    nothing = {"de": "nur öffnen, ändert sich noch nichts", "en": "the page changes nothing yet"}
    assert nothing[locale] in " ".join(text_of(message).split())


def test_an_offer_says_what_each_answer_means_and_what_silence_does() -> None:
    text = said(letter("offered", "en"))
    assert "If you accept: The place is yours. If" in text
    assert (
        "If you decline: The place goes to somebody else. You are then no longer on the waiting "
        "list." in text
    )
    assert "If you do not answer: The place goes to somebody else. We then write to you" in text
    assert "asked for" not in text
    assert "keep your place" not in text


def test_fewer_than_asked_for_may_be_declined_without_losing_ones_place() -> None:
    part = said(letter("offered", seats=4, offer=offer(seats=2, party=4)))
    assert "| Wir halten 2 Plätze für Sie frei." in part
    assert "Sie warten auf 4 Plätze; zu haben sind im Augenblick nur 2." in part
    assert "Die Plätze gehören Ihnen. Auf die übrigen warten Sie nicht mehr." in part
    assert "Wenn Sie ablehnen: Sie behalten Ihre Stelle und warten weiter auf alle 4;" in part
    assert "nicht mehr auf der Warteliste" not in part
    assert "Plätze: 2 von 4" in part
    one = said(letter("offered", "en", seats=3, offer=offer(seats=1, party=3)))
    assert one.startswith("A place is free for you")
    assert "You asked for 3 places; only one can be had just now." in one
    assert "Places: 1 of 3" in one


def test_a_whole_party_is_offered_all() -> None:
    text = said(letter("offered", seats=3, offer=offer(seats=3, party=3)))
    assert text.startswith("3 Plätze sind für Sie frei: ")
    assert "Sie warten auf" not in text
    assert "Plätze: 3 " in text


ENDS: list[tuple[dict[str, Any], str, list[str], list[str]]] = [
    (
        {"offer": offer(end="expired", place="lost")},
        "Angebot abgelaufen: ",
        [
            "| Unser Angebot ist abgelaufen.",
            "bis Donnerstag, 24. August 2023, 18:00 Uhr einen Platz für Sie frei gehalten",
            "Sie stehen nicht mehr auf der Warteliste.",
            "Wenn Sie noch kommen möchten",
            "https://einlass.test/events/stadt Anmeldung ansehen:",
        ],
        ["Versehen", "verlassen", "annehmen"],
    ),
    (
        {"offer": offer(end="declined", place="lost")},
        "Angebot abgelehnt: ",
        [
            "| Sie haben unser Angebot abgelehnt.",
            "Der Platz geht an andere. Sie stehen nicht mehr auf der Warteliste.",
            "Falls das ein Versehen war",
            "https://einlass.test/events/stadt Anmeldung ansehen:",
        ],
        ["nichts von Ihnen gehört", "verlassen", "annehmen"],
    ),
    (
        {"seats": 2, "position": 12, "offer": offer(seats=2, party=2, end="expired", place="end")},
        "Angebot abgelaufen: ",
        [
            "| Sie stehen an 12. Stelle der Warteliste.",
            "18:00 Uhr 2 Plätze für Sie frei gehalten und nichts von Ihnen gehört.",
            "Sie sind an das Ende der Warteliste gerückt.",
            "sobald 2 Plätze für Sie frei werden – sicher ist das nicht.",
            "Warteliste ansehen oder verlassen:",
        ],
        ["events/stadt", "nicht mehr auf der Warteliste", "annehmen"],
    ),
    (
        {"seats": 4, "offer": offer(seats=2, party=4, end="declined", place="kept")},
        "Angebot abgelehnt: ",
        [
            "| Sie behalten Ihre Stelle auf der Warteliste.",
            "Sie haben 2 der 4 Plätze abgelehnt, auf die Sie warten.",
            "Sie warten weiter auf alle 4; einen Teil davon bieten wir Ihnen nicht noch einmal an.",
            "sobald 4 Plätze für Sie frei werden – sicher ist das nicht.",
            "Plätze: 4 ",
        ],
        ["events/stadt", "nicht mehr auf der Warteliste", "annehmen", " von 4"],
    ),
]


@pytest.mark.parametrize(("content", "subject", "there", "not_there"), ENDS)
def test_how_an_offer_ended(
    content: dict[str, Any], subject: str, there: list[str], not_there: list[str]
) -> None:
    text = said(letter("offer_ended", **content))
    assert text.startswith(subject)
    for words in there:
        assert words in text
    for words in not_there:
        assert words not in text
    english = said(letter("offer_ended", "en", **content))
    assert "Warteliste" not in english


def test_the_end_of_the_line_without_a_number() -> None:
    text = said(letter("offer_ended", offer=offer(end="expired", place="end")))
    assert "| Sie stehen am Ende der Warteliste." in text


def test_no_way_back_into_an_event_that_is_called_off() -> None:
    off = letter("offer_ended", event=event(status="called_off"))
    assert "events/stadt" not in said(off)
    assert "events/stadt" not in html_of(read(MAILER.render(off)))


def test_who_moved_up_has_the_place_and_can_give_it_back() -> None:
    mail = letter("promoted")
    text = said(mail)
    assert text.startswith("Sie sind nachgerückt: ")
    assert "Der Platz gehört Ihnen schon; Sie müssen dafür nichts weiter tun." in text
    assert f"Auf dieser Seite genügt dafür ein Klick: {LINK}/cancel Abmelden können" in text
    assert f"{LINK}/cancel" in shown(html_of(read(MAILER.render(mail))))[1]
    assert "Die Plätze gehören Ihnen schon" in said(letter("promoted", seats=3))


def test_the_page_that_gives_a_place_back_is_there() -> None:
    paths = [
        getattr(route, "path", "")
        for route in own_pages.router.routes
        if "GET" in getattr(route, "methods", ())
    ]
    assert "/registrations/{registration_id}/{token}/cancel" in paths


def test_who_accepted_is_told_of_the_place_and_not_of_moving_up() -> None:
    text = said(letter("promoted", offer=offer(end="accepted")))
    assert text.startswith("Ihr Platz: ")
    assert "Sie haben unser Angebot angenommen, und der Platz gehört Ihnen." in text
    for words in ("nachgerückt", "übrigen", "/cancel"):
        assert words not in text
    part = letter("promoted", "en", seats=2, offer=offer(seats=2, party=4, end="accepted"))
    assert "You have 2 places." in said(part)
    assert "You no longer wait for the other 2 places." in said(part)
    assert "Places: 2 " in said(part)
    three = letter("promoted", "en", seats=3, offer=offer(seats=3, party=4, end="accepted"))
    assert "You no longer wait for the other place." in said(three)


def test_an_offer_stands_while_the_event_changes() -> None:
    content: dict[str, Any] = {"holds_place": False, "offer": offer(seats=2, party=4), "seats": 4}
    text = said(letter("event_changed", **content))
    assert "Wir halten die Plätze weiter für Sie frei. Bitte antworten Sie bis Donnerstag" in text
    assert "Plätze annehmen oder ablehnen:" in text
    assert "Stelle" not in text
    off = said(letter("event_called_off", **content))
    assert "Sie müssen nichts tun." in off
    assert "annehmen" not in off
