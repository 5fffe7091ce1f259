"""The operators' view of the ledger, over HTTP against the real database."""

from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import service
from tests.integration.notifications.desk import EDITOR
from tests.integration.notifications.told import Story


async def some_mails(db: Database) -> tuple[list[UUID], Story]:
    """Five people with a place in one event and one in another; their registrations."""
    story, other = Story(), Story()
    other.details = other.details.model_copy(update={"slug": "anders"})
    people = [uuid7() for _ in range(6)]
    async with db.transaction() as conn:
        await service.take(
            conn, [story.published(), *(story.confirmed(one) for one in people[:5])], lambda: None
        )
        await service.take(conn, [other.published(), other.waitlisted(people[5])], lambda: None)
    return people, story


async def settle(db: Database, registration_id: UUID, status: str, **more: Any) -> None:
    columns = "".join(f", {name} = :{name}" for name in more)
    async with db.transaction() as conn:
        await conn.execute(
            sa.text(
                f"UPDATE mail SET status = :status, sent_at = now(), attempts = 1 {columns} "
                "WHERE registration_id = :id"
            ),
            {"status": status, "id": registration_id, **more},
        )


async def test_the_ledger_newest_first_in_parts(api: httpx.AsyncClient, db: Database) -> None:
    people, _ = await some_mails(db)
    first = (await api.get("/mail", params={"limit": 4})).json()
    assert [m["registration_id"] for m in first["mails"]] == [str(p) for p in people[:1:-1]]
    rest = (await api.get("/mail", params={"limit": 4, "before": first["next_before"]})).json()
    assert [m["registration_id"] for m in rest["mails"]] == [str(p) for p in people[1::-1]]
    assert rest["next_before"] is None


async def test_the_ledger_can_be_narrowed(api: httpx.AsyncClient, db: Database) -> None:
    people, _ = await some_mails(db)
    await settle(db, people[0], "failed", smtp_code=550, last_error="RCPT: unknown")

    async def found(**params: str) -> list[str]:
        body = (await api.get("/mail", params=params)).json()
        return [m["registration_id"] for m in body["mails"]]

    assert await found(status="failed") == [str(people[0])]
    assert await found(kind="waitlisted") == [str(people[5])]
    assert await found(event="anders") == [str(people[5])]
    assert await found(event="stadt", status="failed") == [str(people[0])]
    assert await found(registration_id=str(people[2])) == [str(people[2])]
    assert await found(event="nirgends") == []


async def test_one_mail_and_nobodys_name(api: httpx.AsyncClient, db: Database) -> None:
    people, _ = await some_mails(db)
    await settle(db, people[0], "failed", smtp_code=550, last_error="RCPT: unknown")
    listed = (await api.get("/mail", params={"status": "failed"})).json()["mails"][0]
    answer = await api.get(f"/mail/{listed['id']}")
    assert answer.json() == listed
    assert (listed["smtp_code"], listed["last_error"]) == (550, "RCPT: unknown")
    assert (listed["next_attempt_at"], listed["event"]) == (None, "stadt")
    assert "Ayşe" not in answer.text
    assert "@" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_a_mail_is_sent_again(api: httpx.AsyncClient, db: Database) -> None:
    people, _ = await some_mails(db)
    await settle(db, people[0], "failed", smtp_code=550, last_error="RCPT: unknown")
    mail_id = (await api.get("/mail", params={"status": "failed"})).json()["mails"][0]["id"]
    refused = await api.post(f"/mail/{mail_id}/resend")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    answer = await api.post(f"/mail/{mail_id}/resend", headers=EDITOR)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["status"], body["attempts"], body["last_error"]) == ("pending", 0, None)
    assert api.app.state.rung == [1]  # type: ignore[attr-defined]
    again = await api.post(f"/mail/{mail_id}/resend", headers=EDITOR)
    assert (again.status_code, again.json()["code"]) == (409, "mail_in_hand")


async def test_a_forgotten_mail_cannot_be_sent_again(api: httpx.AsyncClient, db: Database) -> None:
    people, _ = await some_mails(db)
    await settle(db, people[0], "sent")
    async with db.transaction() as conn:
        await conn.execute(sa.text("UPDATE mail SET content = NULL WHERE status = 'sent'"))
    mail = (await api.get("/mail", params={"status": "sent"})).json()["mails"][0]
    assert mail["resendable"] is False
    answer = await api.post(f"/mail/{mail['id']}/resend", headers=EDITOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "mail_forgotten")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/mail/{UUID(int=1)}", 404, "mail_not_found"),
        ("/mail/not-an-id", 404, "not_found"),
        ("/mail?status=lost", 422, "invalid"),
        ("/mail?limit=0", 422, "invalid"),
    ],
)
async def test_problems(api: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nobody_reads_it_without_a_token(api: httpx.AsyncClient) -> None:
    for header in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        answer = await api.get("/mail", headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_the_process_is_ready(api: httpx.AsyncClient) -> None:
    answer = await api.get("http://einlass.test/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["postgres"] == "ok"
