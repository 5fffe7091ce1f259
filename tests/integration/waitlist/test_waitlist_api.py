"""The operators' API over a real database, asked over HTTP without a socket."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import service
from services.waitlist.domain.facts import (
    Described,
    Fact,
    Freed,
    Joined,
    Left,
    LineRules,
    Offered,
    Prioritised,
)
from services.waitlist.domain.line import PRIORITY_STEP

JOINED = datetime(2026, 3, 1, 11, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def parties(db: Database) -> list[UUID]:
    """Five in line of the event `kurs-<last party>`; the first moves up and the second leaves."""
    found = [uuid7() for _ in range(5)]
    told = [Joined(JOINED, party, seq, 1 + seq % 2) for seq, party in enumerate(found, 1)]
    facts: list[Fact] = [
        Described(NOW, f"kurs-{found[4]}", "Kurs", open=True),
        *told,
        Freed(NOW, 2),
        Left(NOW, found[1]),
    ]
    async with db.transaction() as conn:
        await service.take(conn, {uuid7(): facts}, NOW)
    return found


def line_at(parties: list[UUID]) -> str:
    return f"/api/v1/admin/waitlist/kurs-{parties[4]}"


async def test_a_line_from_its_head(http: httpx.AsyncClient, parties: list[UUID]) -> None:
    answer = await http.get(line_at(parties))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {key: body[key] for key in ("title", "status", "free", "waiting", "length")} == {
        "title": "Kurs",
        "status": "published",
        "free": 0,
        "waiting": 5,
        "length": 3,
    }
    assert [(one["place"], one["registration_id"], one["seats"]) for one in body["entries"]] == [
        (1, str(parties[2]), 2),
        (2, str(parties[3]), 1),
        (3, str(parties[4]), 2),
    ]
    assert body["entries"][0]["joined_at"] == "2026-03-01T11:00:00Z"
    assert body["next_after"] is None


async def test_a_line_in_parts(http: httpx.AsyncClient, parties: list[UUID]) -> None:
    places: list[int] = []
    after: dict[str, int] = {}
    parts = 0
    while True:
        page = (await http.get(line_at(parties), params={"limit": 2, **after})).json()
        places += [one["place"] for one in page["entries"]]
        parts += 1
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert (places, parts) == ([1, 2, 3], 2)


async def test_a_line_in_parts_with_somebody_of_priority(
    http: httpx.AsyncClient, db: Database, parties: list[UUID]
) -> None:
    async with db.transaction() as conn:
        line = await service.line_of(conn, f"kurs-{parties[4]}")
        order = Prioritised(NOW, parties[4], 1, "Ada", "a speaker")
        await service.take(conn, {line.event_id: [order]}, NOW)
    page = (await http.get(line_at(parties), params={"limit": 1})).json()
    first = page["entries"][0]
    assert (first["registration_id"], first["priority"]) == (str(parties[4]), 1)
    assert first["rank"] == page["next_after"] == 5 - PRIORITY_STEP
    rest = (await http.get(line_at(parties), params={"after": first["rank"]})).json()
    assert [(one["place"], one["seq"]) for one in rest["entries"]] == [(2, 3), (3, 4)]


async def test_a_line_tells_its_rules_and_whom_it_has_called_up(
    http: httpx.AsyncClient, db: Database, parties: list[UUID]
) -> None:
    before = (await http.get(line_at(parties))).json()
    assert before["rules"] == {
        "promotion": "automatic",
        "policy": "strict",
        "passes": 3,
        "ends_at": None,
    }
    assert (before["paused"], before["over"]) == (False, False)
    assert [(one["state"], one["place"]) for one in before["called_up"]] == [("promoted", None)]

    async with db.transaction() as conn:
        line = await service.line_of(conn, f"kurs-{parties[4]}")
        rules = LineRules("offer", "fill", 2, NOW)
        facts: list[Fact] = [
            Described(NOW, f"kurs-{parties[4]}", "Kurs", open=True, rules=rules),
            Offered(NOW, parties[0], 2, NOW),
        ]
        await service.take(conn, {line.event_id: facts}, NOW)
    page = (await http.get(line_at(parties))).json()
    assert page["rules"]["ends_at"] == "2026-03-01T12:00:00Z"
    assert page["over"] is True
    [called_up] = page["called_up"]
    assert (called_up["state"], called_up["until"]) == ("offered", "2026-03-01T12:00:00Z")


async def test_a_ledger_newest_first_and_in_parts(
    http: httpx.AsyncClient, parties: list[UUID]
) -> None:
    kinds: list[str] = []
    before: dict[str, int] = {}
    while True:
        page = (await http.get(f"{line_at(parties)}/ledger", params={"limit": 3, **before})).json()
        kinds += [record["kind"] for record in page["records"]]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert kinds == ["left", "promoted", "freed", *["joined"] * 5]


async def test_the_ledger_of_one_registration(http: httpx.AsyncClient, parties: list[UUID]) -> None:
    page = await http.get(f"{line_at(parties)}/ledger", params={"registration_id": str(parties[0])})
    promoted, joined = page.json()["records"]
    assert joined["kind"] == "joined"
    del promoted["id"]
    assert promoted == {
        "at": "2026-03-01T12:00:00Z",
        "kind": "promoted",
        "seats": 2,
        "registration_id": str(parties[0]),
        "reason": "first_in_line",
        "actor": "line",
        "number": None,
        "by": None,
        "why": None,
    }


@pytest.mark.parametrize("path", ["nothing-of-this-name", "nothing-of-this-name/ledger"])
async def test_an_unknown_event_is_a_problem(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/api/v1/admin/waitlist/{path}")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (404, "unknown_event")


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 501}, {"after": -(2**63) - 1}, {"after": 2**63}, {"after": "x"}],
)
async def test_a_bad_query_is_a_problem(
    http: httpx.AsyncClient, parties: list[UUID], query: dict[str, Any]
) -> None:
    answer = await http.get(line_at(parties), params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/{next(iter(query))}"


@pytest.mark.parametrize("header", ["Bearer somebody's", ""])
async def test_without_an_operator_s_token_there_is_no_answer(
    http: httpx.AsyncClient, parties: list[UUID], header: str
) -> None:
    for path in (line_at(parties), f"{line_at(parties)}/ledger"):
        answer = await http.get(path, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"
