"""`einlass waitlist why EVENT PERSON`, as an operator types it."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from services import cli
from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import service
from services.waitlist.domain.facts import Described, Fact, Freed, Joined
from services.waitlist.settings import WaitlistSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_this_database(settings: WaitlistSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_settings", lambda _: settings)


@pytest_asyncio.fixture
async def told(db: Database) -> tuple[str, list[UUID]]:
    """A line of two for 1 and 3 seats, of whom the first moves up."""
    event_id, parties = uuid7(), [uuid7(), uuid7()]
    slug = f"kurs-{event_id}"
    facts: list[Fact] = [
        Described(NOW, slug, "Kurs", open=True),
        Joined(NOW, parties[0], 1, 1),
        Joined(NOW, parties[1], 2, 3),
        Freed(NOW, 3),
    ]
    async with db.transaction() as conn:
        await service.take(conn, {event_id: facts}, NOW)
    return slug, parties


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.main, ["waitlist", "why", *words])
    return result.exit_code, result.stdout, result.stderr


def test_the_answer_in_plain_words(told: tuple[str, list[UUID]]) -> None:
    slug, parties = told
    code, out, _ = run(slug, str(parties[1]))
    assert code == 0
    assert out.splitlines() == [
        f"Registration {parties[1]}: waiting, 3 seats, at place 1.",
        "2 seats are free, the party needs 3 and the policy is strict: what is free stays held "
        "for it.",
        "While it waited, 3 seats were freed; 1 party moved up with 1 seat.",
        "  1 March 2026, 12:00 UTC  joined, 3 seats (by registration)",
    ]


def test_the_same_for_a_program(told: tuple[str, list[UUID]]) -> None:
    slug, parties = told
    code, out, _ = run(slug, str(parties[0]), "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["waits_for"], answer["entry"]["state"]) == ("registration", "promoted")
    assert [one["kind"] for one in answer["records"]] == ["joined", "promoted"]


def test_of_nobody_and_of_no_event_there_is_no_answer(told: tuple[str, list[UUID]]) -> None:
    slug, parties = told
    code, out, err = run(slug, str(uuid7()))
    assert (code, out) == (2, "")
    assert err == "This registration never stood in the line of this event.\n"
    assert run("nothing-of-this-name", str(parties[0]))[::2] == (
        2,
        "There is no event of this name.\n",
    )


def test_without_a_database_it_says_so(
    settings: WaitlistSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://a:b@127.0.0.1:1/c"})
    monkeypatch.setattr(cli, "_settings", lambda _: nowhere)
    code, _, err = run("kurs", str(uuid7()))
    assert code == 1
    assert err.startswith("The database could not be asked (")
