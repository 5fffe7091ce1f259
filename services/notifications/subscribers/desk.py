"""The pages of the subscribers: what all of them share."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from services.kit import pages
from services.kit.desk import Desk, Room
from services.notifications.subscribers.links import Links

HERE: Final = Path(__file__).parent
ROOM: Final = Room(HERE)

Viewer = Annotated[Desk, Depends(ROOM.desk("viewer"))]
"""Whoever has signed in: may look."""
Editor = Annotated[Desk, Depends(ROOM.desk("editor"))]
"""Whoever may give orders."""
Admin = Annotated[Desk, Depends(ROOM.desk("admin"))]
"""Whoever may take an address off the suppression list."""


def links_of(request: Request) -> Links:
    """The installation's links."""
    links: Links = request.app.state.newsletter_links
    return links


async def typed(request: Request) -> dict[str, str]:
    """What was typed into the form that was sent (kit.pages.typed_in)."""
    return pages.typed_in(await request.form())
