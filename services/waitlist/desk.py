"""The operators' pages of the waitlist: what all of them share."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends

from services.kit.desk import Desk, Room
from services.waitlist.domain.model import Kind
from services.waitlist.finding import short

HERE: Final = Path(__file__).parent
ROOM: Final = Room(HERE, short=short, Kind=Kind)

Viewer = Annotated[Desk, Depends(ROOM.desk("viewer"))]
"""Whoever has signed in: may look."""
Editor = Annotated[Desk, Depends(ROOM.desk("editor"))]
"""Whoever may give orders."""
