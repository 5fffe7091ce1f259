"""Mails that come back: noted, counted, and the address suppressed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr

from services.kit import web
from services.kit.clock import SystemClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk import api, bounces, service
from services.notifications.bulk.mailbox import Bounces
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.subscribers.domain.address import Address, digest
from services.notifications.subscribers.repository import people
from tests.integration.bulk.people import KEY, begin, done, role, running, subscribe
from tests.support.newsletter_sink import Sink
from tests.unit.bulk.test_bulk_bounces import ARF, dsn

PATHS = ReturnPaths(KEY, "bounces@einlass.test")


async def number_of(db: Database, issue: UUID) -> int:
    async with db.read() as conn:
        found = await conn.scalar(
            sa.text("SELECT number FROM send WHERE issue_id = :issue"), {"issue": issue}
        )
        return int(found or 0)


async def take(db: Database, raw: bytes) -> bool:
    async with db.transaction() as conn:
        return await bounces.take(conn, raw, PATHS, datetime.now(UTC))


async def status(db: Database, who: UUID) -> str:
    async with db.read() as conn:
        return str(
            await conn.scalar(sa.text("SELECT status FROM subscriber WHERE id = :w"), {"w": who})
        )


async def move(db: Database, who: UUID, email: str) -> None:
    """Somebody changes the address, as confirming the new one does it."""
    new, now = Address(email, email, digest(email)), datetime.now(UTC)
    async with db.transaction() as conn:
        person = await people.lock(conn, who)
        assert person is not None
        if person.generation == 1:
            await people.tell(conn, "confirmed", person.digest, now, subscriber_id=who)
        await people.move(conn, who, new)
        await people.tell(conn, "address", new.digest, now, subscriber_id=who)


async def suppressed(db: Database) -> dict[bytes, str]:
    """Why each address is on the list."""
    async with db.read() as conn:
        rows = await conn.execute(sa.text("SELECT address_hash, reason, why FROM suppression"))
        return {row.address_hash: f"{row.reason}: {row.why}" for row in rows}


async def sent(db: Database, sink: Sink) -> UUID:
    issue = await begin(db)
    async with running(role(db, sink)):
        await done(db, issue)
    return issue


async def test_a_hard_bounce_suppresses_once(db: Database, sink: Sink) -> None:
    [ada, eve] = await subscribe(db, ["ada@people.test", "eve@people.test"])
    issue = await sent(db, sink)
    report = dsn(to=PATHS.make(await number_of(db, issue), 1, 1))

    assert await take(db, report)
    assert await take(db, report)

    assert (await status(db, ada), await status(db, eve)) == ("suppressed", "active")
    async with db.read() as conn:
        assert (await service.progress(conn, issue)).bounced == 1
        [one] = await service.trouble(conn, issue)
    assert (one.subscriber_id, one.status, one.bounce) == (ada, "sent", "hard")


async def test_the_third_soft_bounce_suppresses(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    for before in ("active", "active", "suppressed"):
        issue = await sent(db, sink)
        report = dsn(to=PATHS.make(await number_of(db, issue), 1, 1), status="5.2.2", diagnosis="")
        assert await take(db, report)
        assert await take(db, report)  # the same one again is no other one
        assert await status(db, ada) == before


@pytest.mark.parametrize("pipelining", [True, False])
async def test_an_address_that_is_refused_is_suppressed(
    db: Database, sink: Sink, pipelining: bool
) -> None:
    said = {
        "ada@people.test": "550 5.1.1 <ada@people.test>: no such user",
        "eve@people.test": "550 5.7.1 blocked",
        "bob@people.test": "550 5.1.0 sender denied",
        "joe@people.test": "550 no such user",
        "kim@people.test": "553 5.1.3 bad address",
    }
    sink.on_recipient, sink.pipelining = said.get, pipelining
    addresses = [*said, "ulf@people.test"]
    who = dict(zip(addresses, await subscribe(db, addresses), strict=True))

    issue = await begin(db)
    async with running(role(db, sink)):
        assert await done(db, issue) == {"failed": 5, "sent": 1}

    gone = {"ada@people.test": "5.1.1", "kim@people.test": "5.1.3"}
    for email, one in who.items():
        assert await status(db, one) == ("suppressed" if email in gone else "active")
    assert await suppressed(db) == {
        digest(email): f"bounced: hard {code}" for email, code in gone.items()
    }
    async with db.read() as conn:
        assert (await service.progress(conn, issue)).bounced == 2
        trouble = await service.trouble(conn, issue)
        journal = await people.journal(conn, who["ada@people.test"])
    assert {one.email for one in trouble if one.bounce == "hard"} == set(gone)
    assert [(one.kind, one.details) for one in journal] == [("suppressed", {"reason": "bounced"})]


async def test_what_is_refused_twice_counts_once(db: Database, sink: Sink) -> None:
    [ada, eve] = await subscribe(db, ["ada@people.test", "eve@people.test"])
    issue = await sent(db, sink)
    told = [bounces.Refusal(1, ada, 1, "5.1.1"), bounces.Refusal(9, uuid7(), 1, "5.1.1")]
    for _ in range(2):
        async with db.transaction() as conn:
            await bounces.refused(conn, issue, told, datetime.now(UTC))
    assert (await status(db, ada), await status(db, eve)) == ("suppressed", "active")
    assert len(await suppressed(db)) == 1
    async with db.read() as conn:
        assert (await service.progress(conn, issue)).bounced == 1
        assert [one.kind for one in await people.journal(conn, ada)] == ["suppressed"]


async def test_a_refusal_of_a_former_address_leaves_the_new_one(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    await move(db, ada, "ada@new.test")
    async with db.transaction() as conn:
        told = [bounces.Refusal(1, ada, 1, "5.1.1")]
        await bounces.refused(conn, issue, told, datetime.now(UTC))
    assert await status(db, ada) == "active"
    assert await suppressed(db) == {digest("ada@people.test"): "bounced: hard 5.1.1"}


async def test_a_bounce_of_a_former_address_leaves_the_new_one(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    await move(db, ada, "ada@new.test")

    assert await take(db, dsn(to=PATHS.make(await number_of(db, issue), 1, 1)))

    assert await status(db, ada) == "active"
    former = digest("ada@people.test")
    assert await suppressed(db) == {former: "bounced: hard 5.1.1"}
    later = await sent(db, sink)
    assert sink.recipients == ["ada@people.test", "ada@new.test"]
    assert await take(db, dsn(to=PATHS.make(await number_of(db, later), 1, 2)))
    assert await status(db, ada) == "suppressed"


async def test_soft_bounces_of_a_former_address_do_not_count(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    for number in range(3):
        if number == 2:
            await move(db, ada, "ada@new.test")
        issue = await sent(db, sink)
        path = PATHS.make(await number_of(db, issue), 1, 2 if number == 2 else 1)
        assert await take(db, dsn(to=path, status="5.2.2", diagnosis=""))
    assert await status(db, ada) == "active"


async def test_a_complaint_suppresses(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    path = PATHS.make(await number_of(db, issue), 1, 1)
    assert await take(db, ARF.format(kind="abuse", path=path).encode())
    assert await status(db, ada) == "suppressed"
    async with db.read() as conn:
        assert (await service.progress(conn, issue)).complained == 1


async def test_a_return_path_that_somebody_made_up_does_nothing(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    theirs = ReturnPaths(b"x" * 32, "bounces@einlass.test")
    assert not await take(db, dsn(to=theirs.make(await number_of(db, issue), 1, 1)))
    assert await status(db, ada) == "active"


@pytest.fixture
async def hook(db: Database) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = web.create_app(
        "Bounces", version="1", public_url="https://einlass.test", needed={}, helpful={}
    )
    app.state.db, app.state.clock = db, SystemClock()
    app.state.settings = SimpleNamespace(
        bounce_token=SecretStr("right"), bounce_address="bounces@einlass.test", key=KEY
    )
    app.include_router(api.router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://einlass.test") as client:
        client.app = app  # type: ignore[attr-defined]
        yield client


async def test_the_hook(db: Database, sink: Sink, hook: httpx.AsyncClient) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    report = dsn(to=PATHS.make(await number_of(db, issue), 1, 1))
    at = "/api/v1/newsletter/bounces"
    kind = {"Content-Type": "message/rfc822"}

    assert (await hook.post(at, content=report, headers=kind)).status_code == 401
    for wrong in (b"Bearer wrong", "Bearer wröng".encode(), b"right"):
        said = {b"Authorization": wrong, b"Content-Type": b"message/rfc822"}
        assert (await hook.post(at, content=report, headers=said)).status_code == 401
    assert await status(db, ada) == "active"
    right = {"Authorization": "Bearer right", **kind}
    large = await hook.post(at, content=b"x" * (api.LARGEST + 1), headers=right)
    assert large.status_code == 413
    assert (await hook.post(at, content=b"no report", headers=right)).status_code == 204
    assert (await hook.post(at, content=report, headers=right)).status_code == 204
    assert await status(db, ada) == "suppressed"

    hook.app.state.settings.bounce_token = None  # type: ignore[attr-defined]
    assert (await hook.post(at, content=report, headers=right)).status_code == 404


class Imap:
    """An IMAP server that knows what the role says."""

    def __init__(self, mails: list[bytes]) -> None:
        self.mails = dict(enumerate(mails, 1))
        self.flags: dict[int, str] = {}

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK IMAP4rev1 here\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, command, *rest = line.split(" ")
            if command == "CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1\r\n")
            if command == "SELECT":
                writer.write(f"* {len(self.mails)} EXISTS\r\n".encode())
            if rest[:1] == ["SEARCH"]:
                new = " ".join(str(n) for n in self.mails if n not in self.flags)
                writer.write(f"* SEARCH {new}\r\n".encode())
            if rest[:1] == ["FETCH"]:
                raw = self.mails[int(rest[1])]
                writer.write(f"* {rest[1]} FETCH (BODY[] {{{len(raw)}}}\r\n".encode() + raw)
                writer.write(b")\r\n")
            if rest[:1] == ["STORE"]:
                self.flags[int(rest[1])] = " ".join(rest[3:])
            writer.write(f"{tag} OK done\r\n".encode())
        writer.close()


async def test_the_mailbox(db: Database, sink: Sink) -> None:
    [ada] = await subscribe(db, ["ada@people.test"])
    issue = await sent(db, sink)
    report = dsn(to=PATHS.make(await number_of(db, issue), 1, 1)).replace(b"\n", b"\r\n")
    imap = Imap([b"Subject: Hello\r\n\r\nI am no report.\r\n", report])
    server = await asyncio.start_server(imap.session, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    box = Bounces(db, f"imap://bounces:secret@127.0.0.1:{port}/INBOX", PATHS, SystemClock())
    try:
        assert await box.look() == 2
        assert await box.look() == 0
    finally:
        server.close()
    assert await status(db, ada) == "suppressed"
    assert imap.flags == {1: r"(\Seen \Flagged)", 2: r"(\Seen)"}
