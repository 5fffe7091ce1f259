"""What the pages of every service share: the reader's language, and the headers of an answer.

Invariant: a page is written in one language, which the answer names; a language chosen in the
address is kept in a cookie, and in no other case is one set here.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, Response

from services.contracts.envelope import Locale
from services.kit.errors import EinlassError
from services.kit.i18n import LOCALES, negotiate
from services.kit.look import Look

LANGUAGE_COOKIE: Final = "lang"
MAX_TYPED: Final = 5000
A_YEAR: Final = 365 * 24 * 60 * 60
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


@lru_cache(maxsize=1_000)
def language(wish: str | None, cookie: str | None, accept: str | None) -> Locale:
    """The reader's language: the address's wish, else the Cookie header's, else the browser's."""
    for said in (wish, cookie_parser(cookie).get(LANGUAGE_COOKIE) if cookie else None):
        for locale in LOCALES:
            if said == locale:
                return locale
    return negotiate(accept)


def language_of(request: Request) -> Locale:
    """The language of whoever asks."""
    headers = request.headers
    return language(
        request.query_params.get("lang"), headers.get("cookie"), headers.get("accept-language")
    )


def typed_in(form: FormData) -> dict[str, str]:
    """The texts of a form, each in its first 5,000 characters; files are left out."""
    return {name: text[:MAX_TYPED] for name, text in form.items() if isinstance(text, str)}


def page(
    request: Request,
    look: Look,
    template: str,
    context: Mapping[str, Any],
    *,
    secure: bool,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page in the reader's language. A language chosen in the address is kept in a cookie,
    `secure` where the public address is https."""
    locale = language_of(request)
    rest = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    links = [
        (other, name, "?" + urlencode([*rest, ("lang", other)])) for other, name in look.languages
    ]
    html = look.render(template, locale, {"language_links": links, **context})
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
            LANGUAGE_COOKIE, locale, max_age=A_YEAR, httponly=True, samesite="lax", secure=secure
        )
    return answer


def unkept(error: EinlassError) -> dict[str, str]:
    """The headers of a page that tells of a failure: nobody keeps it."""
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers
