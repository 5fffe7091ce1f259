"""The newsletter's public pages: what it is, the current issue, all issues, the feed.

Invariant: an issue is here from the moment in which its sending begins, as it was rendered then.
Every answer can be kept by whoever asks first whether it is still the same (ETag), and a picture
for good, since its address names what is in it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit import dates, etag
from services.kit.db import Database
from services.kit.errors import NotFound
from services.kit.look.assets import ASK_FIRST, FOREVER
from services.kit.pages import language_of
from services.notifications.newsletter import repository
from services.notifications.newsletter.desk import ROOM, STYLE, STYLE_NAME, office_of
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.issue import PREFERRED, Rendering
from services.notifications.newsletter.rendering import LIGHTS
from services.notifications.newsletter.repository import Listed
from services.notifications.subscribers.domain.wording import WORDING_VERSION, wording

KEPT: Final = {
    "Cache-Control": "public, max-age=0, s-maxage=1, must-revalidate",
    "Vary": "Accept-Language, Cookie",
}
FEED_ENTRIES: Final = 12
# Mail programs on the web show pictures of ours on their own pages.
_SHOWN_ANYWHERE: Final = {"cross-origin-resource-policy": "cross-origin"}
_PICTURE: Final = re.compile(r"([0-9a-f]{20})\.(png|jpg|webp)")

router = APIRouter(prefix="/newsletter", include_in_schema=False)
"""Wants `settings`, `db` and `clock` in the application's state."""


@router.get("")
async def overview(request: Request) -> Response:
    """What it is, how to subscribe, and all issues by year."""
    listed = await _listed(request)
    years = [
        (year, list(issues)) for year, issues in groupby(listed, key=lambda each: each.number.year)
    ]
    return _page(request, "archive.html", years=years, newest=listed[0] if listed else None)


@router.get("/latest")
async def latest(request: Request) -> Response:
    """Leads to the newest issue."""
    listed = await _listed(request)
    headers = {"Cache-Control": ASK_FIRST}
    return RedirectResponse(path_of(listed[0].number) if listed else "/newsletter", 302, headers)


@router.get("/feed.xml")
async def feed(request: Request) -> Response:
    """The newest issues as Atom (RFC 4287), whole, in the reader's language."""
    settings = office_of(request).settings
    entries: list[tuple[Listed, str]] = []
    async with _database(request).read() as conn:
        for each in _in_language(await repository.archive(conn), language_of(request)):
            if len(entries) == FEED_ENTRIES:
                break
            issue = await repository.by_number(conn, each.number)
            assert issue is not None
            whole = (await repository.renderings(conn, issue.id))[each.locale]
            content = whole.web.replace('src="/', f'src="{settings.public_url}/')
            entries.append((each, content))
    locale = language_of(request)
    body = (
        ROOM.look(request)
        .render(
            "feed.xml",
            locale,
            {
                "site": settings.public_url,
                "newsletter": settings.newsletter_title,
                "entries": entries,
                "path_of": path_of,
                "updated": entries[0][0].begun_at if entries else None,
            },
        )
        .encode()
    )
    return _kept(
        request,
        Response(
            body,
            media_type="application/atom+xml; charset=utf-8",
            headers={"Content-Language": locale},
        ),
    )


@router.get("/{year:int}/{number:int}")
async def read_issue(request: Request, year: int, number: int) -> Response:
    """One issue."""
    if not (0 < year < 10_000 and 0 < number < 10_000):
        raise NotFound
    wanted = Number(year, number)
    async with _database(request).read() as conn:
        issue = await repository.by_number(conn, wanted)
        if issue is None or issue.begun_at is None:
            raise NotFound
        found = await repository.renderings(conn, issue.id)
        listed = _in_language(await repository.archive(conn), language_of(request))
    locale, rendering = chosen(found, language_of(request))
    numbers = [each.number for each in listed]
    at = numbers.index(wanted)
    return _page(
        request,
        "issue.html",
        **issue_view(request, rendering, locale, wanted, issue.begun_at),
        newer=listed[at - 1] if at else None,
        older=listed[at + 1] if at + 1 < len(listed) else None,
        trial=False,
    )


def issue_view(
    request: Request, rendering: Rendering, locale: Locale, number: Number, at: datetime
) -> dict[str, Any]:
    """What the page of an issue shows. `rendering` is in `locale`."""
    settings = office_of(request).settings
    day = at.astimezone(settings.zone).date()
    return {
        "newsletter": settings.newsletter_title,
        "rendering": rendering,
        "number": number,
        "month": dates.month(day, language_of(request)),
        "written_in": locale,
        "path_of": path_of,
        "site": settings.public_url,
    }


def chosen(found: Mapping[Locale, Rendering], locale: Locale) -> tuple[Locale, Rendering]:
    """The rendering for a reader, and its language. Raises NotFound where there is none."""
    for each in (locale, *PREFERRED):
        if each in found:
            return each, found[each]
    raise NotFound


@router.get("/pictures/{name}")
async def picture(request: Request, name: str) -> Response:
    """A picture of an issue."""
    match = _PICTURE.fullmatch(name)
    if match is None:
        raise NotFound
    tag = f'"{match[1]}"'
    headers = {"Cache-Control": FOREVER, "ETag": tag, **_SHOWN_ANYWHERE}
    async with _database(request).read() as conn:
        found = await repository.picture_data(conn, match[1], match[2])
    if found is None:
        raise NotFound
    if etag.is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    media_type, data = found
    return Response(data, media_type=media_type, headers=headers)


@router.get("/lights/{name}")
async def light(request: Request, name: str) -> Response:
    """A lamp, for mails, which cannot draw it."""
    if name not in LIGHTS:
        raise NotFound
    headers = {"Cache-Control": "public, max-age=86400", **_SHOWN_ANYWHERE}
    return _tagged(request, Response(LIGHTS[name], media_type="image/png", headers=headers))


@router.get(f"/{STYLE_NAME}")
async def style() -> Response:
    """What these pages have beside the look of all."""
    headers = {"Cache-Control": FOREVER}
    return Response(STYLE, media_type="text/css; charset=utf-8", headers=headers)


def path_of(number: Number) -> str:
    """The path of an issue's page."""
    return f"/newsletter/{number.year}/{number.number}"


def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


async def _listed(request: Request) -> list[Listed]:
    async with _database(request).read() as conn:
        return _in_language(await repository.archive(conn), language_of(request))


def _in_language(listed: list[Listed], locale: Locale) -> list[Listed]:
    """Each issue once, in the reader's language where it is written in it."""
    wanted = (locale, *PREFERRED)
    return [
        min(each, key=lambda one: wanted.index(one.locale))
        for _, each in groupby(listed, key=lambda one: one.number)
    ]


def _page(request: Request, template: str, **context: Any) -> Response:
    settings = office_of(request).settings
    context.setdefault("newsletter", settings.newsletter_title)
    context.setdefault("path_of", path_of)
    context["counted"] = settings.counts_clicks
    locale = language_of(request)
    # What the form asks consent to is the subscribers' to say; the version goes with it.
    context["consent_version"] = WORDING_VERSION
    context["consent"] = wording(WORDING_VERSION, locale, settings.organisation)
    return _kept(request, ROOM.page(request, template, who=None, **context))


def _kept(request: Request, answer: Response) -> Response:
    """The answer with what caches need; one that sets a cookie is kept by nobody."""
    if "set-cookie" in answer.headers:
        return answer
    answer.headers.update(KEPT)
    return _tagged(request, answer)


def _tagged(request: Request, answer: Response) -> Response:
    tag = etag.of(bytes(answer.body))
    answer.headers["ETag"] = tag
    if etag.is_known(tag, request.headers.get("if-none-match")):
        about = {"content-length", "content-type"}
        headers = {name: value for name, value in answer.headers.items() if name not in about}
        return Response(status_code=304, headers=headers)
    return answer
