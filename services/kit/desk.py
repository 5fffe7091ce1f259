"""Pages of one package: its look, and for operators' pages who asks and when.

Invariant: nobody but an operator who has signed in gets a page of theirs, and nobody keeps it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from services.kit.look.settings import LookSettings
from services.kit.operators import Operator, Role, SignInFirst, require_page, sign_in_at

FROM_HERE: Final = [Depends(check_origin)]
"""Dependencies of a form's route: it is sent from a page of ours."""


class Room:
    """The pages of one package, with its `templates` and `locale`.

    `known`: names that every template knows beside those of the look. The application keeps
    `settings` (LookSettings), `db`, `clock` and, for operators' pages, `sessions` in its state.
    """

    def __init__(self, package: Path, **known: Any) -> None:
        self._package = package
        self._known = known

    @asynccontextmanager
    async def start(self, app: FastAPI) -> AsyncIterator[None]:
        """Loads the look when the application starts, so that it does not start with a colour or
        a logo that is not right. For `APIRouter(lifespan=...)`."""
        settings: LookSettings = app.state.settings
        look = Look(
            self._package,
            organisation=settings.organisation,
            accent=settings.accent,
            logo_file=settings.logo_file,
        )
        app.state.looks = {**getattr(app.state, "looks", {}), self._package: look}
        yield

    def look(self, request: Request) -> Look:
        """The package's look."""
        look: Look = request.app.state.looks[self._package]
        return look

    def page(
        self,
        request: Request,
        template: str,
        *,
        failure: EinlassError | None = None,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """A page in the reader's language. Templates know `failure`, `moment` and `stamp`, which
        write a moment in words and in digits, and what the room knows."""
        settings: LookSettings = request.app.state.settings
        locale, zone = pages.language_of(request), settings.zone
        return pages.page(
            request,
            self.look(request),
            template,
            {
                "failure": failure,
                "moment": lambda at: dates.moment(at, zone, locale),
                "stamp": lambda at: dates.stamp(at, zone, locale),
                **self._known,
                **context,
            },
            secure=settings.public_url.startswith("https://"),
            status=failure.status if failure is not None else 200,
            headers={**(headers or {}), **(pages.unkept(failure) if failure is not None else {})},
        )

    def desk(self, role: Role) -> Callable[..., Awaitable["Desk"]]:
        """A dependency that gives the desk of an operator who is allowed what `role` is."""

        async def sit(
            request: Request, who: Annotated[Operator, Depends(require_page(role))]
        ) -> Desk:
            clock: Clock = request.app.state.clock
            return Desk(self, request, who, request.app.state.db, clock.now())

        return sit

    async def error_page(self, request: Request, error: EinlassError) -> Response:
        """An expected failure as a page (`error.html`); or the way to sign in."""
        if isinstance(error, SignInFirst):
            return RedirectResponse(sign_in_at(request), 303, pages.PRIVATE)
        return self.page(request, "error.html", failure=error, headers=pages.PRIVATE, who=None)


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator at a page. `now` is the moment of asking."""

    room: Room
    request: Request
    who: Operator
    db: Database
    now: datetime

    def page(
        self, template: str, *, failure: EinlassError | None = None, **context: Any
    ) -> Response:
        """A page that nobody keeps. Templates know `who` and `may_edit` too, and in `done` the
        order that was just taken."""
        done = self.request.query_params.get("done", "") if failure is None else ""
        return self.room.page(
            self.request,
            template,
            failure=failure,
            headers=pages.PRIVATE,
            who=self.who,
            may_edit=self.who.may("editor"),
            done=done,
            **context,
        )
