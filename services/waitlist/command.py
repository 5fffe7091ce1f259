"""`einlass waitlist why EVENT PERSON`: the answer about one registration, and its exit code.

Exit codes: 0 answered, 1 the database could not be asked, 2 there is no such event or nobody of
this id in its line.
"""

from uuid import UUID

import typer
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from services.kit import audit as tables
from services.kit.db import Database
from services.kit.errors import EinlassError
from services.waitlist.schemas import WhyView
from services.waitlist.settings import WaitlistSettings
from services.waitlist.why import Answer, lines, why


def run(settings: WaitlistSettings, slug: str, registration_id: UUID, *, as_json: bool) -> int:
    """Looks, prints, and returns the exit code."""
    try:
        answer = uvloop.run(_ask(settings, slug, registration_id))
    except EinlassError as error:
        typer.echo(error.detail, err=True)
        return 2
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        typer.echo(f"The database could not be asked ({type(error).__name__}).", err=True)
        return 1
    typer.echo(
        WhyView.of(answer).model_dump_json(indent=2) if as_json else "\n".join(lines(answer))
    )
    return 0


async def _ask(settings: WaitlistSettings, slug: str, registration_id: UUID) -> Answer:
    db = Database(settings.database_url, name="waitlist-why", pool=1)
    try:
        async with tables.snapshot(db) as conn:
            return await why(conn, slug, registration_id, settings.clock.now())
    finally:
        await db.close()
