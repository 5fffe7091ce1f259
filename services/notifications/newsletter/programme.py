"""The coming events, asked from registration's public interface.

Invariant: what is told here is what the public sees; no number of seats is in it. Where
registration does not answer, an issue waits, and a preview says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Literal, Protocol

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.notifications.newsletter.domain.errors import ProgrammeAway


class Day(BaseModel):
    """A day of an event, in the event's own time."""

    date: date
    starts_at: time | None = None
    ends_at: time | None = None


class Event(BaseModel):
    """An event as the public sees it."""

    title: str
    days: list[Day]
    place: str | None = None
    light: Literal["green", "yellow", "red"] | None = None
    state: str
    url: str


class Programme(Protocol):
    """Tells the coming events, the next first. Raises ProgrammeAway."""

    async def __call__(self) -> Sequence[Event]: ...


_EVENTS: TypeAdapter[list[Event]] = TypeAdapter(list[Event])


@dataclass(frozen=True, slots=True)
class RemoteProgramme:
    """Asks registration at `base_url`; `transport` is for tests."""

    base_url: str
    timeout: float = 10
    transport: httpx.AsyncBaseTransport | None = None

    async def __call__(self) -> Sequence[Event]:
        """The coming events that are not called off. Raises ProgrammeAway."""
        try:
            async with httpx.AsyncClient(timeout=self.timeout, transport=self.transport) as client:
                answer = await client.get(f"{self.base_url}/api/v1/events")
                answer.raise_for_status()
            told = _EVENTS.validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise ProgrammeAway from error
        return [event for event in told if event.state not in ("past", "called_off")]
