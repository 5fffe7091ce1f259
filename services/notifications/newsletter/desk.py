"""The newsletter's pages: what all of them share."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request

from services.kit.desk import Desk, Room
from services.kit.guard import POLICY
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.planning import Actor

HERE: Final = Path(__file__).parent
STYLE: Final = (HERE / "newsletter.css").read_bytes()
STYLE_NAME: Final = f"style.{hashlib.sha256(STYLE).hexdigest()[:12]}.css"
ROOM: Final = Room(HERE, newsletter_style=f"/newsletter/{STYLE_NAME}")

WITH_FRAMES: Final = {"content-security-policy": f"{POLICY}; frame-src 'self'"}
"""Headers of a page that shows others in frames."""
_FRAMED: Final = {
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
}
FRAMED_MAIL: Final = {
    **_FRAMED,
    # A mail has its styles in itself; nothing else of it may do anything.
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self'; frame-ancestors 'self'",
}
"""Headers of a mail that is shown in a frame."""
FRAMED_PAGE: Final = {
    **_FRAMED,
    # Ours, so that it may fetch its own style; nothing in it may do anything all the same.
    "content-security-policy": "sandbox allow-same-origin; default-src 'none'; style-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'self'",
}
"""Headers of a page of ours that is shown in a frame."""

Viewer = Annotated[Desk, Depends(ROOM.desk("viewer"))]
"""Whoever has signed in: may look."""
Editor = Annotated[Desk, Depends(ROOM.desk("editor"))]
"""Whoever may write and send."""


@asynccontextmanager
async def start(app: FastAPI) -> AsyncIterator[None]:
    """Loads the look, and what issues are made ready with."""
    app.state.newsletter = Office.of(app.state.db, app.state.settings)
    async with ROOM.start(app):
        yield


def office_of(request: Request) -> Office:
    """Where issues are made ready."""
    office: Office = request.app.state.newsletter
    return office


def actor_of(desk: Desk) -> Actor:
    """The operator at the desk."""
    return Actor(desk.who.name, desk.now, office_of(desk.request).settings.zone)
