"""Import and export: what a file brings, and that the suppression list wins over it."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from services.notifications.subscribers import command, orders
from services.notifications.subscribers.domain.errors import NotACsvFile
from services.notifications.subscribers.domain.model import Reason
from services.notifications.subscribers.repository import people
from tests.integration.subscribers.people import NOW, World
from tests.integration.subscribers.site import application

ADA = "ada@example.org"
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at\n"


def of_listmonk(email: str, status: str = "enabled", attributes: str = "{}") -> str:
    cell = attributes.replace('"', '""')
    times = "2021-04-01 10:00:00.123456 +0000 UTC,2021-04-02 10:00:00 +0000 UTC"
    return f'{uuid4()},{email},Ada,"{cell}",{status},{times}\n'


async def exported(world: World) -> list[dict[str, str]]:
    text = "".join([part async for part in orders.export(world.db)])
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_listmonk_export(world: World) -> None:
    report = await world.bring(
        LISTMONK
        + of_listmonk(ADA, attributes='{"lang": "en", "city": "Bonn"}')
        + of_listmonk("eva@example.org")
        + of_listmonk("block@example.org", "blocklisted")
        + of_listmonk("off@example.org", "disabled")
        + of_listmonk("no address")
        + of_listmonk("EVA@example.org")
    )
    assert (report.taken, report.suppressed) == (2, 1)
    assert [(line.number, line.why) for line in report.lines] == [
        (5, "disabled"),
        (6, "invalid"),
        (7, "double"),
    ]
    who = await world.find(ADA)
    assert who is not None
    assert (who.status, who.locale, who.source) == ("active", "en", "import")
    assert who.confirmed_at == datetime(2021, 4, 1, 10, 0, 0, 123456, UTC)
    async with world.db.read() as conn:
        [given] = await people.consents(conn, who.id)
    assert (given.source, given.wording, given.by) == ("import", None, "ada")
    # What is blocklisted elsewhere is not asked here either.
    await world.ask("block@example.org")
    await world.take()
    assert await world.mails() == []


@pytest.mark.parametrize("reason", ["left", "bounced", "complained", "operator"])
async def test_the_suppression_list_wins_over_a_file(world: World, reason: Reason) -> None:
    who = await world.subscribed(ADA)
    await world.suppress(subscriber_id=who.id, reason=reason)
    await world.suppress(email="never@example.org", reason=reason)
    before = await world.status(ADA)
    report = await world.bring("email\nada@example.org\nNEVER@example.org\n")
    assert report.taken == 0
    assert dict(report.skipped) == {"left" if reason == "left" else "suppressed": 2}
    assert await world.status(ADA) == before
    assert await world.status("never@example.org") == "unknown"


async def test_a_file_twice_changes_nothing_more(world: World) -> None:
    text = (
        "email;locale;status;reason\nada@example.org;en;active;\nx@example.org;;suppressed;bounced"
    )
    first, second = await world.bring(text), await world.bring(text)
    assert (first.taken, first.suppressed) == (1, 1)
    assert (second.taken, second.suppressed) == (0, 0)
    assert dict(second.skipped) == {"known": 1, "suppressed": 1}
    assert len(await world.rows("SELECT 1 FROM consent")) == 1
    assert len(await world.rows("SELECT 1 FROM subscriber_journal")) == 2


async def test_who_was_asked_is_taken_and_who_never_confirmed_is_not(world: World) -> None:
    who = await world.asked(ADA)
    report = await world.bring("email,status\nada@example.org,active\neva@example.org,asked\n")
    assert (report.taken, dict(report.skipped)) == (1, {"not_confirmed": 1})
    found = await world.find(ADA)
    assert found is not None
    assert (found.id, found.status) == (who.id, "active")


async def test_who_left_elsewhere_and_is_here_stays(world: World) -> None:
    await world.subscribed(ADA)
    report = await world.bring("email,status\nada@example.org,left\neva@example.org,left\n")
    assert (report.suppressed, dict(report.skipped)) == (1, {"known": 1})
    assert await world.status(ADA) == "active"
    report = await world.bring("email,status,reason\nada@example.org,suppressed,complained\n")
    assert report.suppressed == 1
    assert await world.status(ADA) == "suppressed"


async def test_an_import_and_a_suppression_at_once(world: World) -> None:
    for number in range(10):
        email = f"ada{number}@example.org"
        await asyncio.gather(
            world.bring(f"email\n{email}\n"), world.suppress(email=email, reason="operator")
        )
    assert (
        await world.rows(
            """
        SELECT email FROM subscriber JOIN suppression USING (address_hash)
        WHERE status IN ('active', 'paused')
        """
        )
        == []
    )
    assert len(await world.rows("SELECT 1 FROM suppression")) == 10


async def test_many_lines_in_few_statements(world: World) -> None:
    text = "email\n" + "".join(f"reader{number}@example.org\n" for number in range(5_000))
    report = await world.bring(text)
    assert report.taken == 5_000
    assert len(await exported(world)) == 5_000


@pytest.mark.parametrize("text", ["", "name,address\nada,ada@example.org\n", "e\0mail\nx"])
async def test_what_is_no_such_file(world: World, text: str) -> None:
    with pytest.raises(NotACsvFile):
        await world.bring(text)


async def test_an_export_can_be_imported(world: World) -> None:
    await world.subscribed(ADA)
    await world.subscribed("+eva@example.org")
    await world.bring(
        "email,status,paused_until,confirmed_at\n"
        "p@example.org,paused,2027-03-01T00:00:00+00:00,2024-01-01\n"
    )
    gone = await world.subscribed("gone@example.org")
    await world.suppress(subscriber_id=gone.id, reason="complained")
    await world.asked("asked@example.org")
    text = "".join([part async for part in orders.export(world.db)])
    rows = await exported(world)
    assert [row["email"] for row in rows] == [
        ADA,
        "'+eva@example.org",
        "p@example.org",
        "gone@example.org",
        "asked@example.org",
    ]
    async with world.db.transaction() as conn:
        for table in ("subscriber", "suppression", "asked_address", "mail"):
            await conn.exec_driver_sql(f"TRUNCATE {table} CASCADE")
    world.now = NOW
    report = await world.bring(text)
    assert (report.taken, report.suppressed) == (3, 1)
    assert await world.status("+eva@example.org") == "active"
    assert await world.status("p@example.org") == "paused"
    await world.ask("gone@example.org")
    await world.take()
    assert await world.mails() == []


async def test_the_command(
    world: World, notifications_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = application(notifications_url).state.settings
    file = tmp_path / "old.csv"
    file.write_bytes(b"\xef\xbb\xbfemail\r\nada@example.org\r\nnobody\r\n")

    async def bring(path: Path) -> tuple[int, str]:
        code = await asyncio.to_thread(
            command.import_file, settings, path, locale="de", by="ada", reason="From before"
        )
        told = capsys.readouterr()
        return code, told.out + told.err

    code, told = await bring(file)
    assert code == 0
    assert told.splitlines() == [
        "taken: 1",
        "suppressed: 0",
        "skipped, invalid: 1",
        "  line 3: invalid",
    ]
    assert await world.status(ADA) == "active"
    file.write_bytes(b"\xff\xfe")
    assert (await bring(file))[0] == 2
    file.write_text("name\nAda\n")
    assert (await bring(file))[0] == 2
    assert (await bring(tmp_path / "none.csv"))[0] == 2
    out = io.StringIO(newline="")
    assert await asyncio.to_thread(command.export, settings, out) == 0
    assert out.getvalue().splitlines()[1].startswith("ada@example.org,de,active,import,")
