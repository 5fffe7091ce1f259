"""Where operators sign in and out.

Invariant: a session begins and ends only by POST from a page of ours; its token is in a cookie
that no script can read and that goes to pages below /admin alone. From here one is led to such
pages only.
"""

from typing import Annotated, Final, Literal, TypedDict

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.kit.errors import Busy, EinlassError, TooManyRequests
from services.kit.operators import ADMIN, LOGIN, LOGOUT, SESSION_COOKIE, is_admin_address
from services.kit.pages import typed_in, unkept
from services.kit.web import client_of
from services.registration.sign_in import Refusal, SignedIn, SignIn
from services.registration.site import FROM_HERE, PRIVATE, page, site_of

HOME: Final = "/admin/waitlist"

router = APIRouter(include_in_schema=False)
"""Wants `sign_in` and `introspection` in the application's state."""


def _sign_in(request: Request) -> SignIn:
    return request.app.state.sign_in  # type: ignore[no-any-return]


Door = Annotated[SignIn, Depends(_sign_in)]


@router.get(ADMIN)
async def home() -> Response:
    """The first of the operators' pages."""
    return RedirectResponse(HOME, 303, PRIVATE)


@router.get(LOGIN)
async def ask(request: Request) -> Response:
    """The form; or on, for whoever has signed in already."""
    wish = request.query_params.get("next", "")
    token = request.cookies.get(SESSION_COOKIE)
    if token and request.query_params.get("out") is None:
        try:
            known = await request.app.state.introspection(token)
        except Busy:
            return _form(request, wish, refusal="away")
        if known:
            return _onwards(wish)
    return _form(request, wish)


@router.post(LOGIN, dependencies=FROM_HERE)
async def sign_in(request: Request, door: Door) -> Response:
    """Begins a session; one that this browser had before ends."""
    sent = typed_in(await request.form())
    name, wish = sent.get("name", "").strip(), sent.get("next", "")
    try:
        outcome = await door.sign_in(name, sent.get("password", ""), client_of(request))
    except (TooManyRequests, Busy) as error:
        return _form(request, wish, name=name, failure=error)
    if not isinstance(outcome, SignedIn):
        return _form(request, wish, name=name, refusal=outcome)
    before = request.cookies.get(SESSION_COOKIE)
    if before:
        await door.sign_out(before)
    answer = _onwards(wish)
    answer.set_cookie(SESSION_COOKIE, outcome.token, **_cookie(request))
    return answer


@router.post(LOGOUT, dependencies=FROM_HERE)
async def sign_out(request: Request, door: Door) -> Response:
    """Ends the session; where Redis is away, at least in this browser."""
    token = request.cookies.get(SESSION_COOKIE)
    ended = await door.sign_out(token) if token else True
    answer = RedirectResponse(f"{LOGIN}?out={'everywhere' if ended else 'here'}", 303, PRIVATE)
    answer.delete_cookie(SESSION_COOKIE, **_cookie(request))
    return answer


@router.get(LOGOUT)
async def nothing_ended() -> Response:
    """For whoever comes here by the form's address: nothing is ended by looking."""
    return RedirectResponse(LOGIN, 303, PRIVATE)


def _onwards(wish: str) -> Response:
    return RedirectResponse(wish if is_admin_address(wish) else ADMIN, 303, PRIVATE)


class _Cookie(TypedDict):
    path: str
    httponly: bool
    samesite: Literal["lax"]
    secure: bool


def _cookie(request: Request) -> _Cookie:
    secure = site_of(request).settings.public_url.startswith("https://")
    return _Cookie(path=ADMIN, httponly=True, samesite="lax", secure=secure)


def _form(
    request: Request,
    wish: str,
    *,
    name: str = "",
    refusal: Refusal | None = None,
    failure: EinlassError | None = None,
) -> Response:
    """The form, with what is in the way. A refusal is no 401, which would have to name a way to
    sign in by header (RFC 9110, 15.5.2)."""
    status = {None: 200, "wrong": 422, "away": 503}[refusal]
    return page(
        request,
        "login.html",
        status=failure.status if failure is not None else status,
        headers={**PRIVATE, **(unkept(failure) if failure is not None else {})},
        wish=wish if is_admin_address(wish) else "",
        name=name,
        refusal=refusal,
        failure=failure,
        out=request.query_params.get("out"),
    )
