"""What all public pages share: the look, the reader's language, and whom they ask.

Invariant: all that pages need is loaded when the application starts.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from services.contracts.envelope import Locale
from services.kit import ical, pages
from services.kit.csrf import check_origin
from services.kit.look import Look
from services.kit.pages import PRIVATE, language_of, unkept
from services.registration import views
from services.registration.board import Board
from services.registration.domain.event import Event
from services.registration.service import Service
from services.registration.settings import RegistrationSettings
from services.registration.terms import Terms

HERE: Final = Path(__file__).parent

__all__ = [
    "FROM_HERE",
    "HERE",
    "PRIVATE",
    "People",
    "Reader",
    "Shown",
    "Site",
    "calendar_file",
    "language_of",
    "page",
    "site_of",
    "start",
    "unkept",
]


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages need."""

    look: Look
    terms: Terms
    settings: RegistrationSettings


@asynccontextmanager
async def start(app: FastAPI) -> AsyncIterator[None]:
    """Loads all that pages need when the application starts, so that it does not start with a
    colour, a logo or terms that are not right."""
    settings: RegistrationSettings = app.state.settings
    look = Look(
        HERE,
        organisation=settings.organisation,
        accent=settings.accent,
        logo_file=settings.logo_file,
    )
    app.state.site = Site(look, Terms(HERE / "templates" / "terms"), settings)
    yield


def site_of(request: Request) -> Site:
    """What was loaded at the start."""
    return request.app.state.site  # type: ignore[no-any-return]


def _board(request: Request) -> Board:
    return request.app.state.board  # type: ignore[no-any-return]


def _service(request: Request) -> Service:
    return request.app.state.service  # type: ignore[no-any-return]


Reader = Annotated[Locale, Depends(language_of)]
Shown = Annotated[Board, Depends(_board)]
People = Annotated[Service, Depends(_service)]
FROM_HERE: Final = [Depends(check_origin)]


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page in the reader's language. A language chosen in the address is kept in a cookie."""
    site = site_of(request)
    return pages.page(
        request,
        site.look,
        template,
        context,
        secure=site.settings.public_url.startswith("https://"),
        status=status,
        headers=headers,
    )


def calendar_file(request: Request, event: Event, uid: str, sequence: int) -> Response:
    """An event as a download for a calendar."""
    public_url, now = site_of(request).settings.public_url, request.app.state.clock.now()
    return Response(
        ical.download(views.calendar(event, public_url, uid, sequence, now)),
        media_type="text/calendar; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{event.slug}.ics"',
            "Cache-Control": "no-cache",
        },
    )
