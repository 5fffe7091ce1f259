"""What a person does from their own page: accept, decline, come with fewer, say that they wait."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from tests.support.lines import AUTOMATIC, STATES, Lines, full
from tests.support.pages import NOW, Preview, preview, started

FROM_HERE = {"sec-fetch-site": "same-origin"}
HOUR = timedelta(hours=1)


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


@pytest.mark.parametrize("action", ["accept", "decline", "cancel", "fewer", "interest"])
async def test_forms_from_elsewhere_are_refused(
    client: httpx.AsyncClient, lines: Lines, action: str
) -> None:
    path = await lines.offered_three()
    answer = await client.post(
        f"{path}/{action}", data={"seats": "1"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403
    assert "Wir halten 3 Plätze" in await _own(client, path)


@pytest.mark.parametrize("action", ["accept", "decline", "cancel", "fewer", "interest"])
async def test_a_wrong_link_does_nothing(
    client: httpx.AsyncClient, lines: Lines, action: str
) -> None:
    path = await lines.offered_three()
    wrong = path.rpartition("/")[0] + "/" + "A" * 22
    answer = await client.post(f"{wrong}/{action}", data={"seats": "1"})
    assert answer.status_code == 404
    assert (await client.get(f"{wrong}/decline")).status_code == 404
    assert "Wir halten 3 Plätze" in await _own(client, path)


async def test_accepting_gives_the_place_and_is_done_once(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    path = await lines.offered()
    for _ in range(2):
        done = await client.post(f"{path}/accept")
        assert (done.status_code, done.headers["location"]) == (303, path)
        assert done.headers["cache-control"] == "no-store"
    assert "Sie haben einen Platz." in await _own(client, path)


async def test_accepting_a_part_gives_up_the_rest(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.part()
    await client.post(f"{path}/accept")
    assert "Sie haben 2 Plätze." in await _own(client, path)


async def test_declining_asks_once(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.offered()
    asked = _main((await client.get(f"{path}/decline")).text)
    assert "Möchten Sie den Platz ablehnen?" in asked
    assert "Sie stehen nicht mehr auf der Warteliste" in asked
    assert f'action="{path}/decline"' in asked
    for _ in range(2):
        done = await client.post(f"{path}/decline")
        assert (done.status_code, done.headers["location"]) == (303, path)
    assert "Sie haben die Warteliste verlassen." in await _own(client, path)
    again = _main((await client.get(f"{path}/decline")).text)
    assert "Im Moment ist Ihnen kein Platz angeboten." in again
    assert "<form" not in again


async def test_declining_a_part_keeps_the_place(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.part()
    asked = _main((await client.get(f"{path}/decline")).text)
    assert "Möchten Sie die 2 Plätze ablehnen?" in asked
    assert "Sie behalten Ihre Stelle und warten weiter auf alle 4 Plätze" in asked
    await client.post(f"{path}/decline")
    assert "Sie stehen an 1.\u00a0Stelle der Warteliste." in await _own(client, path)


async def test_leaving_with_an_offer_gives_up_both(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.part()
    asked = _main((await client.get(f"{path}/cancel")).text)
    assert "Möchten Sie die Warteliste verlassen?" in asked
    assert "was wir für Sie frei halten" in asked
    await client.post(f"{path}/cancel")
    assert "Sie haben die Warteliste verlassen." in await _own(client, path)


@pytest.mark.parametrize("name", ["ran_out", "expired"])
async def test_too_late_is_said_plainly(client: httpx.AsyncClient, lines: Lines, name: str) -> None:
    path = await STATES[name](lines)
    late = await client.post(f"{path}/accept")
    assert late.status_code == 409
    text = _main(late.text)
    assert "<h1>Die Zeit zum Annehmen ist abgelaufen.</h1>" in text
    assert 'href="/events/lesekreis#sign-up"' in text
    assert 'role="alert"' not in text, "it would be said twice"


@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_what_is_not_offered_cannot_be_accepted(
    client: httpx.AsyncClient, lines: Lines, action: str
) -> None:
    path = await lines.confirmed()
    answer = await client.post(f"{path}/{action}")
    if action == "accept":
        assert answer.status_code == 303
    else:
        assert answer.status_code == 409
        assert "Im Moment ist Ihnen kein Platz angeboten." in answer.text
    assert "Sie haben einen Platz." in await _own(client, path)


async def test_back_at_the_end_after_an_offer(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.ran_out_end()
    await lines.joins("lesekreis", 2)
    lines.shown.service.run_out()
    assert "Sie stehen an 2.\u00a0Stelle der Warteliste." in await _own(client, path)


@pytest.mark.parametrize(
    ("name", "then"),
    [
        ("waiting_group", "Sie warten auf 2 Plätze."),
        ("confirmed_group", "<h1>Sie haben 2 Plätze.</h1>"),
    ],
)
async def test_a_party_can_become_smaller(
    client: httpx.AsyncClient, lines: Lines, name: str, then: str
) -> None:
    path = await STATES[name](lines)
    for _ in range(2):
        done = await client.post(f"{path}/fewer", data={"seats": " 2 "})
        assert (done.status_code, done.headers["location"]) == (303, path)
    assert then in await _own(client, path)


@pytest.mark.parametrize("seats", ["0", "5", "-1", "viele", "", "9" * 40, "1.5"])
async def test_but_neither_larger_nor_nothing(
    client: httpx.AsyncClient, lines: Lines, seats: str
) -> None:
    path = await lines.confirmed_group()
    answer = await client.post(f"{path}/fewer", data={"seats": seats})
    assert answer.status_code == 409
    assert 'role="alert" tabindex="-1" autofocus' in answer.text
    assert "Hier können Sie nur Plätze abgeben." in answer.text
    assert "Sie haben 4 Plätze." in await _own(client, path)


async def test_after_the_deadline_nothing_is_given_up(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    path = await lines.confirmed_group()
    lines.shown.service.put(*full("lesekreis", 9, AUTOMATIC, cancel_until=NOW - HOUR))
    text = await _own(client, path)
    assert "/fewer" not in text
    assert "/cancel" not in text
    answer = await client.post(f"{path}/fewer", data={"seats": "1"})
    assert answer.status_code == 409
    assert "Die Frist, das selbst zu ändern, ist vorbei." in answer.text
    assert "sagen Sie bitte dem Veranstalter Bescheid" in answer.text


async def test_who_waits_can_say_that_they_still_do(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    path = await lines.waiting()
    done = await client.post(f"{path}/interest")
    assert (done.status_code, done.headers["location"]) == (303, path)
    said = await _own(client, path)
    assert "zuletzt am Dienstag, 6. Oktober 2026, 12:00 Uhr gesagt." in said
    assert "Sie stehen an 1.\u00a0Stelle" in said
    confirmed = await lines.joins("kompost")
    answer = await client.post(f"{confirmed}/interest")
    assert answer.status_code == 409
    assert "Sie stehen nicht mehr auf der Warteliste." in answer.text


async def test_leaving_one_line_leaves_the_others(client: httpx.AsyncClient, lines: Lines) -> None:
    path = await lines.several()
    assert "Auch auf die anderen Termine warten" in (await client.get(f"{path}/cancel")).text
    await client.post(f"{path}/cancel")
    assert "Sie haben die Warteliste verlassen." in await _own(client, path)


async def test_places_after_the_lines_end_are_everybodys(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    path = await lines.line_over()
    assert "steht allen" not in await _own(client, path)
    await lines.does(lines.first("lesekreis"), "cancel")
    text = await _own(client, path)
    assert 'steht allen auf der <a href="/events/lesekreis">Seite der Veranstaltung</a>' in text
    assert "Die Warteliste ist geschlossen." in text


async def test_an_open_page_learns_whether_it_has_changed(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    path = await lines.waiting()
    first = await client.get(path)
    known = {"if-none-match": first.headers["etag"]}
    same = await client.get(path, headers=known)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["cache-control"] == "no-store"
    assert (await client.get(path, headers={**known, "accept-language": "en"})).status_code == 200
    await client.post(f"{path}/interest")
    changed = await client.get(path, headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
