"""Looking at an issue: as the mail on three screens, as plain text, and as the page.

Invariant: what is shown in a frame comes by an address of its own, with headers under which
nothing in it can act; and it shows what goes out, but for the links of a person's own.
"""

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from services.contracts.envelope import Locale
from services.kit.pages import language_of
from services.notifications.newsletter import archive
from services.notifications.newsletter.desk import (
    FRAMED_MAIL,
    FRAMED_PAGE,
    ROOM,
    WITH_FRAMES,
    Viewer,
    office_of,
)
from services.notifications.newsletter.office import Preview
from services.notifications.newsletter.rendering import without_person

DARK: Final = "@media (prefers-color-scheme: dark)"

router = APIRouter(prefix="/admin/newsletter/issues/{issue_id}", include_in_schema=False)
"""Beside `pages.router`."""

Shown = Literal["mail", "text", "web"]


@router.get("/preview")
async def preview(
    desk: Viewer,
    issue_id: UUID,
    locale: Annotated[Locale | None, Query()] = None,
    show: Annotated[Shown, Query()] = "mail",
) -> Response:
    """The page with the frames."""
    office = office_of(desk.request)
    seen = await office.preview(issue_id, desk.now)
    wanted = locale or language_of(desk.request)
    chosen = wanted if wanted in seen.renderings else seen.issue.fallback
    letter = seen.renderings.get(chosen)
    page = desk.page(
        "preview.html",
        issue=seen.issue,
        number=seen.scene.number,
        letter=letter,
        text=without_person(letter.text, office.settings.public_url) if letter else "",
        size=-(-len(letter.html.encode()) // 1000) if letter else 0,
        languages=[(each, name) for each, name in ROOM.look(desk.request).languages],
        chosen=chosen,
        written=list(seen.renderings),
        away=seen.away,
        show=show,
        address=f"/admin/newsletter/issues/{issue_id}",
    )
    page.headers.update(WITH_FRAMES)
    return page


@router.get("/mail.html")
async def mail(
    desk: Viewer,
    issue_id: UUID,
    locale: Locale,
    theme: Literal["light", "dark"] = "light",
) -> Response:
    """The mail's document, as a program shows it that is light or dark."""
    seen = await _seen(desk, issue_id)
    html = without_person(seen.letter(locale).html, office_of(desk.request).settings.public_url)
    html = html.replace(DARK, "@media all" if theme == "dark" else "@media not all")
    html = html.replace("color-scheme: light dark;", f"color-scheme: {theme};")
    # In the preview pictures come from here, also where the public address is another one.
    html = html.replace(f'src="{office_of(desk.request).settings.public_url}/', 'src="/')
    return HTMLResponse(html, headers=FRAMED_MAIL)


@router.get("/page.html")
async def page(desk: Viewer, issue_id: UUID, locale: Locale) -> Response:
    """The page of the archive."""
    seen = await _seen(desk, issue_id)
    return ROOM.page(
        desk.request,
        "issue.html",
        headers=FRAMED_PAGE,
        who=None,
        trial=True,
        **archive.issue_view(
            desk.request, seen.letter(locale), locale, seen.scene.number, seen.scene.at
        ),
    )


async def _seen(desk: Viewer, issue_id: UUID) -> Preview:
    return await office_of(desk.request).preview(issue_id, desk.now)
