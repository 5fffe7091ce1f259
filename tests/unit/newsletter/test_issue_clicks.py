"""Links that are counted: which, under what address, and what stays plain."""

import re

import pytest

from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.clicks import Counted, location
from services.notifications.newsletter.domain.issue import Words
from services.notifications.newsletter.rendering import Press
from tests.unit.newsletter.samples import EVENTS, SITE, issue, scene, settings

COUNTER = f"{SITE}/newsletter/l/2027/1/"
PRESS = Press(settings(newsletter_clicks="totals"))
UNCOUNTED = "Niemand hält fest, ob Sie ihn öffnen oder was Sie lesen."
TOTALS = "Klicks auf seine Links zählen nur in der Summe"


def counted() -> Counted:
    return Counted(SITE, Number(2027, 1))


def test_the_same_address_has_one_number() -> None:
    lead = counted()
    addresses = ["https://a.example/", "http://b.example/x?y=1#z", "https://a.example/"]
    assert [lead(url, "x") for url in addresses] == [f"{COUNTER}{no}" for no in (1, 2, 1)]
    assert lead.urls == addresses[:2]


@pytest.mark.parametrize(
    "url",
    [
        "mailto:post@example.org",
        "tel:+49251123",
        f"{SITE}/newsletter",
        f"{SITE}/newsletter/2027/1",
        f"{SITE}/newsletter?lang=en",
        OWN_LINK,
        UNSUBSCRIBE_LINK,
        "https://[x/",
        "",
    ],
)
def test_what_leads_straight(url: str) -> None:
    lead = counted()
    assert lead(url, "hier") == url
    assert lead.urls == []


@pytest.mark.parametrize("url", [f"{SITE}/events/obst", f"{SITE}/newsletters", SITE])
def test_other_pages_of_our_own_are_counted(url: str) -> None:
    assert counted()(url, "hier") == f"{COUNTER}1"


@pytest.mark.parametrize(
    ("words", "straight"),
    [
        ("https://example.org/a", True),
        ("www.example.org", True),
        ("example.org/garten", True),
        ("Stadt.Garten", True),
        ("Zum Garten", False),
        ("Um 10.30 Uhr", False),
        ("", False),
    ],
)
def test_words_that_are_an_address_are_true(words: str, straight: bool) -> None:
    url = "https://example.org/a"
    assert (counted()(url, words) == url) is straight


def test_the_header_takes_the_address_as_it_is() -> None:
    plain = "https://example.org/a;b/~c?d=e&f=%20g,h#i"
    assert location(plain) == plain
    assert location("https://example.org/gärten") == "https://example.org/g%C3%A4rten"
    assert location("https://example.org/\r\nSet-Cookie: a") == (
        "https://example.org/%0D%0ASet-Cookie:%20a"
    )


@pytest.mark.parametrize("locale", ["de", "en"])
def test_the_mail_leads_over_the_counter_and_the_page_does_not(locale: str) -> None:
    lead = counted()
    made = PRESS.every(issue(), scene(lead=lead))[locale]  # type: ignore[index]
    assert set(lead.urls) == {
        "https://www.example.com/garten",
        f"{SITE}/events",
        f"{SITE}/events/obst",
        f"{SITE}/events/bienen",
    }
    for part in (made.html, made.text):
        for no in range(1, 5):
            assert re.search(rf"{re.escape(COUNTER)}{no}\b", part)
        assert not re.search(rf"{re.escape(COUNTER)}(?:0|[5-9])", part)
        for url in lead.urls:
            assert not re.search(rf"{re.escape(url)}(?![/\w])", part)
        for straight in (OWN_LINK, UNSUBSCRIBE_LINK, f"{SITE}/newsletter/2027/1"):
            assert straight in part
    assert "mailto:post@example.org" in made.html
    assert "/newsletter/l/" not in made.web
    assert "https://www.example.com/garten" in made.web


def test_both_languages_share_their_numbers_and_nothing_else_differs() -> None:
    lead = counted()
    once = PRESS.every(issue(), scene(lead=lead))
    assert PRESS.every(issue(), scene(lead=counted())) == once
    urls = lead.urls

    def put_back(part: str) -> str:
        return re.sub(rf"{re.escape(COUNTER)}(\d+)", lambda m: urls[int(m[1]) - 1], part)

    plain = PRESS.every(issue(), scene())
    for locale, made in once.items():
        assert put_back(made.html) == plain[locale].html
        assert made.web == plain[locale].web


def test_the_small_print_is_true() -> None:
    for part in (
        Press(settings()).every(issue(), scene())["de"].html,
        " ".join(Press(settings()).every(issue(), scene())["de"].text.split()),
    ):
        assert UNCOUNTED in part
        assert TOTALS not in part
    made = PRESS.every(issue(), scene())
    for part in (made["de"].html, " ".join(made["de"].text.split())):
        assert TOTALS in part
        assert UNCOUNTED not in part
    assert "counted as totals only" in made["en"].html


def test_an_address_that_is_written_out_stays() -> None:
    lead = counted()
    words = Words("T", "T", "", "<https://example.org/a> und [dort](https://example.org/b)")
    made = PRESS.one(words, "de", scene(EVENTS, lead))
    assert 'href="https://example.org/a"' in made.html
    assert "https://example.org/a und dort [1]" in made.text
    assert f"[1] {COUNTER}" in made.text
    assert "https://example.org/a" not in lead.urls
