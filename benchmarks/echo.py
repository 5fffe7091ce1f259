"""The baseline of every rate: a bare FastAPI route that checks the same JSON and echoes it."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


class SignUp(BaseModel):
    """The body of a sign-up."""

    name: str
    email: str
    seats: int = 1
    answers: dict[str, Any] = {}
    terms_accepted: bool = False
    locale: str = "de"


@app.get("/ready")
async def ready() -> str:
    """It runs."""
    return "ok"


@app.post("/echo", status_code=201)
async def echo(body: SignUp) -> SignUp:
    """The same JSON back."""
    return body
