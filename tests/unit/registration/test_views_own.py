"""A person's own page: what it says in each state, and that looking at it changes nothing."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.lines import STATES, Lines
from tests.support.pages import Preview, preview, started

FROM_HERE = {"sec-fetch-site": "same-origin"}

# What each state says first, then what it means and offers, in German and in English.
SAYS: dict[str, tuple[list[str], list[str]]] = {
    "offered": (
        [
            "<h1>Wir halten einen Platz für Sie frei.</h1>",
            'datetime="2026-10-07T10:00:00+00:00" data-until>Mittwoch, 7. Oktober 2026, 12:00 Uhr<',
            "geht der Platz an andere, und Sie stehen nicht mehr auf der Warteliste.",
            "/accept",
            "Platz annehmen",
            "/decline",
            "Ablehnen",
        ],
        [
            "<h1>We are holding a place for you.</h1>",
            "data-until>Wednesday, 7 October 2026, 12:00<",
            "the place goes on to others, and you are no longer on the waiting list.",
            "Accept the place",
            "Decline",
        ],
    ),
    "offered_three": (
        ["<h1>Wir halten 3 Plätze für Sie frei.</h1>", "3 Plätze annehmen"],
        ["<h1>We are holding 3 places for you.</h1>", "Accept 3 places"],
    ),
    "part": (
        [
            "<h1>Wir halten 2 von 4 Plätzen für Sie frei.</h1>",
            "zu haben sind im Augenblick nur 2.",
            "Auf die übrigen 2 warten Sie dann nicht mehr.",
            "behalten Sie Ihre Stelle und warten weiter auf alle 4.",
            "gehen die Plätze an andere, und Sie rücken an das Ende der Warteliste.",
            "2 Plätze annehmen",
            "verlassen Sie die Warteliste</a>",
        ],
        [
            "<h1>We are holding 2 of 4 places for you.</h1>",
            "only 2 can be had just now.",
            "you no longer wait for the other 2.",
            "you keep your place in line and go on waiting for all 4.",
            "the places go on to others, and you go to the end of the waiting list.",
            "Accept 2 places",
            "leave the waiting list</a>",
        ],
    ),
    "ran_out": (
        [
            "<h1>Die Zeit zum Annehmen ist abgelaufen.</h1>",
            "Der Platz geht an andere, und Sie stehen nicht mehr auf der Warteliste.",
            'href="/events/lesekreis#sign-up"',
        ],
        [
            "<h1>The time to accept is over.</h1>",
            "The place goes on to others, and you are no longer on the waiting list.",
        ],
    ),
    "ran_out_end": (
        ["<h1>Die Zeit zum Annehmen ist abgelaufen.</h1>", "an das Ende der Warteliste; gleich"],
        ["<h1>The time to accept is over.</h1>", "to the end of the waiting list; in a moment"],
    ),
    "expired": (
        [
            "<h1>Die Zeit zum Annehmen ist abgelaufen.</h1>",
            "Sie fangen dann hinten an.",
            'href="/events/lesekreis#sign-up">Zur Warteliste',
        ],
        [
            "<h1>The time to accept is over.</h1>",
            "You then start at its end.",
            "To the waiting list",
        ],
    ),
    "waiting": (
        [
            "<h1>Sie stehen an 1.\u00a0Stelle der Warteliste.</h1>",
            "Noch haben Sie keinen Platz.",
            "sicher ist das nicht.",
            "In den letzten 14 Tagen ist niemand von dieser Warteliste nachgerückt.",
            "Es geht streng der Reihe nach:",
            "gehört der Platz sofort Ihnen:",
            "Nachgerückt wird bis zum Beginn der Veranstaltung.",
            "eine Ausnahme machen; jede wird mit ihrem Grund festgehalten.",
            "Warteliste verlassen",
            "Wenn Sie den Platz noch möchten, können Sie das hier sagen.",
        ],
        [
            "<h1>You are number 1 on the waiting list.</h1>",
            "You do not have a place yet.",
            "that is not certain.",
            "In the last 14 days no place has gone to anybody from this waiting list.",
            "It goes strictly in order:",
            "the place is yours at once:",
            "The list moves until the event begins.",
            "each one is written down with its reason.",
            "Leave the waiting list",
            "If you still want the place, you can say so.",
        ],
    ),
    "waiting_group": (
        [
            "<h1>Sie stehen an 3.\u00a0Stelle der Warteliste.</h1>",
            "Sie warten auf 4 Plätze. Noch haben Sie sie nicht.",
            "In den letzten 14 Tagen sind 2 Plätze an Leute von dieser Warteliste gegangen.",
            "niemand wird öfter als 3\u00a0Mal überholt.",
            "Sie haben dann 24 Stunden Zeit, ihn anzunehmen oder abzulehnen",
            "Nachts (22:00 bis 8:00 Uhr) läuft keine Frist ab.",
            "zuletzt am Dienstag, 6. Oktober 2026, 12:00 Uhr gesagt.",
            "Mit weniger Personen kommen",
            '<option value="3" selected>',
        ],
        [
            "<h1>You are number 3 on the waiting list.</h1>",
            "You are waiting for 4 places. You do not have them yet.",
            "In the last 14 days 2 places have gone to people from this waiting list.",
            "nobody is passed more than 3 times.",
            "You then have 24 hours to accept or decline",
            "No offer runs out at night (22:00–8:00).",
            "You last said so on Tuesday, 6 October 2026, 12:00.",
            "Come with fewer people",
        ],
    ),
    "waiting_partial": (
        ["bieten wir ihr die an, die da sind; lehnt sie ab, behält sie ihre Stelle."],
        ["we offer it those that there are; if it declines, it keeps its place in line."],
    ),
    "waiting_ends": (
        ["Nachgerückt wird bis Dienstag, 17. November 2026, 12:00 Uhr; danach nicht mehr."],
        ["The list moves until Tuesday, 17 November 2026, 12:00; after that nobody moves up"],
    ),
    "line_over": (
        ["<h1>Die Warteliste ist geschlossen.</h1>", "leider kein Platz frei geworden."],
        ["<h1>The waiting list is closed.</h1>", "no place became free for you."],
    ),
    "several": (
        [
            "Sie warten auch auf andere Termine",
            "Auf den anderen Wartelisten stehen Sie dann nicht mehr",
            "Donnerstag, 17. Dezember 2026",
            "Sonntag, 17. Januar 2027",
            "Dort stehen Sie an 1.\u00a0Stelle.",
        ],
        [
            "You are waiting for other dates too",
            "You then drop out of the other waiting lists automatically",
            "Thursday, 17 December 2026",
            "You are number 1 there.",
        ],
    ),
    "lapsed": (
        [
            "<h1>Wir halten einen Platz an einem anderen Termin für Sie frei.</h1>",
            "Donnerstag, 17. Dezember 2026",
            "Dort halten wir einen Platz für Sie frei.",
        ],
        [
            "<h1>We are holding a place for you on another date.</h1>",
            "A place is held for you there.",
        ],
    ),
    "confirmed": (
        ["<h1>Sie haben einen Platz.</h1>", "/calendar.ics", "Von der Veranstaltung abmelden"],
        ["<h1>You have a place.</h1>", "/calendar.ics", "Cancel my sign-up"],
    ),
    "confirmed_group": (
        ["<h1>Sie haben 4 Plätze.</h1>", "Mit weniger Personen kommen", "Übrige Plätze abgeben"],
        ["<h1>You have 4 places.</h1>", "Come with fewer people", "Give up the other places"],
    ),
    "moved_up": (
        ["nachgerückt und verbindlich angemeldet", 'cancel">geben Sie ihn mit einem Klick zurück'],
        ["You have moved up from the waiting list", 'cancel">give it back with one click</a>'],
    ),
    "left": (["<h1>Sie haben die Warteliste verlassen.</h1>"], ["You have left the waiting list."]),
    "cancelled": (["<h1>Sie haben sich abgemeldet.</h1>"], ["<h1>You have cancelled.</h1>"]),
    "called_off": (
        ["<h1>Diese Veranstaltung ist abgesagt.</h1>", "Sie müssen nichts tun."],
        ["<h1>This event is called off.</h1>", "You need not do anything."],
    ),
    "never": (
        ["<h1>Diese Veranstaltung ist vorbei.</h1>", "Für Sie ist leider kein Platz frei geworden"],
        ["<h1>This event is over.</h1>", "No place became free for you."],
    ),
}

# What a state must not say: nothing to press that cannot be done, and no place that is not there.
SAYS_NOT = {
    "offered": ["/interest", "/fewer", "Sie haben einen Platz"],
    "part": ["/interest", "/fewer", "Platz annehmen"],
    "ran_out": ["/accept", "/decline", "/cancel"],
    "ran_out_end": ["/accept", "/decline", "/cancel", "#sign-up"],
    "expired": ["/accept", "/decline", "/cancel"],
    "waiting": ["/accept", "/decline", "/fewer", "Sie haben einen Platz"],
    "waiting_group": ["/accept", "/decline", "zurückgeben"],
    "line_over": ["/accept", "/interest", "/fewer", "sobald ein Platz"],
    "several": ["/accept"],
    "lapsed": ["/accept", "/cancel", "#sign-up"],
    "confirmed": ["/accept", "/interest", "/fewer", "mit einem Klick"],
    "confirmed_group": ["/accept", "/interest"],
    "left": ["/cancel", "/accept"],
    "called_off": ["/cancel", "/interest", "/accept"],
    "never": ["/cancel", "/interest", "/accept"],
}


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


@pytest.mark.parametrize("name", STATES)
async def test_each_state_is_said_in_both_languages(
    client: httpx.AsyncClient, lines: Lines, name: str
) -> None:
    path = await STATES[name](lines)
    german, english = await _own(client, path), await _own(client, path, "en")
    for said in SAYS[name][0]:
        assert said in german, said
    for said in SAYS[name][1]:
        assert said in english, said
    for unsaid in SAYS_NOT.get(name, []):
        assert unsaid not in german, unsaid
    assert german.count("<h1") == 1
    follows = name.startswith(("offered", "part", "ran_out", "waiting", "several"))
    assert ("data-follow" in german) == follows


@pytest.mark.parametrize("name", STATES)
async def test_looking_at_pages_changes_nothing(
    client: httpx.AsyncClient, lines: Lines, name: str
) -> None:
    path = await STATES[name](lines)
    before = await _own(client, path)
    for page in ("", "/cancel", "/decline", "/accept", "/fewer", "/interest"):
        answer = await client.get(f"{path}{page}")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.status_code == (303 if page in ("/accept", "/fewer", "/interest") else 200)
        await client.get(f"{path}{page}?lang=en")
    client.cookies.clear()
    assert await _own(client, path) == before
