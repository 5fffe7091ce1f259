"""The public pages: the form, and confirming.

Invariant: state changes only on POST from a page of ours, so that nothing which opens the links of
mails confirms anything. The form is answered by the same page for every address.
"""

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit.clock import Clock
from services.kit.db import Database, is_infrastructure
from services.kit.desk import FROM_HERE
from services.kit.errors import Busy, EinlassError, Invalid, TooManyRequests
from services.kit.i18n import LOCALES
from services.kit.look.settings import LookSettings
from services.kit.pages import PRIVATE, language_of
from services.kit.web import client_of
from services.notifications.subscribers import service
from services.notifications.subscribers.desk import ROOM, links_of, typed
from services.notifications.subscribers.domain import address, rules
from services.notifications.subscribers.domain.errors import (
    AddressSuppressed,
    ConfirmationExpired,
)
from services.notifications.subscribers.domain.wording import WORDING_VERSION, wording

SUBSCRIBE: Final = "/newsletter/subscribe"
ASKED: Final = "/newsletter/asked"

# What somebody is told beside the form.
TOLD: Final = (Invalid, TooManyRequests, Busy)

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, lt=2**31)]


@router.get(SUBSCRIBE)
async def form(request: Request) -> Response:
    """The form, alone on a page."""
    return _form(request)


@router.post("/newsletter/subscriptions", dependencies=FROM_HERE)
async def subscribe(request: Request) -> Response:
    """Asks for the newsletter. The fields: `email`, `locale`, and `wording`, the version of the
    words beside the button."""
    sent = await typed(request)
    email = sent.get("email", "")
    try:
        request.app.state.newsletter_limits.check(client_of(request), address.read(email).digest)
        await _ask(request, email, _locale(request, sent), sent.get("wording", ""))
    except TOLD as error:
        return _form(request, failure=error, sent=sent)
    return RedirectResponse(ASKED, 303, PRIVATE)


async def _ask(request: Request, email: str, locale: Locale, version: str) -> None:
    """Raises Busy where the database is away, so that the page can keep what was typed."""
    db: Database = request.app.state.db
    clock: Clock = request.app.state.clock
    try:
        async with db.at_once() as conn:
            await service.ask(conn, email, locale, "form", clock.now(), version=version)
    except Exception as error:
        if is_infrastructure(error):
            raise Busy from error
        raise


@router.get("/newsletter/subscriptions")
async def back() -> Response:
    """For whoever comes here by the address of the form."""
    return RedirectResponse(SUBSCRIBE, 303, PRIVATE)


@router.get(ASKED)
async def asked(request: Request) -> Response:
    """What follows from having asked; the same for everybody."""
    return ROOM.page(request, "asked.html", hours=int(rules.CONFIRM_WITHIN.total_seconds() // 3600))


def _form(
    request: Request,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    settings: LookSettings = request.app.state.settings
    locale = language_of(request)
    return ROOM.page(
        request,
        "subscribe.html",
        failure=failure,
        email=(sent or {}).get("email", "")[:300],
        chosen=_locale(request, sent or {}),
        version=WORDING_VERSION,
        wording=wording(WORDING_VERSION, locale, settings.organisation),
    )


def _locale(request: Request, sent: Mapping[str, str]) -> Locale:
    """The language that was chosen in the form, or the reader's."""
    said = sent.get("locale", "")
    return next((one for one in LOCALES if said == one), language_of(request))


@router.get("/newsletter/confirm/{subscriber_id}/{version}/{token}")
async def ask_to_confirm(
    request: Request, subscriber_id: UUID, version: Number, token: str
) -> Response:
    """Shows a button, or that the link was used or has run out."""
    return await _confirmation(request, subscriber_id, version, token)


@router.post("/newsletter/confirm/{subscriber_id}/{version}/{token}", dependencies=FROM_HERE)
async def confirm(request: Request, subscriber_id: UUID, version: Number, token: str) -> Response:
    """Confirms, and leads to the person's own page."""
    db: Database = request.app.state.db
    clock: Clock = request.app.state.clock
    try:
        async with db.transaction() as conn:
            await service.asked(conn, links_of(request), subscriber_id, version, token)
            done = await service.confirm(conn, subscriber_id, version, clock.now())
    except (ConfirmationExpired, AddressSuppressed) as error:
        return await _confirmation(request, subscriber_id, version, token, error)
    if not done.new:
        return await _confirmation(request, subscriber_id, version, token)
    own = links_of(request).own(done.subscriber.id, done.subscriber.generation)
    return RedirectResponse(f"{urlsplit(own).path}?done=confirmed", 303, PRIVATE)


async def _confirmation(
    request: Request,
    subscriber_id: UUID,
    version: int,
    token: str,
    failure: EinlassError | None = None,
) -> Response:
    db: Database = request.app.state.db
    clock: Clock = request.app.state.clock
    async with db.read() as conn:
        found = await service.asked(conn, links_of(request), subscriber_id, version, token)
    if failure is None and found.confirmed_at is None:
        failure = None if rules.can_be_confirmed(found, clock.now()) else ConfirmationExpired()
    return ROOM.page(
        request,
        "confirm.html",
        failure=failure,
        headers=PRIVATE,
        asking=found,
    )
