"""How a waiting list is told of: its rules before joining, the other dates of a series."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from services.registration import line_views
from services.registration.domain.event import Event
from services.registration.domain.offer import Quiet, Rules
from services.registration.domain.seats import Seats
from services.registration.line_views import Kind
from services.registration.repository.registrations import Status, Via
from services.registration.standing import Offer, Other, Standing
from tests.support.lines import AUTOMATIC, OFFER, PART, Lines, full
from tests.support.pages import NOW, Preview, preview, started

FROM_HERE = {"sec-fetch-site": "same-origin"}
HOUR = timedelta(hours=1)
SERIES = "lesekreis"
SOMEBODY = UUID("0b0c6ad2-2c64-44ae-8a3c-0d8a9f3f3a01")
FORM = {"name": "Jörg", "email": "joerg@example.org", "seats": "1", "terms_accepted": "yes"}


@pytest.fixture
def shown() -> Preview:
    return preview()


@pytest.fixture
def lines(shown: Preview) -> Lines:
    return Lines(shown)


@pytest_asyncio.fixture
async def client(shown: Preview) -> AsyncIterator[httpx.AsyncClient]:
    async with started(shown) as app:
        transport = httpx.ASGITransport(app)
        german = {"accept-language": "de", **FROM_HERE}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=german
        ) as found:
            yield found


def _main(text: str) -> str:
    """The content of a page, without what it keeps for the script."""
    main = text.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"<template.*?</template>", "", main, flags=re.DOTALL)


async def _own(client: httpx.AsyncClient, path: str, language: str = "de") -> str:
    answer = await client.get(path, headers={"accept-language": language})
    assert answer.status_code == 200
    return _main(answer.text)


@pytest.mark.parametrize(
    ("rules", "german", "english"),
    [
        (
            AUTOMATIC,
            ["gehört der Platz sofort Ihnen", "streng der Reihe nach"],
            ["the place is yours at once", "strictly in order"],
        ),
        (
            OFFER,
            ["halten wir den Platz für Sie frei", "niemand wird öfter als 3\u00a0Mal überholt"],
            ["we hold the place for you", "nobody is passed more than 3 times"],
        ),
        (
            replace(OFFER, passes=1, hours=1),
            ["1 Stunde Zeit", "niemand wird öfter als einmal überholt"],
            ["1 hour to accept", "nobody is passed more than once"],
        ),
        (PART, ["bieten wir ihr die an, die da sind"], ["we offer it those that there are"]),
    ],
)
async def test_how_the_line_moves_is_said_before_joining(
    client: httpx.AsyncClient, lines: Lines, rules: Rules, german: list[str], english: list[str]
) -> None:
    lines.shown.service.put(*full("lesekreis", 2, rules))
    join = await _own(client, "/events/lesekreis")
    assert german[0] not in join
    await lines.joins("lesekreis", 2)
    wait, waits = [await _own(client, "/events/lesekreis", lang) for lang in ("de", "en")]
    assert "sicher ist das nicht." in wait
    for said in german:
        assert said in wait, said
    for said in english:
        assert said in waits, said


async def test_giving_back_is_said_only_as_far_as_it_can_be_done(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    before = datetime(2026, 11, 1, 11, tzinfo=UTC)
    lines.shown.service.put(*full("lesekreis", 1, AUTOMATIC, cancel_until=before))
    await lines.joins("lesekreis")
    own = await lines.joins("lesekreis")
    for path in ("/events/lesekreis", own):
        text = await _own(client, path)
        assert "bis Sonntag, 1. November 2026, 12:00 Uhr geben Sie ihn mit einem Klick" in text
    lines.shown.service.put(*full("lesekreis", 1, OFFER, cancel_until=before))
    assert "mit einem Klick" not in await _own(client, own)


def _moves(**rules: object) -> line_views.Moves:
    found, _ = full("lesekreis", 1, replace(AUTOMATIC, **rules))  # type: ignore[arg-type]
    return line_views.moves(found, "de")


def test_the_policy_is_told_as_far_as_it_makes_a_difference() -> None:
    assert _moves(policy="fill").order == "fill"
    assert _moves(policy="fill", passes=0).order == "strict"
    alone, _ = full("lesekreis", 1, OFFER)
    assert line_views.moves(replace(alone, max_party=1), "de").order == "order"


def test_hours_and_ends_are_told_where_there_are_any() -> None:
    assert _moves().quiet == "22:00 bis 8:00 Uhr"
    assert _moves(quiet=Quiet(time(8), time(8))).quiet == ""
    assert _moves().ends == ""
    assert _moves(until=datetime(2027, 1, 1, tzinfo=UTC)).ends == "", "the event begins before"


def _standing(found: Event, status: Status, via: Via | None = None, **more: object) -> Standing:
    plain = Standing(SOMEBODY, status, 2, "Jörg", found, may_cancel=True, via=via)
    return replace(plain, **more)  # type: ignore[arg-type]


def _others(found: Event, *statuses: Status) -> list[Other]:
    return [Other(replace(found, slug=f"date-{n}"), s, None) for n, s in enumerate(statuses)]


@pytest.mark.parametrize(
    ("status", "via", "others", "kind"),
    [
        ("cancelled", "direct", (), "cancelled"),
        ("cancelled", "waitlist", ("confirmed",), "cancelled"),
        ("cancelled", None, (), "left"),
        ("cancelled", None, ("cancelled", "cancelled"), "left"),
        ("cancelled", None, ("cancelled", "confirmed"), "lapsed"),
        ("cancelled", None, ("expired",), "lapsed"),
        ("expired", None, (), "expired"),
        ("waitlisted", None, ("waitlisted",), "waiting"),
        ("confirmed", "waitlist", ("cancelled",), "confirmed"),
    ],
)
def test_what_the_page_is_about(
    status: Status, via: Via | None, others: tuple[Status, ...], kind: Kind
) -> None:
    found, _ = full("lesekreis", 1, OFFER)
    standing = _standing(found, status, via, others=_others(found, *others))
    assert line_views.kind(standing, NOW) == kind
    off = replace(standing, event=replace(found, status="called_off"))
    assert line_views.kind(off, NOW) == "called_off"


def test_an_offer_runs_out_to_the_moment() -> None:
    found, _ = full("lesekreis", 1, OFFER)
    standing = _standing(found, "offered", offer=Offer(2, 2, NOW + HOUR))
    moment = timedelta(microseconds=1)
    assert line_views.kind(standing, NOW + HOUR - moment) == "offered"
    assert line_views.kind(standing, NOW + HOUR) == "ran_out"


def test_no_way_back_into_a_line_that_is_over_is_promised() -> None:
    until = NOW + 2 * HOUR
    found, _ = full("lesekreis", 1, replace(PART, until=until))
    offered = _standing(found, "offered", offer=Offer(1, 2, NOW + HOUR))
    own = line_views.own(offered, NOW, "de")
    assert (own.after, own.keeps) == ("end", True)
    last = _standing(found, "offered", offer=Offer(1, 2, until))
    assert line_views.own(last, NOW, "de").after == "out"
    over = line_views.own(offered, until, "de")
    assert (over.after, over.keeps) == ("out", False)


def _dates(shown: Preview, slug: str = "lesekreis") -> list[str]:
    found = shown.board.get(slug)
    assert found is not None
    return [date.slug for date in line_views.dates_too(found, shown.board.all(), "de")]


async def test_the_other_dates_of_a_series_that_the_form_fits(lines: Lines) -> None:
    await lines.several()
    shown = lines.shown
    assert _dates(shown) == ["lesekreis-dezember", "lesekreis-januar"]
    other, seats = full("anders", 1, OFFER, series="anders")
    shown.service.put(other, seats)
    shown.service.put(replace(other, slug="ohne", series=None), seats)
    closed = replace(other, slug="zu", series=SERIES, closes_at=NOW - HOUR)
    shown.service.put(closed, seats)
    asks = replace(other, slug="fragt", series=SERIES, questions={"a": {"title": "A?"}})
    shown.service.put(asks, seats)
    shown.service.put(replace(other, slug="frei", series=SERIES), seats)
    assert _dates(shown) == ["frei", "lesekreis-dezember", "lesekreis-januar"]
    assert _dates(shown, "ohne") == []


async def test_a_booked_up_date_offers_the_others_and_a_free_one_does_not(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await lines.several()
    text = await _own(client, "/events/lesekreis")
    assert "Auch auf diese Termine warten" in text
    for slug in ("lesekreis-dezember", "lesekreis-januar"):
        assert f'name="also" value="{slug}">' in text
    free, _ = full("frei", 5, OFFER, series=SERIES)
    lines.shown.service.put(free, Seats(5))
    assert 'name="also"' not in await _own(client, "/events/frei")


async def test_waiting_for_several_dates(client: httpx.AsyncClient, lines: Lines) -> None:
    await lines.several()
    also = ["lesekreis-dezember", "lesekreis-januar", "lesekreis-dezember"]
    answer = await client.post("/events/lesekreis", data={**FORM, "also": also})
    assert answer.status_code == 303
    assert lines.shown.service.signed_up[-1].also == ("lesekreis-dezember", "lesekreis-januar")
    own = await _own(client, answer.headers["location"])
    assert "Sie warten auch auf andere Termine" in own
    assert own.count("Dort stehen Sie an 2.\u00a0Stelle.") == 2


async def test_a_free_place_on_another_date_counts_at_once(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await lines.several()
    lines.shown.service.put(*full("frei", 5, OFFER, series=SERIES, title="Anderswo"))
    answer = await client.post("/events/lesekreis", data={**FORM, "also": ["frei"]})
    own = await _own(client, answer.headers["location"])
    assert "Sie haben einen Platz." in own
    assert 'href="/events/frei"' in own


async def test_ticks_are_kept_when_something_else_is_wrong(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await lines.several()
    sent = {**FORM, "name": "", "also": ["lesekreis-januar"]}
    answer = await client.post("/events/lesekreis", data=sent)
    assert answer.status_code == 422
    assert 'value="lesekreis-januar" checked>' in answer.text
    assert 'value="lesekreis-dezember">' in answer.text


async def test_a_date_that_does_not_take_the_form_is_told_of(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await lines.several()
    sent = {**FORM, "seats": "5", "also": ["lesekreis-januar"]}
    lines.shown.service.put(*full("lesekreis-januar", 1, OFFER, series=SERIES, max_party=2))
    answer = await client.post("/events/lesekreis", data=sent)
    assert answer.status_code == 422
    text = _main(answer.text)
    assert '<a href="#also">Einer dieser Termine nimmt Ihre Anmeldung so nicht an' in text
    assert 'aria-describedby="also-error"' in text
