"""What the pages show: filters, months, states, dates, data for search engines, safe text."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import ical
from services.registration import views
from services.registration.board import PublicEvent, seen
from services.registration.domain.event import Day
from services.registration.domain.light import Light
from services.registration.markup import html_of, script_json
from services.registration.views import Filter
from tests.support.pages import NOW, event

GREEN: Light = "green"


def _public(slug: str, on: date, lamp: Light | None = GREEN, **changes: object) -> PublicEvent:
    return seen(event(slug, slug.title(), Day(on), **changes), lamp, NOW)


PROGRAMME = [
    _public("spaeter", date(2026, 11, 2), "red"),
    _public("bald", date(2026, 10, 8), "yellow", place="Münster"),
    _public("gleich", date(2026, 10, 7)),
    _public("vorbei", date(2026, 10, 1)),
    _public("lange-her", date(2023, 8, 25)),
    _public("abgesagt", date(2026, 10, 9), status="called_off"),
    _public("abgesagt-und-vorbei", date(2026, 9, 9), status="called_off"),
]


def _slugs(wish: Filter) -> list[str]:
    months = views.overview(PROGRAMME, wish, NOW, "de")
    return [row.slug for month in months for row in month.rows]


def test_the_next_event_comes_first_and_months_are_headings() -> None:
    months = views.overview(PROGRAMME, Filter(), NOW, "de")
    assert [(month.name, [row.slug for row in month.rows]) for month in months] == [
        ("Oktober 2026", ["gleich", "bald", "abgesagt"]),
        ("November 2026", ["spaeter"]),
    ]


def test_past_events_begin_with_the_last() -> None:
    assert _slugs(Filter(when="past")) == ["vorbei", "abgesagt-und-vorbei", "lange-her"]


def test_free_means_a_green_or_yellow_light() -> None:
    assert _slugs(Filter(free=True)) == ["gleich", "bald"]


@pytest.mark.parametrize("q", ["münster", "MUNSTER", "muenster", "8. Oktober", "bald müns"])
def test_a_word_is_found_however_it_is_written(q: str) -> None:
    assert "bald" in _slugs(Filter(q=q))


def test_all_words_must_fit() -> None:
    assert _slugs(Filter(q="münster sonstwo")) == []


def test_a_filter_survives_the_way_to_the_event_and_back() -> None:
    wish = Filter(q="Müll & Co?", free=True)
    address = wish.carried("bald")
    carried = re.fullmatch(r"/events/bald\?from=([\w%.+-]+)", address)
    assert carried is not None
    query = dict([pair.split("=") for pair in address.partition("?")[2].split("&")])["from"]
    assert Filter.of_query(unquote(query)) == wish


@given(st.text(max_size=300))
def test_any_query_is_a_filter_and_leads_to_our_own_overview(query: str) -> None:
    address = Filter.of_query(query).address
    assert re.fullmatch(r"/events(\?[\w%.+=&~*-]*)?", address, re.ASCII)
    assert Filter.of_query(address.partition("?")[2]) == Filter.of_query(query)


def test_what_the_form_means() -> None:
    assert views.form_of(_public("a", date(2026, 12, 1), "green")) == "join"
    assert views.form_of(_public("a", date(2026, 12, 1), "yellow")) == "join"
    assert views.form_of(_public("a", date(2026, 12, 1), "red")) == "wait"
    assert views.form_of(_public("a", date(2026, 12, 1), None)) == "none"
    assert views.form_of(_public("a", date(2026, 10, 1), "green")) == "none"


def test_dates_as_people_say_them() -> None:
    seminar = event("s", "S", Day(date(2023, 8, 25)), Day(date(2023, 8, 26)))
    shown = seen(seminar, None, NOW)
    assert views.page(shown, "de").when == ["Freitag, 25. und Samstag, 26. August 2023"]
    assert views.page(shown, "en").when == ["Friday, 25 and Saturday, 26 August 2023"]


def test_structured_data_says_when_and_where_and_no_number() -> None:
    seminar = event(
        "s",
        "A </script><script>alert(1)</script> & B",
        Day(date(2026, 11, 5), time(18), time(20)),
        Day(date(2026, 11, 6)),
        max_party=7,
        summary="Kurz.",
    )
    text = views.structured(seminar, "https://einlass.example", "Stiftung")
    assert "<" not in text
    assert ">" not in text
    data = json.loads(text)
    assert data == {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": seminar.title,
        "url": "https://einlass.example/events/s",
        "startDate": "2026-11-05T18:00:00+01:00",
        "endDate": "2026-11-06",
        "eventStatus": "https://schema.org/EventScheduled",
        "organizer": {
            "@type": "Organization",
            "name": "Stiftung",
            "url": "https://einlass.example",
        },
        "description": "Kurz.",
        "location": {"@type": "Place", "name": seminar.place, "address": seminar.place},
    }


def test_an_event_called_off_says_so_to_search_engines_and_calendars() -> None:
    off = replace(event("s", "S"), status="called_off")
    assert "EventCancelled" in views.structured(off, "https://einlass.example", "Stiftung")
    entry = views.calendar(off, "https://einlass.example", "uid", 3, NOW)
    assert b"STATUS:CANCELLED" in ical.download(entry)


def test_the_calendar_ends_on_the_day_after_the_last() -> None:
    seminar = event("s", "S", Day(date(2023, 8, 25)), Day(date(2023, 8, 26)))
    text = ical.download(views.calendar(seminar, "https://ä.example", "uid", 0, NOW)).decode()
    assert "DTSTART;VALUE=DATE:20230825" in text
    assert "DTEND;VALUE=DATE:20230827" in text
    assert "UID:uid@xn--4ca.example" in text


def test_a_moment_is_said_where_the_event_is() -> None:
    at = datetime(2026, 10, 20, 7, 0, tzinfo=UTC)
    assert views.moment(event("s", "S"), at, "de") == "Dienstag, 20. Oktober 2026, 9:00 Uhr"
    assert views.moment(event("s", "S"), None, "de") == ""


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://elsewhere.example/pixel.png)",
        '<img src=x onerror="alert(1)">',
        '<a href="https://a.example" onclick="x()" style="color:red">x</a>',
        "<style>body{display:none}</style>",
        "<iframe src=//elsewhere.example></iframe>",
    ],
)
def test_nothing_harmful_comes_through_markdown(text: str) -> None:
    html = html_of(text)
    assert not re.search(r"<(script|img|style|iframe|svg|form|input)", html, re.IGNORECASE)
    assert not re.search(r"<[^>]*(javascript:|data:|\son\w+=|style=)", html, re.IGNORECASE)


def test_headings_begin_below_the_title_and_leave_no_level_out() -> None:
    assert re.findall(r"<h(\d)>", html_of("### A\n\n##### B\n\n### C\n\n# D")) == [
        "2",
        "3",
        "3",
        "2",
    ]
    assert re.findall(r"<h(\d)>", html_of("## Ablauf\n\n## Ort")) == ["2", "2"]


@given(st.dictionaries(st.text(), st.text()))
def test_data_in_a_script_never_ends_it_and_reads_the_same(data: dict[str, str]) -> None:
    text = script_json(data)
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert json.loads(text) == data
