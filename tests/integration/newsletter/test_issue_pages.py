"""The operators' pages, asked as a browser asks."""

import re
from html import unescape
from typing import Any

import httpx
import pytest

from tests.integration.newsletter.newsroom import ISSUES, PIXEL, WORDS, Newsroom
from tests.support.desks import text_of

pytestmark = pytest.mark.stack
HOME = "/admin/newsletter"


def at(issue: dict[str, Any]) -> str:
    return f"{HOME}/issues/{issue['id']}"


async def save(room: Newsroom, issue: dict[str, Any], version: int, **more: str) -> httpx.Response:
    form = {f"de_{name}": text for name, text in WORDS.items()}
    form["de_source"] = form["de_source"].replace("\n", "\r\n")
    return await room.edda.post(
        f"{at(issue)}/words", data={"version": str(version), **form, **more}
    )


async def test_nobody_sees_anything_before_signing_in(room: Newsroom) -> None:
    issue = await room.draft()
    for path in (HOME, at(issue), f"{at(issue)}/preview", f"{at(issue)}/mail.html?locale=de"):
        answer = await room.reader.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/admin/login?next=%2Fadmin%2Fnewsletter")


async def test_a_viewer_looks_and_does_not_write(room: Newsroom) -> None:
    issue = await room.draft()
    page = await room.vera.get(at(issue))
    assert page.headers["cache-control"] == "no-store"
    assert "Speichern" not in page.text
    assert 'action="' not in page.text.replace('action="/admin/logout"', "").replace(
        f'action="{at(issue)}/words"', ""
    )
    for path in ("issues", f"issues/{issue['id']}/words", f"issues/{issue['id']}/plan"):
        assert (await room.vera.post(f"{HOME}/{path}")).status_code == 403


async def test_forms_of_other_sites_do_nothing(room: Newsroom) -> None:
    issue = await room.draft()
    other = {"origin": "https://other.example"}
    for path in ("delete", "plan", "words", "trial"):
        answer = await room.edda.post(f"{at(issue)}/{path}", headers=other)
        assert answer.status_code == 403
    assert (await room.read(issue))["version"] == 1


async def test_from_nothing_to_a_planned_issue(room: Newsroom) -> None:
    assert "Gerade wird keine Ausgabe geschrieben." in text_of((await room.edda.get(HOME)).text)
    made = await room.edda.post(f"{HOME}/issues")
    assert made.status_code == 303
    issue = {"id": made.headers["location"].rsplit("/", 1)[1]}
    page = await room.edda.get(at(issue))
    assert "nach jetzigem Plan wird er Ausgabe 1/2027" in text_of(page.text)
    assert "Noch ist nichts geschrieben." in text_of(page.text)
    # The date of the plan stands there already.
    assert 'value="2027-03-02"' in page.text
    assert 'value="10:00"' in page.text
    saved = await save(room, issue, 1)
    assert saved.headers["location"] == f"{at(issue)}?done=words"
    assert (await room.read(issue))["words"]["de"] == WORDS
    picture = await room.edda.post(
        f"{at(issue)}/pictures", files={"file": ("Garten.JPG", PIXEL, "image/png")}
    )
    assert picture.headers["location"] == f"{at(issue)}?done=picture"
    planned = await room.edda.post(
        f"{at(issue)}/plan", data={"version": "2", "day": "2027-03-02", "time": "10:00"}
    )
    assert planned.headers["location"] == f"{at(issue)}?done=plan"
    assert (await room.read(issue))["planned_at"] == "2027-03-02T09:00:00Z"
    said = text_of((await room.edda.get(planned.headers["location"])).text)
    assert "Ausgabe 1/2027 geht hinaus: Dienstag, 2. März 2027, 10:00 Uhr." in said
    assert "1/2027: Frühling im Hof geplant" in text_of((await room.edda.get(HOME)).text)


async def test_what_was_typed_is_kept_where_somebody_was_faster(room: Newsroom) -> None:
    issue = await room.draft()
    await save(room, issue, 1, de_title="Zuerst")
    answer = await save(room, issue, 1, de_title="Zuletzt")
    assert answer.status_code == 409
    assert "Jemand anderes hat diese Ausgabe inzwischen geändert." in text_of(answer.text)
    assert 'value="Zuletzt"' in answer.text
    assert 'name="version" value="2"' in answer.text
    assert (await room.read(issue))["words"]["de"]["title"] == "Zuerst"
    assert (await save(room, issue, 2, de_title="Zuletzt")).status_code == 303


async def test_what_cannot_be_kept_is_told_and_kept_typed(room: Newsroom) -> None:
    issue = await room.draft()
    answer = await save(room, issue, 1, de_title="x" * 201)
    assert answer.status_code == 422
    assert "Dieser Text ist zu lang." in text_of(answer.text)
    assert "x" * 201 in answer.text
    assert "::: lead" in answer.text


async def test_errors_are_told_when_it_is_to_be_planned(room: Newsroom) -> None:
    issue = await room.draft(de={**WORDS, "source": "::: lead\nNicht zu"})
    answer = await room.edda.post(f"{at(issue)}/plan", data={"version": "1", "when": "now"})
    assert answer.status_code == 422
    said = text_of(answer.text)
    assert "So kann diese Ausgabe nicht hinausgehen." in said
    assert "Der Block „lead“ ist nicht geschlossen." in said
    assert "(Deutsch, Zeile 1)" in said


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"day": "", "time": "10:00"}, "Geben Sie bitte Tag und Uhrzeit an."),
        ({"day": "2027-01-01", "time": "10:00"}, "Dieser Zeitpunkt ist vorbei."),
        ({"day": "2027-03-28", "time": "02:30"}, "die Uhren vorgestellt"),
        ({"day": "9999-12-31", "time": "23:59"}, "Geben Sie bitte Tag und Uhrzeit an."),
    ],
)
async def test_dates_that_do_not_work(room: Newsroom, form: dict[str, str], said: str) -> None:
    issue = await room.draft()
    answer = await room.edda.post(f"{at(issue)}/plan", data={"version": "1", **form})
    assert answer.status_code == 422
    assert said in text_of(answer.text)


async def test_a_second_issue_is_ticked(room: Newsroom) -> None:
    await room.plan(await room.draft())
    issue = await room.draft()
    form = {"version": "1", "day": "2027-02-20", "time": "10:00"}
    answer = await room.edda.post(f"{at(issue)}/plan", data=form)
    assert answer.status_code == 409
    assert "Dieses Quartal hat seine Ausgabe schon." in text_of(answer.text)
    assert 'value="2027-02-20"' in answer.text
    answer = await room.edda.post(f"{at(issue)}/plan", data={**form, "second": "yes"})
    assert answer.status_code == 303


async def test_the_date_of_a_quarter(room: Newsroom) -> None:
    form = {"day": "2027-06-08", "time": "09:30"}
    answer = await room.edda.post(f"{HOME}/plan/2027/2", data=form)
    assert answer.headers["location"] == f"{HOME}?year=2027&done=date"
    assert "8. Juni 2027, 9:30" in text_of((await room.vera.get(HOME)).text)
    answer = await room.edda.post(f"{HOME}/plan/2027/2", data={**form, "day": "2027-07-01"})
    assert answer.status_code == 422
    assert "Dieser Tag liegt in einem anderen Quartal." in text_of(answer.text)


async def test_previews_are_framed_and_cannot_act(room: Newsroom) -> None:
    issue = await room.draft()
    page = await room.vera.get(f"{at(issue)}/preview")
    assert page.headers["content-security-policy"].endswith("; frame-src 'self'")
    frames = [unescape(found) for found in re.findall(r'<iframe[^>]* src="([^"]*)"', page.text)]
    assert len(frames) == 3
    for path in frames:
        mail = await room.vera.get(path)
        policy = mail.headers["content-security-policy"]
        assert policy == (
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; "
            "frame-ancestors 'self'"
        )
        assert mail.headers["x-frame-options"] == "SAMEORIGIN"
        assert "link.invalid" not in mail.text
    light, dark = (await room.vera.get(frames[1])).text, (await room.vera.get(frames[2])).text
    assert "@media not all" in light
    assert "@media all" in dark
    web = await room.vera.get(f"{at(issue)}/preview?show=web&locale=de")
    (first, _) = re.findall(r'<iframe[^>]* src="([^"]*)"', web.text)
    assert "Ein Garten für alle" in (await room.vera.get(first)).text
    text = await room.vera.get(f"{at(issue)}/preview?show=text")
    assert "Obstbäume schneiden" in text_of(text.text)


async def test_an_empty_preview(room: Newsroom) -> None:
    made = (await room.edda.post(ISSUES, json={})).json()
    page = await room.vera.get(f"{at(made)}/preview")
    assert "Noch ist nichts geschrieben." in text_of(page.text)
    assert (await room.vera.get(f"{at(made)}/mail.html?locale=de")).status_code == 404


async def test_checks_ask_the_links(room: Newsroom) -> None:
    issue = await room.draft()
    room.outside.answers["https://www.example.com/garten"] = "private"
    said = text_of((await room.vera.get(f"{at(issue)}/checks")).text)
    assert "Ein Fehler hält diese Ausgabe zurück." in said
    assert "führt in ein Netz" in said
    assert "https://www.example.com/garten" in room.outside.asked


async def test_a_sent_issue_with_its_counts(room: Newsroom) -> None:
    await room.subscribe("ada@example.org", "bea@example.org")
    issue = await room.sent()
    page = await room.edda.get(at(issue))
    said = text_of(page.text)
    assert "1/2027: Frühling im Hof" in said
    assert "0 von 2 sind gesendet" in said
    answer = await room.edda.post(f"{at(issue)}/stop")
    said = text_of((await room.edda.get(answer.headers["location"])).text)
    assert "Der Versand ist angehalten: 0 von 2 sind gesendet." in said
    await room.edda.post(f"{at(issue)}/resume")
    await room.run(
        "UPDATE delivery SET status = 'failed', smtp_code = 550, error = 'no such user', "
        "settled_at = now() WHERE n = 1"
    )
    page = await room.edda.get(f"{at(issue)}/unreached")
    assert "550 no such user" in text_of(page.text)
    export = await room.edda.get(f"{at(issue)}/unreached.csv")
    assert "no such user" in export.text
    assert "Versand an 2 Adressen begonnen." in text_of((await room.vera.get(at(issue))).text)


async def test_deleted_and_brought_back(room: Newsroom) -> None:
    issue = await room.draft()
    answer = await room.edda.post(f"{at(issue)}/delete")
    page = await room.edda.get(answer.headers["location"])
    assert "Gelöschte Entwürfe" in text_of(page.text)
    assert (await room.edda.get(at(issue))).status_code == 404
    answer = await room.edda.post(f"{at(issue)}/restore")
    assert "Der Entwurf ist wieder da." in text_of(
        (await room.edda.get(answer.headers["location"])).text
    )


@pytest.mark.parametrize("order", ["words", "plan", "pictures", "stop", "pictures/a.png/delete"])
async def test_the_address_of_a_form_leads_back(room: Newsroom, order: str) -> None:
    issue = await room.draft()
    answer = await room.edda.get(f"{at(issue)}/{order}")
    assert (answer.status_code, answer.headers["location"]) == (303, at(issue))


async def test_every_page_in_english(room: Newsroom) -> None:
    await room.subscribe("ada@example.org")
    sent, issue = await room.sent(), await room.draft()
    paths = (HOME, at(issue), at(sent), f"{at(sent)}/unreached", f"{at(issue)}/preview")
    for path in (*paths, f"{at(issue)}/checks"):
        page = await room.edda.get(path, headers={"accept-language": "en"})
        assert page.status_code == 200
        assert page.headers["content-language"] == "en"
