"""The baseline of the sign-up: a plain FastAPI route with a transaction a request.

Written as one usually writes it: a session from the pool, the event's row locked, the rule, two
inserts and an update, commit. It has the checks of the table, and no more of what a sign-up has
(no idempotency, no rate limit, no light, no sealed token).
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel, EmailStr
from sqlalchemy.ext.asyncio import create_async_engine

from services.kit.db import async_url

engine = create_async_engine(
    async_url(os.environ["EINLASS_BENCH_DATABASE_URL"]), pool_size=20, max_overflow=0
)
TABLES = """
CREATE TABLE IF NOT EXISTS plain_event (
    id int PRIMARY KEY, capacity int NOT NULL, confirmed int NOT NULL, waiting int NOT NULL,
    seq bigint NOT NULL, CHECK (confirmed <= capacity));
CREATE TABLE IF NOT EXISTS plain_registration (
    id uuid PRIMARY KEY, event_id int NOT NULL REFERENCES plain_event, seq bigint NOT NULL,
    status text NOT NULL, name text NOT NULL, email text NOT NULL, UNIQUE (event_id, email));
CREATE TABLE IF NOT EXISTS plain_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL);
INSERT INTO plain_event VALUES (1, 100000000, 0, 0, 0) ON CONFLICT DO NOTHING;
"""


class SignUp(BaseModel):
    """The body of a sign-up."""

    name: str
    email: EmailStr
    seats: int = 1
    answers: dict[str, Any] = {}
    terms_accepted: bool = False
    locale: str = "de"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as conn:
        for statement in TABLES.split(";")[:-1]:
            await conn.execute(sa.text(statement))
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/ready")
async def ready() -> str:
    """It runs."""
    return "ok"


@app.post("/events/{event_id}/registrations", status_code=201)
async def sign_up(event_id: int, body: SignUp) -> dict[str, Any]:
    """Signs one person up in a transaction of the request's own."""
    async with engine.begin() as conn:
        row = (
            await conn.execute(
                sa.text("SELECT * FROM plain_event WHERE id = :id FOR UPDATE"), {"id": event_id}
            )
        ).one()
        status = "confirmed" if row.confirmed < row.capacity else "waitlisted"
        new = uuid4()
        await conn.execute(
            sa.text(
                "INSERT INTO plain_registration VALUES (:id, :event, :seq, :status, :name, :email)"
            ),
            {
                "id": new,
                "event": event_id,
                "seq": row.seq + 1,
                "status": status,
                "name": body.name,
                "email": body.email,
            },
        )
        await conn.execute(
            sa.text("INSERT INTO plain_outbox (payload) VALUES (CAST(:payload AS jsonb))"),
            {"payload": body.model_dump_json()},
        )
        await conn.execute(
            sa.text(
                "UPDATE plain_event SET seq = seq + 1, confirmed = confirmed + :c, "
                "waiting = waiting + :w WHERE id = :id"
            ),
            {"id": event_id, "c": int(status == "confirmed"), "w": int(status == "waitlisted")},
        )
    return {"id": str(new), "status": status, "seats": body.seats}
