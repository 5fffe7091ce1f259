"""Operators' orders over HTTP: what they do, what they are refused for, what is written down."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from services.contracts import waitlist
from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import service
from services.waitlist.domain.facts import Described, Fact, Freed, Joined, LineRules
from services.waitlist.domain.line import PRIORITY_STEP

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHY = {"reason": "Because of the fire brigade"}


class Course:
    """An event in whose line three stand, for 3, 1 and 2 seats."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.event_id = uuid7()
        self.slug = f"kurs-{self.event_id}"
        self.parties = [uuid7() for _ in range(3)]

    async def told(self, *facts: Fact) -> None:
        async with self.db.transaction() as conn:
            await service.take(conn, {self.event_id: facts}, NOW)

    async def described(self, *, open: bool = True, **rules: Any) -> None:
        told = LineRules(**rules)
        await self.told(Described(NOW, self.slug, "Kurs", open=open, rules=told))

    def at(self, path: str = "", number: int | None = None) -> str:
        """The address of the line, or of the entry of this number, and below it `path`."""
        entry = f"/entries/{self.parties[number - 1]}" if number else ""
        return f"/api/v1/admin/waitlist/{self.slug}{entry}{path}"

    async def said(self) -> list[tuple[str, int, int]]:
        """The wishes: kind, seats or rank, and whose."""
        async with self.db.read() as conn:
            payloads = await conn.execute(
                sa.text("SELECT payload FROM outbox WHERE key = :key ORDER BY id"),
                {"key": self.event_id.bytes},
            )
            messages = [waitlist.ADAPTER.validate_json(one) for one in payloads.scalars()]
        found: list[tuple[str, int, int]] = []
        for one in messages:
            if isinstance(one, waitlist.SeatsReleased):
                found.append((one.type, one.data.seats, 0))
                continue
            who = self.parties.index(one.data.registration_id) + 1
            much = one.data.seats if isinstance(one, waitlist.Promoted) else one.data.rank
            found.append((one.type, much, who))
        return found


@pytest_asyncio.fixture
async def course(db: Database) -> Course:
    made = Course(db)
    await made.described()
    sizes = (3, 1, 2)
    await made.told(
        *(Joined(NOW, party, n, sizes[n - 1]) for n, party in enumerate(made.parties, 1))
    )
    return made


async def newest(http: httpx.AsyncClient, course: Course) -> dict[str, Any]:
    """The newest row of the ledger."""
    page = await http.get(course.at("/ledger"), params={"limit": 1})
    found: dict[str, Any] = page.json()["records"][0]
    return found


async def test_a_paused_line_holds_its_seats_until_it_goes_on(
    editor: httpx.AsyncClient, course: Course
) -> None:
    answer = await editor.post(course.at("/pause"), json=WHY)
    assert (answer.status_code, answer.json()["paused"]) == (200, True)
    assert answer.headers["cache-control"] == "no-store"
    record = await newest(editor, course)
    assert (record["kind"], record["actor"], record["by"]) == ("paused", "operator", "eda")
    assert (record["why"], record["at"]) == ("Because of the fire brigade", "2026-03-01T12:00:00Z")

    await course.told(Freed(NOW, 4))
    assert await course.said() == []
    answer = await editor.post(course.at("/resume"), json={"reason": " They have gone. "})
    assert (answer.json()["paused"], answer.json()["free"]) == (False, 0)
    assert await course.said() == [("waitlist.promoted", 3, 1), ("waitlist.promoted", 1, 2)]
    page = (await editor.get(course.at("/ledger"))).json()["records"]
    assert [(one["kind"], one["why"]) for one in page[:3]] == [
        ("promoted", None),
        ("promoted", None),
        ("resumed", "They have gone."),
    ]


async def test_a_priority_changes_the_order_and_registration_hears_of_it(
    editor: httpx.AsyncClient, course: Course
) -> None:
    answer = await editor.put(course.at("/priority", 3), json={"priority": 1, **WHY})
    assert answer.status_code == 200
    assert (answer.json()["entry"]["place"], answer.json()["entry"]["priority"]) == (1, 1)
    assert await course.said() == [("waitlist.place_moved", 3 - PRIORITY_STEP, 3)]
    record = await newest(editor, course)
    assert (record["kind"], record["number"], record["by"]) == ("priority", 1, "eda")
    assert record["registration_id"] == str(course.parties[2])
    await course.told(Freed(NOW, 2))
    assert (await course.said())[1:] == [("waitlist.promoted", 2, 3)]


async def test_by_hand_whoever_fits_moves_up_at_once(
    editor: httpx.AsyncClient, course: Course
) -> None:
    await course.told(Freed(NOW, 2))
    answer = await editor.post(course.at("/promotion", 3), json=WHY)
    assert answer.status_code == 200
    assert answer.json()["entry"]["state"] == "promoted"
    assert answer.json()["because"] == (
        "It was promoted on 1 March 2026, 12:00 UTC by hand by eda (Because of the fire brigade); "
        "registration has not answered yet."
    )
    assert await course.said() == [("waitlist.promoted", 2, 3)]


async def test_by_hand_whoever_does_not_fit_is_the_next(
    editor: httpx.AsyncClient, course: Course
) -> None:
    await course.told(Freed(NOW, 1))
    answer = await editor.post(course.at("/promotion", 3), json=WHY)
    assert answer.json()["entry"]["place"] == 1
    await course.told(Freed(NOW, 1))
    assert await course.said() == [
        ("waitlist.place_moved", 3 - PRIORITY_STEP, 3),
        ("waitlist.promoted", 2, 3),
    ]


ORDERS = [
    ("POST", "/pause", None, WHY),
    ("POST", "/resume", None, WHY),
    ("POST", "/promotion", 2, WHY),
    ("PUT", "/priority", 2, {"priority": 1, **WHY}),
]


async def refused(
    http: httpx.AsyncClient, address: str, method: str, body: Any
) -> tuple[int, str, dict[str, Any]]:
    answer = await http.request(method, address, json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"], answer.json()


@pytest.mark.parametrize(("method", "path", "number", "body"), ORDERS)
async def test_who_may_only_look_orders_nothing(
    http: httpx.AsyncClient, course: Course, method: str, path: str, number: int | None, body: Any
) -> None:
    code = await refused(http, course.at(path, number), method, body)
    assert code[:2] == (403, "forbidden")
    assert await course.said() == []


@pytest.mark.parametrize(("method", "path", "number", "body"), ORDERS)
@pytest.mark.parametrize("reason", ["", "   ", "a\nb", "\x00", "x" * 501, None])
async def test_an_order_needs_a_reason(
    editor: httpx.AsyncClient,
    course: Course,
    method: str,
    path: str,
    number: int | None,
    body: Any,
    reason: Any,
) -> None:
    code = await refused(editor, course.at(path, number), method, {**body, "reason": reason})
    assert code[:2] == (422, "invalid")
    assert code[2]["errors"][0]["pointer"] == "#/reason"
    assert (await newest(editor, course))["kind"] == "joined"


@pytest.mark.parametrize("priority", [1001, -1001, "high", None])
async def test_a_priority_is_a_number_within_bounds(
    editor: httpx.AsyncClient, course: Course, priority: Any
) -> None:
    body = {"priority": priority, **WHY}
    code = await refused(editor, course.at("/priority", 1), "PUT", body)
    assert (code[1], code[2]["errors"][0]["pointer"]) == ("invalid", "#/priority")


@pytest.mark.parametrize(("method", "path", "number", "body"), ORDERS)
async def test_the_line_of_an_event_called_off_takes_no_orders(
    editor: httpx.AsyncClient, course: Course, method: str, path: str, number: int | None, body: Any
) -> None:
    await course.described(open=False)
    code = await refused(editor, course.at(path, number), method, body)
    assert code[:2] == (409, "line_closed")


async def test_what_is_so_already_is_refused(editor: httpx.AsyncClient, course: Course) -> None:
    code = await refused(editor, course.at("/resume"), "POST", WHY)
    assert code[:2] == (409, "not_paused")
    await editor.post(course.at("/pause"), json=WHY)
    code = await refused(editor, course.at("/pause"), "POST", WHY)
    assert code[:2] == (409, "already_paused")


@pytest.mark.parametrize(("method", "path", "number", "body"), ORDERS[2:])
async def test_only_who_waits_can_be_moved(
    editor: httpx.AsyncClient, course: Course, method: str, path: str, number: int, body: Any
) -> None:
    await course.told(Freed(NOW, 4))
    code = await refused(editor, course.at(path, number), method, body)
    assert (code[:2], code[2]["state"]) == ((409, "not_waiting"), "promoted")

    course.parties[1] = uuid7()
    code = await refused(editor, course.at(path, 2), method, body)
    assert code[:2] == (404, "unknown_entry")
    other = course.at(path, 3).replace(course.slug, "nothing-of-this-name")
    assert (await refused(editor, other, method, body))[:2] == (404, "unknown_event")


async def test_somebody_of_another_event_is_not_of_this_one(
    editor: httpx.AsyncClient, course: Course, db: Database
) -> None:
    other = Course(db)
    await other.described()
    other.parties = course.parties
    for path, method in (("/promotion", "POST"), ("/why", "GET")):
        answer = await editor.request(method, other.at(path, 1), json=WHY)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_entry")


async def test_after_its_end_nobody_is_promoted_by_hand(
    editor: httpx.AsyncClient, course: Course
) -> None:
    await course.described(ends_at=NOW - timedelta(minutes=1))
    code = await refused(editor, course.at("/promotion", 1), "POST", WHY)
    assert code[:2] == (409, "line_over")


async def test_of_two_operators_who_pause_at_once_one_is_told_that_it_is_paused(
    editor: httpx.AsyncClient, course: Course
) -> None:
    answers = await asyncio.gather(*(editor.post(course.at("/pause"), json=WHY) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]


async def test_why_somebody_waits(http: httpx.AsyncClient, course: Course) -> None:
    await course.told(Freed(NOW, 2))
    answer = (await http.get(course.at("/why", 1))).json()
    assert answer["because"] == (
        "2 seats are free, the party needs 3 and the policy is strict: what is free stays held "
        "for it."
    )
    assert (answer["waits_for"], answer["missing"], answer["before"]) == ("seats", 1, 0)
    assert answer["meanwhile"] == {
        "freed": 2,
        "promoted": 0,
        "parties": 0,
        "later": 0,
        "released": 0,
    }
    assert [one["kind"] for one in answer["records"]] == ["joined"]
    answer = (await http.get(course.at("/why", 3))).json()
    assert (answer["entry"]["place"], answer["before"], answer["seats_before"]) == (3, 2, 4)
    assert answer["waits_for"] == "turn"


async def test_why_somebody_was_passed_and_by_how_many(
    http: httpx.AsyncClient, course: Course
) -> None:
    await course.described(policy="fill")
    await course.told(Freed(NOW, 1), Freed(NOW, 2))
    answer = (await http.get(course.at("/why", 1))).json()
    assert answer["meanwhile"] == {
        "freed": 3,
        "promoted": 3,
        "parties": 2,
        "later": 2,
        "released": 0,
    }
    assert [(one["kind"], one["number"]) for one in answer["records"]] == [
        ("joined", None),
        ("skipped", 1),
        ("skipped", 2),
    ]
    answer = (await http.get(course.at("/why", 3))).json()
    assert answer["entry"]["place"] is None
    assert (answer["waits_for"], answer["before"]) == ("registration", 0)
    assert answer["meanwhile"]["parties"] == 1, "its own promotion is none of the others'"


async def test_why_a_paused_line_moves_nobody(editor: httpx.AsyncClient, course: Course) -> None:
    for path in ("/pause", "/resume", "/pause"):
        await editor.post(course.at(path), json={"reason": f"Because of {path}"})
    answer = (await editor.get(course.at("/why", 2))).json()
    assert answer["waits_for"] == "resume"
    assert answer["because"] == (
        "The line is paused since 1 March 2026, 12:00 UTC by eda, because: Because of /pause"
    )


async def test_why_of_nobody(http: httpx.AsyncClient, course: Course) -> None:
    address = course.at("/why", 1).replace(str(course.parties[0]), str(UUID(int=7)))
    answer = await http.get(address)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_entry")
