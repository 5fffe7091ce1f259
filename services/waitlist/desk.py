"""What all operators' pages of the waitlist share: the look, who asks, and when.

Invariant: nobody but an operator who has signed in gets a page of theirs, and nobody keeps it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from starlette.responses import RedirectResponse, Response

from services.kit import dates, pages
from services.kit.clock import Clock
from services.kit.csrf import check_origin
from services.kit.db import Database
from services.kit.errors import EinlassError
from services.kit.look import Look
from services.kit.operators import Operator, Role, SignInFirst, require_page, sign_in_at
from services.waitlist.domain.model import Kind
from services.waitlist.finding import short
from services.waitlist.settings import WaitlistSettings

HERE: Final = Path(__file__).parent
FROM_HERE: Final = [Depends(check_origin)]


@asynccontextmanager
async def start(app: FastAPI) -> AsyncIterator[None]:
    """Loads the look when the application starts, so that it does not start with a colour or a
    logo that is not right."""
    settings: WaitlistSettings = app.state.settings
    app.state.look = Look(
        HERE,
        organisation=settings.organisation,
        accent=settings.accent,
        logo_file=settings.logo_file,
    )
    yield


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator at a page. `now` is the moment of asking."""

    request: Request
    who: Operator
    db: Database
    now: datetime

    def page(
        self, template: str, *, failure: EinlassError | None = None, **context: Any
    ) -> Response:
        """A page, with what is in the way of an order. `done` is the order that was just taken."""
        locale, zone = pages.language_of(self.request), _settings(self.request).zone
        done = self.request.query_params.get("done", "") if failure is None else ""
        return _page(
            self.request,
            template,
            failure,
            who=self.who,
            may_edit=self.who.may("editor"),
            moment=lambda at: dates.moment(at, zone, locale),
            stamp=lambda at: dates.stamp(at, zone, locale),
            short=short,
            Kind=Kind,
            done=done,
            **context,
        )


def _desk(role: Role) -> Callable[..., Awaitable[Desk]]:
    async def sit(request: Request, who: Annotated[Operator, Depends(require_page(role))]) -> Desk:
        clock: Clock = request.app.state.clock
        return Desk(request, who, request.app.state.db, clock.now())

    return sit


Viewer = Annotated[Desk, Depends(_desk("viewer"))]
"""Whoever has signed in: may look."""
Editor = Annotated[Desk, Depends(_desk("editor"))]
"""Whoever may give orders."""


async def error_page(request: Request, error: EinlassError) -> Response:
    """An expected failure as a page; or the way to sign in."""
    if isinstance(error, SignInFirst):
        return RedirectResponse(sign_in_at(request), 303, pages.PRIVATE)
    return _page(request, "error.html", error, who=None)


def _settings(request: Request) -> WaitlistSettings:
    return request.app.state.settings  # type: ignore[no-any-return]


def _page(
    request: Request, template: str, failure: EinlassError | None, **context: Any
) -> Response:
    headers = pages.unkept(failure) if failure is not None else {}
    return pages.page(
        request,
        request.app.state.look,
        template,
        {"failure": failure, **context},
        secure=_settings(request).public_url.startswith("https://"),
        status=failure.status if failure is not None else 200,
        headers={**pages.PRIVATE, **headers},
    )
