"""Writing and planning issues, over HTTP against the real database."""

import json
from datetime import timedelta

import pytest

from services.notifications.metadata import metadata
from tests.integration.newsletter.newsroom import ISSUES, NOW, PIXEL, WORDS, Newsroom
from tests.support.databases import shapes

pytestmark = pytest.mark.stack


async def test_the_migrated_tables_are_those_of_the_models(room: Newsroom) -> None:
    migrated, modelled = await shapes(room.db, metadata)
    ours = {row for row in migrated ^ modelled if str(row[1]).startswith("issue")}
    assert ours == set()


async def test_only_operators_and_only_editors_write(room: Newsroom) -> None:
    assert (await room.reader.get(ISSUES)).status_code == 401
    assert (await room.vera.get(ISSUES)).json() == []
    answer = await room.vera.post(ISSUES, json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_an_issue_is_written_in_parts(room: Newsroom) -> None:
    made = (await room.edda.post(ISSUES, json={})).json()
    assert (made["status"], made["version"], made["number"]) == ("draft", 1, None)
    path = f"{ISSUES}/{made['id']}"
    await room.edda.patch(path, json={"version": 1, "words": {"de": WORDS}})
    answer = await room.edda.patch(
        path, json={"version": 2, "words": {"en": {**WORDS, "title": "Spring"}}}
    )
    issue = answer.json()
    assert issue["version"] == 3
    assert {locale: words["title"] for locale, words in issue["words"].items()} == {
        "de": "Frühling im Hof",
        "en": "Spring",
    }
    assert await room.log(issue) == ["created", "written", "written"]
    assert answer.headers["cache-control"] == "no-store"


async def test_of_two_who_change_the_same_the_second_is_told(room: Newsroom) -> None:
    issue = await room.draft()
    path = f"{ISSUES}/{issue['id']}"
    body = {"version": 1, "words": {"de": {**WORDS, "title": "Eins"}}}
    assert (await room.edda.patch(path, json=body)).status_code == 200
    answer = await room.edda.patch(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_meanwhile")
    assert answer.json()["version"] == 2


@pytest.mark.parametrize("bad", ["a\x00", "a\x0b", "a\ud800", "a\nb", "x" * 201])
async def test_what_cannot_be_kept_is_refused(room: Newsroom, bad: str) -> None:
    issue = await room.draft()
    content = json.dumps({"version": 1, "words": {"de": {"title": bad}}})
    kind = {"content-type": "application/json"}
    answer = await room.edda.patch(f"{ISSUES}/{issue['id']}", content=content, headers=kind)
    assert answer.status_code in (400, 422)
    assert (await room.read(issue))["version"] == 1


async def test_a_draft_is_deleted_and_comes_back(room: Newsroom) -> None:
    issue = await room.draft()
    path = f"{ISSUES}/{issue['id']}"
    assert (await room.edda.delete(path)).status_code == 204
    assert (await room.edda.get(path)).json()["code"] == "unknown_issue"
    assert (await room.edda.get(ISSUES)).json() == []
    assert (await room.edda.post(f"{path}/restoration")).json()["words"] == issue["words"]
    assert (await room.log(issue))[-2:] == ["deleted", "restored"]


async def test_a_planned_issue_is_not_deleted(room: Newsroom) -> None:
    issue = await room.draft()
    (await room.plan(issue)).raise_for_status()
    answer = await room.edda.delete(f"{ISSUES}/{issue['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_a_draft")


async def test_errors_keep_an_issue_from_being_planned(room: Newsroom) -> None:
    issue = await room.draft(de={**WORDS, "subject": ""})
    room.outside.answers["https://www.example.com/garten"] = "gone"
    answer = await room.plan(issue)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_ready")
    assert {(f["code"], f["line"]) for f in answer.json()["findings"]} == {
        ("subject_missing", None),
        ("link_gone", 10),
    }
    checked = (await room.vera.get(f"{ISSUES}/{issue['id']}/checks")).json()
    assert checked["ready"] is False
    assert {f["code"] for f in checked["findings"]} == {
        "subject_missing",
        "link_gone",
        "language_missing",
    }
    assert (await room.read(issue))["status"] == "draft"


async def test_warnings_do_not(room: Newsroom) -> None:
    issue = await room.draft(de={**WORDS, "preview": ""})
    room.outside.answers["https://www.example.com/garten"] = "unsure"
    room.outside.events = ()
    planned = (await room.plan(issue)).raise_for_status().json()
    assert (planned["status"], planned["second"]) == ("planned", False)


async def test_an_issue_is_postponed_and_taken_back(room: Newsroom) -> None:
    issue = await room.draft()
    issue = (await room.plan(issue)).json()
    later = (NOW + timedelta(days=9)).isoformat()
    issue = (await room.plan(issue, at=later)).raise_for_status().json()
    assert issue["planned_at"].startswith("2027-02-10T09:00:00")
    path = f"{ISSUES}/{issue['id']}/plan"
    issue = (await room.edda.delete(path)).json()
    assert (issue["status"], issue["planned_at"]) == ("draft", None)
    assert (await room.edda.delete(path)).json()["code"] == "not_planned"
    assert (await room.log(issue))[-3:] == ["planned", "postponed", "unplanned"]


async def test_a_past_moment_is_refused(room: Newsroom) -> None:
    answer = await room.plan(await room.draft(), at=(NOW - timedelta(hours=1)).isoformat())
    assert answer.json()["errors"][0]["code"] == "past"


async def test_a_second_issue_in_a_quarter_has_to_be_meant(room: Newsroom) -> None:
    first, second = await room.draft(), await room.draft()
    (await room.plan(first)).raise_for_status()
    answer = await room.plan(second)
    assert (answer.status_code, answer.json()["code"]) == (409, "quarter_taken")
    assert answer.json()["issue"] == first["id"]
    assert (await room.plan(second, second=True)).json()["second"] is True
    # In the next quarter, by the clock of the place, nobody has to say so.
    third = await room.draft()
    assert (await room.plan(third, at="2027-03-31T21:59:00Z")).status_code == 409
    assert (await room.plan(third, at="2027-03-31T22:00:00Z")).json()["second"] is False


async def test_the_preview_has_the_number_by_the_present_plan(room: Newsroom) -> None:
    first, second = await room.draft(), await room.draft()
    (await room.plan(first)).raise_for_status()
    answer = await room.plan(second, at="2027-05-01T08:00:00Z")
    answer.raise_for_status()
    for issue, number in ((first, 1), (second, 2)):
        seen = (await room.vera.get(f"{ISSUES}/{issue['id']}/preview")).json()
        assert seen["number"] == {"year": 2027, "number": number}
        assert f"mitarbeiten {number}/2027" in seen["html"]
        assert "Obstbäume schneiden" in seen["text"]


async def test_the_plan_of_a_year(room: Newsroom) -> None:
    path = "/api/v1/admin/newsletter/plan/2027"
    plan = (await room.vera.get(path)).json()
    assert [(row["day"], row["usual"]) for row in plan] == [
        ("2027-03-02", True),
        ("2027-06-01", True),
        ("2027-09-07", True),
        ("2027-12-07", True),
    ]
    assert plan[0]["at"] == "2027-03-02T09:00:00Z"
    assert plan[1]["at"] == "2027-06-01T08:00:00Z"
    put = await room.edda.put(f"{path}/2", json={"day": "2027-05-04", "time": "08:30"})
    assert put.json()["at"] == "2027-05-04T06:30:00Z"
    wrong = await room.edda.put(f"{path}/2", json={"day": "2027-07-01", "time": "08:30"})
    assert wrong.json()["errors"][0]["code"] == "other_quarter"
    left_out = await room.edda.put(f"{path}/1", json={"day": "2027-03-28", "time": "02:30"})
    assert left_out.json()["errors"][0]["code"] == "left_out"
    assert (await room.vera.get(path)).json()[1]["day"] == "2027-05-04"


async def test_pictures(room: Newsroom) -> None:
    issue = await room.draft()
    path = f"{ISSUES}/{issue['id']}/pictures"
    (picture,) = (await room.vera.get(path)).json()
    assert (picture["name"], picture["width"], picture["media_type"]) == (
        "garten.jpg",
        1,
        "image/png",
    )
    shown = await room.reader.get(picture["url"])
    assert shown.content == PIXEL
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert shown.headers["cross-origin-resource-policy"] == "cross-origin"
    again = await room.reader.get(picture["url"], headers={"if-none-match": shown.headers["etag"]})
    assert again.status_code == 304
    refused = await room.edda.put(f"{path}/x.png", content=b"<svg/>")
    assert (refused.status_code, refused.json()["code"]) == (422, "picture_refused")
    assert (await room.edda.put(f"{path}/a%2Fb.png", content=PIXEL)).status_code == 404
    assert (await room.edda.delete(f"{path}/garten.jpg")).status_code == 204
    assert (await room.edda.delete(f"{path}/garten.jpg")).json()["code"] == "unknown_picture"
    assert (await room.reader.get(picture["url"])).status_code == 404
    assert (await room.reader.get("/newsletter/pictures/..%2f.png")).status_code == 404
