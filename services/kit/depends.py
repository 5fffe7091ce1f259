"""What the routes of every API ask for: FastAPI dependencies on the application's state.

The application keeps `db` (Database) and `clock` (Clock) in its state.
"""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response

from services.kit.clock import Clock
from services.kit.db import Database


def never_kept(response: Response) -> None:
    """Nobody keeps the answer. For `APIRouter(dependencies=...)`."""
    response.headers["Cache-Control"] = "no-store"


def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


Db = Annotated[Database, Depends(_database)]
"""The service's database."""
Now = Annotated[datetime, Depends(_now)]
"""The moment of asking."""
