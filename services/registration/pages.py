"""The public pages: overview, event, sign-up, a person's own page, terms.

Invariant: state changes only on POST from a page of ours. No page shows a number of seats of an
event. A person's own page is kept by nobody, and a wrong link does not tell what is wrong with
it. Every page is whole without JavaScript.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit import etag, ical
from services.kit.csrf import check_origin
from services.kit.db import is_infrastructure
from services.kit.errors import (
    Busy,
    EinlassError,
    FieldError,
    Invalid,
    NotFound,
    TooManyRequests,
)
from services.kit.look import Look
from services.kit.look.assets import PREFIX
from services.kit.web import client_of
from services.registration import forms, kept, views
from services.registration.board import Board, PublicEvent
from services.registration.domain.errors import (
    AlreadyRegistered,
    CancellationClosed,
    EventFull,
    RegistrationClosed,
)
from services.registration.domain.form import SignUp
from services.registration.service import Service, SignedUp
from services.registration.settings import RegistrationSettings
from services.registration.terms import Terms

HERE: Final = Path(__file__).parent
A_YEAR: Final = 365 * 24 * 60 * 60
# What a person is told on the form's own page, beside bad fields.
TOLD: Final = (EventFull, AlreadyRegistered, RegistrationClosed, Busy, TooManyRequests)
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages need."""

    look: Look
    terms: Terms
    settings: RegistrationSettings


@asynccontextmanager
async def _start(app: FastAPI) -> AsyncIterator[None]:
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


router = APIRouter(include_in_schema=False, lifespan=_start)
"""Wants `settings`, `service`, `board` and `clock` in the application's state."""


def site_of(request: Request) -> Site:
    """What was loaded at the start."""
    return request.app.state.site  # type: ignore[no-any-return]


def language_of(request: Request) -> Locale:
    """The reader's language."""
    headers = request.headers
    return kept.language_of(
        request.query_params.get("lang"), headers.get("cookie"), headers.get("accept-language")
    )


def _board(request: Request) -> Board:
    return request.app.state.board  # type: ignore[no-any-return]


def _service(request: Request) -> Service:
    return request.app.state.service  # type: ignore[no-any-return]


def _event(request: Request, slug: str) -> PublicEvent:
    found = request.app.state.board.get(slug)
    if found is None:
        raise NotFound
    return found  # type: ignore[no-any-return]


Reader = Annotated[Locale, Depends(language_of)]
Shown = Annotated[Board, Depends(_board)]
People = Annotated[Service, Depends(_service)]
Found = Annotated[PublicEvent, Depends(_event)]
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
    site, locale = site_of(request), language_of(request)
    rest = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    links = [
        (other, name, "?" + urlencode([*rest, ("lang", other)]))
        for other, name in site.look.languages
    ]
    html = site.look.render(template, locale, {"language_links": links, **context})
    answer = HTMLResponse(
        html,
        status,
        {
            "Content-Language": locale,
            "Vary": "Accept-Language, Cookie",
            "Cache-Control": "no-cache",
            **(headers or {}),
        },
    )
    if request.query_params.get("lang") == locale:
        answer.set_cookie(
            kept.LANGUAGE_COOKIE,
            locale,
            max_age=A_YEAR,
            httponly=True,
            samesite="lax",
            secure=site.settings.public_url.startswith("https://"),
        )
    return answer


def _kept(request: Request, answer: Response) -> Response:
    """The same page, kept for whoever asks next (lean.py gives it); or that it is known."""
    if "set-cookie" in answer.headers:
        return answer
    key = (request.url.path, request.scope["query_string"], language_of(request))
    made = request.app.state.kept.keep(key, bytes(answer.body))
    answer.headers.update({**kept.HEADERS, "ETag": made.etag})
    if etag.is_known(made.etag, request.headers.get("if-none-match")):
        about = {"content-length", "content-type"}
        headers = {k: v for k, v in answer.headers.items() if k not in about}
        return Response(status_code=304, headers=headers)
    return answer


async def error_page(request: Request, error: EinlassError) -> Response:
    """An expected failure as a page of the same look."""
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return page(request, "error.html", status=error.status, headers=headers, error=error)


@router.get("/")
@router.get("/events")
async def overview(request: Request, board: Shown, locale: Reader) -> Response:
    """The programme."""
    wish = views.Filter.of(request.query_params)
    now = request.app.state.clock.now()
    months = views.overview(board.all(), wish, now, locale)
    return _kept(request, page(request, "overview.html", months=months, wish=wish))


@router.get("/events/{slug}.ics")
async def event_calendar(request: Request, found: Found) -> Response:
    """The event for a calendar."""
    return _ics(request, found, str(found.event.id), found.event.version)


@router.get("/events/{slug}")
async def event(request: Request, slug: str) -> Response:
    """One event with its form."""
    return _kept(request, _event_page(request, _event(request, slug)))


@router.post("/events/{slug}", dependencies=FROM_HERE)
async def sign_up(request: Request, found: Found, service: People, locale: Reader) -> Response:
    """Signs up and leads to the person's own page; or shows the form again."""
    sent = forms.typed(await request.form())
    form = forms.sign_up(found.event, sent, locale)
    try:
        done = await _send(request, service, found, form, sent.get("form_id", ""))
    except Invalid as error:
        return _event_page(request, found, sent=sent, failure=error, errors=error.errors)
    except TOLD as error:
        # The event may have closed or filled up meanwhile, so it is looked at anew.
        now = request.app.state.board.get(found.event.slug) or found
        return _event_page(request, now, sent=sent, failure=error)
    return RedirectResponse(f"{urlsplit(done.manage_url).path}?new=1", 303, PRIVATE)


async def _send(
    request: Request, service: Service, found: PublicEvent, form: SignUp, form_id: str
) -> SignedUp:
    """Raises what `Service.sign_up` raises; and Busy where a server is away, so that the page
    can keep what was typed."""
    key = forms.idempotency_key(form_id, form)
    try:
        return await service.sign_up(found.event.slug, form, key, client_of(request))
    except Exception as error:
        if is_infrastructure(error):
            raise Busy from error
        raise


def _event_page(
    request: Request,
    found: PublicEvent,
    *,
    sent: Mapping[str, str] | None = None,
    failure: EinlassError | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    site, locale = site_of(request), language_of(request)
    gettext = site.look.gettext(locale)
    typed = sent or {}
    headers = {}
    if failure is not None:
        headers["Cache-Control"] = "no-store"
        if failure.retry_after is not None:
            headers["Retry-After"] = str(failure.retry_after)
    fields = forms.fields(found.event, typed, errors, gettext)
    terms = forms.terms(typed, errors, gettext)
    back = views.Filter.of_query(request.query_params.get("from", ""))
    return page(
        request,
        "event.html",
        status=failure.status if failure is not None else 200,
        headers=headers,
        event=views.page(found, locale),
        data=views.structured(found.event, site.settings.public_url, site.settings.organisation),
        fields=fields,
        terms=terms,
        bad=[field for field in (*fields, terms) if field.error],
        form_id=forms.form_id(typed),
        failure=failure,
        back=back,
        again=back.carried(found.event.slug),
    )


@router.get("/registrations/{registration_id}/{token}")
async def own(
    request: Request, service: People, board: Shown, registration_id: UUID, token: str
) -> Response:
    """A person's own page."""
    return await _own_page(request, "own.html", service, board, registration_id, token)


@router.get("/registrations/{registration_id}/{token}/calendar.ics")
async def own_calendar(
    request: Request, service: People, registration_id: UUID, token: str
) -> Response:
    """The event for the person's calendar. It has the UID of the invitations in our mails and
    the lowest SEQUENCE, so neither doubles the other and a later mail always updates it."""
    standing = await service.registration(registration_id, token)
    if standing.status != "confirmed":
        raise NotFound
    answer = _ics(request, PublicEvent(standing.event, None, "open"), str(standing.id), 0)
    answer.headers.update(PRIVATE)
    return answer


@router.get("/registrations/{registration_id}/{token}/cancel")
async def ask_to_cancel(
    request: Request, service: People, board: Shown, registration_id: UUID, token: str
) -> Response:
    """Says what cancelling means, with a button for it."""
    return await _own_page(request, "cancel.html", service, board, registration_id, token)


@router.post("/registrations/{registration_id}/{token}/cancel", dependencies=FROM_HERE)
async def cancel(
    request: Request, service: People, board: Shown, registration_id: UUID, token: str
) -> Response:
    """Cancels and leads back to the person's own page."""
    try:
        await service.cancel(registration_id, token)
    except CancellationClosed as error:
        return await _own_page(
            request, "cancel.html", service, board, registration_id, token, error.status
        )
    return RedirectResponse(f"/registrations/{registration_id}/{token}", 303, PRIVATE)


async def _own_page(
    request: Request,
    template: str,
    service: Service,
    board: Board,
    registration_id: UUID,
    token: str,
    status: int = 200,
) -> Response:
    standing = await service.registration(registration_id, token)
    found = board.get(standing.event.slug) or PublicEvent(standing.event, None, "closed")
    event, locale = standing.event, language_of(request)
    return page(
        request,
        template,
        status=status,
        headers=PRIVATE,
        standing=standing,
        event=views.page(found, locale),
        deadline=views.moment(event, event.cancel_until, locale),
        over=event.ends <= request.app.state.clock.now(),
        new=request.query_params.get("new") == "1",
        address=f"/registrations/{registration_id}/{token}",
    )


@router.get("/terms")
async def current_terms(request: Request, locale: Reader) -> Response:
    """The terms that a sign-up agrees to now."""
    return _terms_page(request, locale, site_of(request).terms.current)


@router.get("/terms/{version}")
async def older_terms(request: Request, locale: Reader, version: str) -> Response:
    """One version of the terms."""
    return _terms_page(request, locale, version)


def _terms_page(request: Request, locale: Locale, version: str) -> Response:
    terms = site_of(request).terms
    text = terms.text(version, locale)
    if text is None:
        raise NotFound
    return page(request, "terms.html", text=text, version=version, current=version == terms.current)


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    """What search engines may look at."""
    public_url = site_of(request).settings.public_url
    text = (
        "User-agent: *\nDisallow: /registrations/\nDisallow: /admin/\nDisallow: /api/\n"
        f"Sitemap: {public_url}/sitemap.xml\n"
    )
    return Response(text, media_type="text/plain")


@router.get("/sitemap.xml")
async def sitemap(request: Request, board: Shown) -> Response:
    """The addresses of all public pages."""
    body = views.sitemap(board.all(), site_of(request).settings.public_url)
    return Response(body, media_type="application/xml")


@router.get(f"{PREFIX}/{{name}}")
async def asset(request: Request, name: str) -> Response:
    """A style sheet, a script or a picture."""
    return site_of(request).look.assets.answer(name, request.headers.get("if-none-match"))


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """For browsers that ask without having read the page."""
    return RedirectResponse(site_of(request).look.assets.url("signal.svg"), 307)


def _ics(request: Request, found: PublicEvent, uid: str, sequence: int) -> Response:
    public_url = site_of(request).settings.public_url
    entry = views.calendar(found.event, public_url, uid, sequence, request.app.state.clock.now())
    return Response(
        ical.download(entry),
        media_type="text/calendar; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{found.event.slug}.ics"',
            "Cache-Control": "no-cache",
        },
    )
