"""The public pages: overview, event, sign-up, terms; and with them those of `own_pages`.

Invariant: state changes only on POST from a page of ours. No page shows a number of seats of an
event. Every page is whole without JavaScript.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit import etag
from services.kit.db import is_infrastructure
from services.kit.errors import (
    Busy,
    EinlassError,
    FieldError,
    Invalid,
    NotFound,
    TooManyRequests,
)
from services.kit.look.assets import PREFIX
from services.kit.pages import typed_in
from services.kit.web import client_of
from services.registration import forms, kept, line_views, own_pages, views
from services.registration.board import PublicEvent
from services.registration.domain.errors import (
    AlreadyRegistered,
    EventFull,
    RegistrationClosed,
)
from services.registration.domain.form import SignUp
from services.registration.service import Service, SignedUp
from services.registration.site import (
    FROM_HERE,
    PRIVATE,
    People,
    Reader,
    Shown,
    calendar_file,
    language_of,
    page,
    site_of,
    start,
    unkept,
)

# What a person is told on the form's own page, beside bad fields.
TOLD: Final = (EventFull, AlreadyRegistered, RegistrationClosed, Busy, TooManyRequests)

router = APIRouter(include_in_schema=False, lifespan=start)
"""Wants `settings`, `service`, `board` and `clock` in the application's state."""


def _event(request: Request, slug: str) -> PublicEvent:
    found = request.app.state.board.get(slug)
    if found is None:
        raise NotFound
    return found  # type: ignore[no-any-return]


Found = Annotated[PublicEvent, Depends(_event)]


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
    return page(request, "error.html", status=error.status, headers=unkept(error), error=error)


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
    return calendar_file(request, found.event, str(found.event.id), found.event.version)


@router.get("/events/{slug}")
async def event(request: Request, slug: str) -> Response:
    """One event with its form."""
    return _kept(request, _event_page(request, _event(request, slug)))


@router.post("/events/{slug}", dependencies=FROM_HERE)
async def sign_up(request: Request, found: Found, service: People, locale: Reader) -> Response:
    """Signs up and leads to the person's own page; or shows the form again."""
    received = await request.form()
    sent, also = typed_in(received), forms.also(received)
    form = forms.sign_up(found.event, sent, also, locale)
    try:
        done = await _send(request, service, found, form, sent.get("form_id", ""))
    except Invalid as error:
        return _event_page(request, found, sent=sent, also=also, failure=error, errors=error.errors)
    except TOLD as error:
        # The event may have closed or filled up meanwhile, so it is looked at anew.
        now = request.app.state.board.get(found.event.slug) or found
        return _event_page(request, now, sent=sent, also=also, failure=error)
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
    also: Sequence[str] = (),
    failure: EinlassError | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    site, locale = site_of(request), language_of(request)
    gettext = site.look.gettext(locale)
    typed = sent or {}
    fields = forms.fields(found.event, typed, errors, gettext)
    terms = forms.terms(typed, errors, gettext)
    too = line_views.dates_too(found, request.app.state.board.all(), locale)
    dates = forms.dates(too, also, errors, gettext)
    shown: list[forms.Field | forms.Dates] = [*fields, dates, terms]
    back = views.Filter.of_query(request.query_params.get("from", ""))
    return page(
        request,
        "event.html",
        status=failure.status if failure is not None else 200,
        headers=unkept(failure) if failure is not None else {},
        event=views.page(found, locale),
        data=views.structured(found.event, site.settings.public_url, site.settings.organisation),
        moves=line_views.moves(found.event, locale),
        fields=fields,
        dates=dates,
        terms=terms,
        newsletter=forms.newsletter(typed),
        bad=[field for field in shown if field.error],
        form_id=forms.form_id(typed),
        failure=failure,
        back=back,
        again=back.carried(found.event.slug),
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
        "User-agent: *\nDisallow: /registrations/\nDisallow: /newsletter/s/\n"
        "Disallow: /newsletter/confirm/\nDisallow: /admin/\nDisallow: /api/\n"
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


router.include_router(own_pages.router)
