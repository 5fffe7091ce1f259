"""Telling every process that a light has changed, over Redis.

Invariant: a notice names the event, its lamp and the moment of the change, and no number of
seats. A notice that is lost is made up for by the board's own look at the database.
"""

from datetime import datetime
from typing import Final

import orjson

from services.kit.channel import Channel
from services.registration.domain.light import Light

NAME: Final = "light"


def notice(slug: str, light: Light | None, at: datetime) -> bytes:
    """A light has changed."""
    return orjson.dumps({"slug": slug, "light": light, "at": at})


RELOAD: Final = orjson.dumps({"reload": True})


class Lights:
    """Sends notices."""

    def __init__(self, redis_url: str) -> None:
        self.channel = Channel(redis_url, NAME)

    def changed(self, slug: str, light: Light | None, at: datetime) -> None:
        """Tells of a lamp; never blocks."""
        self.channel.publish(notice(slug, light, at))

    def reload(self) -> None:
        """Tells that an event itself has changed."""
        self.channel.publish(RELOAD)
