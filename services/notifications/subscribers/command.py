"""`einlass newsletter import FILE` and `einlass newsletter export`: subscribers in CSV files of any
size.

Exit codes: 0 done, 1 the database could not be asked (what was taken until then stays, and the
same file may be given again), 2 the file cannot be read or is no such file.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO

import typer
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from services.contracts.envelope import Locale
from services.kit.db import Database
from services.kit.errors import EinlassError
from services.notifications.settings import NotificationsSettings
from services.notifications.subscribers import orders
from services.notifications.subscribers.schemas import ImportView


def import_file(
    settings: NotificationsSettings,
    file: Path,
    *,
    locale: Locale,
    by: str,
    reason: str,
    as_json: bool = False,
) -> int:
    """Imports a file, prints what was taken and what was not, and returns the exit code. `by`
    vouches with `reason` for the consent of whom the file names."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{file} could not be read ({type(error).__name__}).", err=True)
        return 2

    async def work(db: Database) -> None:
        report = await orders.import_file(
            db, text, locale=locale, by=by, why=reason, now=settings.clock.now()
        )
        if as_json:
            typer.echo(ImportView.of(report).model_dump_json(indent=2))
        else:
            typer.echo("\n".join(orders.report_lines(report)))

    return _run(settings, work)


def export(settings: NotificationsSettings, out: TextIO) -> int:
    """Writes all subscribers to `out`, and returns the exit code."""

    async def work(db: Database) -> None:
        async for part in orders.export(db):
            out.write(part)

    return _run(settings, work)


def _run(settings: NotificationsSettings, work: Callable[[Database], Awaitable[None]]) -> int:
    async def whole() -> None:
        db = Database(settings.database_url, name="newsletter-cli", pool=1)
        try:
            await work(db)
        finally:
            await db.close()

    try:
        uvloop.run(whole())
    except EinlassError as error:
        typer.echo(error.detail, err=True)
        return 2
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        typer.echo(f"The database could not be asked ({type(error).__name__}).", err=True)
        return 1
    return 0
