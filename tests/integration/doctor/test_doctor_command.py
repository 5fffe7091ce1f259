"""`einlass doctor` as an operator runs it, beside the real stack."""

import asyncio
import json
import os
import sysconfig
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa

from deploy.local import Stack
from services.kit.db import Database
from tests.support import events
from tests.support.people import cancel, sign_up
from tests.support.waiting import until

EINLASS = str(Path(sysconfig.get_path("scripts")) / "einlass")


async def doctor(stack: Stack, *arguments: str, **more: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    process = await asyncio.create_subprocess_exec(
        EINLASS,
        "doctor",
        *arguments,
        env={**given, **stack.environment(), **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def _booked_up(admin: httpx.AsyncClient, public: httpx.AsyncClient) -> tuple[str, list[Any]]:
    event = events.event()
    (await admin.post("/events", json=event)).raise_for_status()
    domain = events.domain()
    people = [await sign_up(public, event["slug"], number, domain) for number in range(5)]
    return event["slug"], people


async def test_it_examines_one_event_and_answers_about_a_person(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    slug, people = await _booked_up(admin, public)
    await cancel(public, people[0])

    async def look() -> tuple[int, str]:
        return await doctor(stack, "--event", slug)

    _, shown = await until(look, lambda seen: seen[0] == 0)
    assert f"{slug}, published, light red" in shown
    assert "3 in all, 3 confirmed, 0 held, 0 free; 1 waited for by 1 party" in shown
    assert "ok          every held seat is known to the line" in shown

    code, answer = await doctor(stack, "--person", people[3].answer["id"])
    assert code == 0
    assert " as the first in line and was given 1 seat." in answer
    assert "promoted, 1 seat, first in line (by line)" in answer
    code, answer = await doctor(stack, "--person", people[4].answer["id"])
    assert "It is first in line and no seat is free; the next to be freed comes to it." in answer
    assert "While it waited, 1 seat was freed; 1 party moved up with 1 seat." in answer
    assert "@" not in answer
    assert "Gast" not in answer


async def test_json_and_exit_code_tell_of_broken_counters_and_repair_mends_them(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    slug, _ = await _booked_up(admin, public)
    db = Database(stack.environment()["EINLASS_REGISTRATION_DATABASE_URL"], name="tests", pool=1)
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                "UPDATE seats SET waiting = 9 WHERE event_id = (SELECT id FROM event "
                "WHERE slug = :slug)"
            ),
            {"slug": slug},
        )
    await db.close()
    code, shown = await doctor(stack, "--event", slug, "--json")
    assert code == 1
    found = json.loads(shown)
    assert found["healthy"] is False
    assert found["checks"]["counters"] == "wrong"
    assert "waiting says 9, the registrations say 2" in found["findings"][0]["words"]
    code, shown = await doctor(stack, "--event", slug, "--repair")
    assert code == 0, shown
    assert f"mended      {slug}: seats: waiting 9 -> 2" in shown


async def test_settings_that_are_missing_are_named_and_no_value_is_shown(stack: Stack) -> None:
    code, shown = await doctor(stack, EINLASS_SECRET_KEY="kurz", EINLASS_REDIS_URL="")
    assert code == 1
    assert "EINLASS_SECRET_KEY" in shown
    assert "EINLASS_REDIS_URL" in shown
    assert "kurz" not in shown
    assert "cannot tell" in shown


async def test_another_secret_key_is_noticed(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    await _booked_up(admin, public)
    code, shown = await doctor(stack, EINLASS_SECRET_KEY="A" * 43 + "=")
    assert code == 1
    assert "EINLASS_SECRET_KEY does not open what was sealed" in shown


async def test_nobody_is_found_by_an_id_that_there_is_not(stack: Stack) -> None:
    stranger = str(uuid4())
    code, shown = await doctor(stack, "--person", stranger)
    assert (code, shown) == (2, f"There is no registration {stranger}.\n")
    code, shown = await doctor(stack, "--event", "gibt-es-nicht")
    assert (code, shown) == (2, "There is no event gibt-es-nicht.\n")


async def test_it_keeps_watch_and_shows_what_it_finds_to_prometheus(stack: Stack) -> None:
    port = stack.ports.gateway + 30
    stack.spawn(
        "doctor-watch",
        ["einlass", "doctor", "--watch", "1", "--patience", "2", "--port", str(port)],
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )

    async def metrics() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/metrics")).text

    shown = await until(metrics, lambda text: 'einlass_audit_findings{check="held"}' in text)
    assert 'einlass_audit_dead_letters{service="waitlist"}' in shown
    assert 'einlass_audit_lag_messages{consumer="einlass.registration"}' in shown
    assert 'einlass_audit_outbox_seconds{service="registration"}' in shown
    assert "einlass_audit_finished_timestamp_seconds 1" in shown
