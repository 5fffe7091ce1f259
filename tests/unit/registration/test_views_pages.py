"""The pages as a browser gets them, over registration in memory, without a socket."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.kit.errors import Busy, TooManyRequests
from services.registration.domain.offer import Rules
from services.registration.domain.seats import Seats
from tests.support.pages import Preview, event, person, preview, programme, started

HERE = "http://localhost"
SENT = {
    "name": "Jörg Müller",
    "email": "joerg@example.org",
    "terms_accepted": "yes",
    "form_id": "a" * 22,
}
FROM_HERE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def shown() -> Preview:
    return preview()


@pytest_asyncio.fixture
async def client(shown: Preview) -> AsyncIterator[httpx.AsyncClient]:
    async with started(shown) as app:
        transport = httpx.ASGITransport(app)
        german = {"accept-language": "de"}
        async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=german) as found:
            yield found


def _live(text: str) -> str:
    """A page without what it keeps for the script."""
    return re.sub(r"<template.*?</template>", "", text, flags=re.DOTALL)


async def _sign_up(shown: Preview, slug: str, number: int = 1, seats: int = 1) -> str:
    done = await shown.service.sign_up(slug, person(number, seats=seats), None, "here")
    return done.manage_url.removeprefix(HERE)


async def test_the_language_is_the_switchs_the_cookies_the_browsers(
    client: httpx.AsyncClient,
) -> None:
    assert "Veranstaltungen" in (await client.get("/events")).text
    english = await client.get("/events", headers={"accept-language": "en-GB,de;q=0.5"})
    assert '<html lang="en">' in english.text
    assert english.headers["content-language"] == "en"
    assert "Accept-Language" in english.headers["vary"]
    assert "set-cookie" not in english.headers
    switched = await client.get("/events?lang=en")
    assert '<html lang="en">' in switched.text
    assert switched.headers["set-cookie"] == (
        "lang=en; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax"
    )
    assert '<html lang="en">' in (await client.get("/events")).text
    assert '<html lang="de">' in (await client.get("/events?lang=de")).text
    assert "set-cookie" not in (await client.get("/events?lang=fr")).headers


async def test_the_cookie_is_secure_behind_https() -> None:
    async with started(preview(public_url="https://einlass.example")) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            answer = await client.get("/events?lang=en")
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/", "/events"])
async def test_the_overview_lists_what_is_to_come(client: httpx.AsyncClient, path: str) -> None:
    text = (await client.get(path)).text
    assert "Oktober 2026" in text
    assert "Was bedeuten die Ampeln?" in text
    assert "Kompost für Anfänger" in text
    assert "digitale-stadt-2023" not in text


async def test_the_filter_is_kept_on_the_way_back(client: httpx.AsyncClient) -> None:
    text = (await client.get("/events?q=kompost&free=1")).text
    (address,) = re.findall(r'href="(/events/kompost[^"]*)"', text)
    back = (await client.get(address)).text
    assert 'href="/events?q=kompost&amp;free=1"' in back


async def test_a_strange_way_back_leads_to_the_overview(client: httpx.AsyncClient) -> None:
    text = (await client.get("/events/kompost?from=//evil.example/%22%3E%3Cscript%3E")).text
    assert "evil.example" not in re.sub(r'<a href="\?[^"]*"', "", text)
    assert '<a class="back" href="/events">' in text


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [
        ("barrierefreiheit", "Die Anmeldung öffnet am Dienstag, 20. Oktober 2026, 9:00 Uhr."),
        ("chor", "Diese Veranstaltung ist ausgebucht."),
        ("haushalt", "Diese Veranstaltung ist abgesagt."),
        ("ehrenamt", "Die Anmeldung ist geschlossen."),
        ("digitale-stadt-2023", "Diese Veranstaltung ist vorbei."),
    ],
)
async def test_without_sign_up_there_is_a_sentence_and_neither_light_nor_form(
    client: httpx.AsyncClient, slug: str, sentence: str
) -> None:
    text = _live((await client.get(f"/events/{slug}")).text)
    assert sentence in text
    assert "<form" not in text
    assert '<svg class="signal"' not in text


async def test_the_form_says_before_sending_what_it_means(client: httpx.AsyncClient) -> None:
    join = _live((await client.get("/events/kompost")).text)
    assert "Verbindlich anmelden" in join
    assert "Warteliste setzen</span>" not in join
    wait = _live((await client.get("/events/vorlesen")).text)
    assert "Auf die Warteliste setzen" in wait
    assert "sicher ist das nicht" in wait
    assert "Verbindlich anmelden" not in wait


async def test_no_label_is_empty(client: httpx.AsyncClient) -> None:
    text = (await client.get("/events/chor")).text
    assert "<dt>Wo</dt>" not in text
    assert "<dt>Kontakt</dt>" not in text


async def test_no_answer_shows_a_number_of_seats(client: httpx.AsyncClient, shown: Preview) -> None:
    told = event("probe", "Probe", contact=None, place=None, description="")
    shown.service.put(told, Seats(capacity=7919, confirmed=6007, held=1009))
    for path in ("/events", "/events/probe", "/events/probe.ics", "/sitemap.xml"):
        answer = await client.get(path)
        for number in ("7919", "6007", "1009", "903"):
            whole = re.compile(rf"(?<![\w-]){number}(?![\w-])")
            assert not whole.search(answer.text), path
            assert not whole.search(str(answer.headers)), path


async def test_signing_up_leads_to_the_persons_own_page(client: httpx.AsyncClient) -> None:
    answer = await client.post("/events/kompost", data=SENT, headers=FROM_HERE)
    assert answer.status_code == 303
    assert re.fullmatch(r"/registrations/[\w-]{36}/[\w-]{22}\?new=1", answer.headers["location"])
    assert answer.headers["cache-control"] == "no-store"
    own = await client.get(answer.headers["location"])
    assert "Sie haben einen Platz." in own.text
    assert "auf dem Weg zu Ihnen" in own.text
    assert own.headers["cache-control"] == "no-store"
    assert own.headers["x-robots-tag"].startswith("noindex")
    assert "joerg@example.org" not in own.text


async def test_a_double_click_signs_up_once(client: httpx.AsyncClient) -> None:
    first, second = [
        await client.post("/events/kompost", data=SENT, headers=FROM_HERE) for _ in range(2)
    ]
    assert first.headers["location"] == second.headers["location"]
    other = {**SENT, "email": "andere@example.org"}
    third = await client.post("/events/kompost", data=other, headers=FROM_HERE)
    assert third.headers["location"] != first.headers["location"]


async def test_without_a_form_id_the_same_address_is_told_so(client: httpx.AsyncClient) -> None:
    sent = {k: v for k, v in SENT.items() if k != "form_id"}
    await client.post("/events/kompost", data=sent, headers=FROM_HERE)
    again = await client.post("/events/kompost", data=sent, headers=FROM_HERE)
    assert again.status_code == 409
    assert "schon angemeldet" in again.text
    assert 'value="Jörg Müller"' in again.text


async def test_bad_fields_are_named_and_what_was_typed_is_kept(
    client: httpx.AsyncClient,
) -> None:
    sent = {"name": "", "email": 'a"><b', "answer.food": "Nägel", "answer.age": "drei"}
    answer = await client.post("/events/vorlesen", data=sent, headers=FROM_HERE)
    assert answer.status_code == 422
    text = answer.text
    assert 'role="alert" tabindex="-1" autofocus' in text
    for field in ("name", "email", "answer-food", "answer-age", "terms_accepted"):
        assert f'href="#{field}"' in text
        assert f'id="{field}-error"' in text
    assert 'value="a&#34;&gt;&lt;b"' in text
    assert 'value="drei"' in text
    assert re.search(r'id="email"[^>]*aria-describedby="email-error email-hint"', text)
    assert re.search(r'id="email"[^>]*aria-invalid="true"', text)


async def test_answers_arrive_in_their_types(client: httpx.AsyncClient, shown: Preview) -> None:
    sent = {**SENT, "answer.food": "vegan", "answer.age": " 4 ", "answer.photo": "yes"}
    answer = await client.post("/events/vorlesen", data=sent, headers=FROM_HERE)
    assert answer.status_code == 303
    assert shown.service.signed_up[-1].answers == {"food": "vegan", "age": 4, "photo": True}


@pytest.mark.parametrize("seats", ["0", "5", "-1", "viele", "", "9" * 40])
async def test_a_wrong_number_of_places(client: httpx.AsyncClient, seats: str) -> None:
    sent = {**SENT, "seats": seats}
    answer = await client.post("/events/digitale-stadt", data=sent, headers=FROM_HERE)
    assert answer.status_code == 422
    assert "eine Zahl zwischen 1 und 4" in answer.text


async def test_failures_are_told_on_the_page_in_plain_words(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    shown.service.failure = TooManyRequests(30)
    answer = await client.post("/events/kompost", data=SENT, headers=FROM_HERE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert 'value="joerg@example.org"' in answer.text
    for failure in (Busy(), ConnectionRefusedError()):
        shown.service.failure = failure
        answer = await client.post("/events/kompost", data=SENT, headers=FROM_HERE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "Andrang" in answer.text
        assert 'value="joerg@example.org"' in answer.text
    closed = await client.post("/events/ehrenamt", data=SENT, headers=FROM_HERE)
    assert closed.status_code == 409
    assert "Sie sind nicht angemeldet." in closed.text
    shown.service.put(event("probe", "Probe", waitlist=Rules(enabled=False)), Seats(1, confirmed=1))
    full = await client.post("/events/probe", data=SENT, headers=FROM_HERE)
    assert full.status_code == 409
    assert "nimmt niemanden mehr auf" in full.text


@pytest.mark.parametrize("path", ["/events/kompost", f"/registrations/{uuid4()}/x/cancel"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}],
)
async def test_forms_from_elsewhere_are_refused(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    answer = await client.post(path, data=SENT, headers=headers)
    assert answer.status_code == 403
    assert "anderen Website" in answer.text


async def test_cancelling_needs_a_button_and_is_done_once(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    own = await _sign_up(shown, "digitale-stadt", seats=2)
    assert "Sie haben 2 Plätze." in (await client.get(own)).text
    asked = await client.get(f"{own}/cancel")
    assert "Alle 2 Plätze werden sofort frei" in asked.text
    assert "Sie haben 2 Plätze." in (await client.get(own)).text
    for _ in range(2):
        done = await client.post(f"{own}/cancel", headers=FROM_HERE)
        assert (done.status_code, done.headers["location"]) == (303, own)
    assert "Sie haben sich abgemeldet." in (await client.get(own)).text
    assert "schon abgemeldet" in (await client.get(f"{own}/cancel")).text


async def test_who_waits_sees_the_place_in_line_and_moves_up(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    first, *_ = [await _sign_up(shown, "quartier", number) for number in range(3)]
    one, two = [await _sign_up(shown, "quartier", number) for number in (3, 4)]
    assert "Sie stehen an 2.\u00a0Stelle der Warteliste." in (await client.get(two)).text
    await client.post(f"{first}/cancel", headers=FROM_HERE)
    assert "nachgerückt" in (await client.get(one)).text
    assert "Sie stehen an 1.\u00a0Stelle der Warteliste." in (await client.get(two)).text
    await client.post(f"{two}/cancel", headers=FROM_HERE)
    assert "Sie haben die Warteliste verlassen." in (await client.get(two)).text


async def test_after_the_deadline_the_page_says_whom_to_ask(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    own = await _sign_up(shown, "digitale-stadt")
    shown.clock.advance(timedelta(days=3))
    text = (await client.get(own)).text
    assert "sagen Sie bitte dem Veranstalter Bescheid: Dr. Änne Groß" in text
    assert f"{own}/cancel" not in text
    late = await client.post(f"{own}/cancel", headers=FROM_HERE)
    assert late.status_code == 409
    assert "Frist" in late.text


async def test_the_own_calendar_has_the_uid_of_the_mails(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    own = await _sign_up(shown, "kompost")
    answer = await client.get(f"{own}/calendar.ics")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert f"UID:{own.split('/')[2]}@localhost" in answer.text
    await client.post(f"{own}/cancel", headers=FROM_HERE)
    assert (await client.get(f"{own}/calendar.ics")).status_code == 404


async def test_a_wrong_link_does_not_tell_what_is_wrong(
    client: httpx.AsyncClient, shown: Preview
) -> None:
    own = await _sign_up(shown, "kompost")
    _, _, registration_id, token = own.split("/")
    wrong = [
        f"/registrations/{registration_id}/{'A' * 22}",
        f"/registrations/{uuid4()}/{token}",
        f"/registrations/nonsense/{token}",
        f"/registrations/{registration_id}/ä",
    ]
    answers = [await client.get(path) for path in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_errors_are_pages_and_the_apis_are_problems(client: httpx.AsyncClient) -> None:
    for path in ("/nowhere", "/events/nowhere", "/terms/1999-01", "/assets/none.css"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "Unter dieser Adresse gibt es nichts." in answer.text
    assert (await client.post("/terms")).status_code == 405
    problem = await client.get("/api/v1/events/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"


async def test_a_page_is_whole(client: httpx.AsyncClient) -> None:
    for path in ["/events", "/terms", *(f"/events/{item.slug}" for item, _ in programme())]:
        answer = await client.get(path)
        assert answer.status_code == 200
        for address in re.findall(r'(?:href|src)="(/[^"]*)"', answer.text):
            if address == "/newsletter":  # answered by notifications
                continue
            found = await client.get(address.replace("&amp;", "&"))
            assert found.status_code == 200, (path, address)
        for data in re.findall(r'ld\+json">(.*?)</script>', answer.text):
            assert json.loads(data)["@type"] == "Event"


async def test_robots_and_site_map(client: httpx.AsyncClient) -> None:
    robots = (await client.get("/robots.txt")).text
    assert "Disallow: /registrations/" in robots
    assert f"Sitemap: {HERE}/sitemap.xml" in robots
    assert f"<loc>{HERE}/events/kompost</loc>" in (await client.get("/sitemap.xml")).text
    assert (await client.get("/favicon.ico")).status_code == 307
