"""The operators' pages of the newsletter: the plan of the year and all issues, and one issue:
writing it, looking at it, giving it its date, and seeing how it goes out.

Invariant: whoever has signed in may look, and editors may write and send. What is done is done by
POST from a page of ours, is committed before it is answered under the operator's own name, and
leads back to the page; where it cannot be done, that page says so and keeps what was typed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import EmailStr, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit.desk import FROM_HERE, Desk
from services.kit.errors import Busy, EinlassError, FieldError, Invalid
from services.kit.i18n import LOCALES, display_name
from services.kit.pages import PRIVATE, language_of
from services.notifications.bulk import service as bulk
from services.notifications.bulk.domain.errors import NotSending
from services.notifications.newsletter import forms, planning, repository, service, showing
from services.notifications.newsletter.desk import ROOM, Editor, Viewer, actor_of, office_of
from services.notifications.newsletter.domain.calendar import Quarter, quarter_at
from services.notifications.newsletter.domain.errors import (
    ChangedMeanwhile,
    MailRefused,
    NotADraft,
    NotBegun,
    NotPlanned,
    NotReady,
    PictureRefused,
    QuarterTaken,
    UnknownPicture,
)
from services.notifications.newsletter.domain.issue import Words
from services.notifications.newsletter.schemas import PICTURE_NAME
from services.notifications.smtp import ServerAwayError

HOME: Final = "/admin/newsletter"

# What an operator is told on the page that the order was given from.
TOLD: Final = (
    Invalid,
    ChangedMeanwhile,
    NotADraft,
    NotPlanned,
    NotBegun,
    NotReady,
    NotSending,
    QuarterTaken,
    PictureRefused,
    UnknownPicture,
    MailRefused,
    Busy,
)

Do = Callable[[AsyncConnection], Awaitable[Any]]
_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(EmailStr)

router = APIRouter(prefix=HOME, include_in_schema=False)

IssueId = Annotated[UUID, Path()]


def issue_at(issue_id: UUID) -> str:
    """The address of an issue's page."""
    return f"{HOME}/issues/{issue_id}"


# --- All issues -----------------------------------------------------------------------------------


@router.get("")
async def overview(
    desk: Viewer, year: Annotated[int | None, Query(ge=2000, le=2999)] = None
) -> Response:
    """The plan of a year, drafts, and what went out."""
    return await _overview(desk, year)


async def _overview(
    desk: Desk,
    year: int | None = None,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    zone = office_of(desk.request).settings.zone
    year = year or quarter_at(desk.now, zone).year
    async with desk.db.read() as conn:
        plan = await planning.year_plan(conn, year, zone)
        issues = await repository.every(conn)
        deleted = await repository.every(conn, deleted=True)
        begun = [issue.id for issue in issues if issue.number is not None]
        counts = await bulk.progress_of(conn, begun)
        expected = await showing.numbers(conn, issues, zone)
    return desk.page(
        "issues.html",
        failure=failure,
        plan=plan,
        year=year,
        open_issues=[issue for issue in issues if issue.open],
        gone=[issue for issue in issues if not issue.open],
        deleted=deleted,
        counts=counts,
        numbers=expected,
        issue_at=issue_at,
        this_quarter=quarter_at(desk.now, zone),
        sent=sent or {},
    )


@router.post("/issues", dependencies=FROM_HERE)
async def create(desk: Editor) -> Response:
    """A new draft, and to where it is written."""
    async with desk.db.transaction() as conn:
        issue = await service.create(conn, {}, actor_of(desk))
    return RedirectResponse(issue_at(issue.id), 303, PRIVATE)


@router.post("/plan/{year}/{quarter}", dependencies=FROM_HERE)
async def set_date(
    desk: Editor,
    year: Annotated[int, Path(ge=2000, le=2999)],
    quarter: Annotated[int, Path(ge=1, le=4)],
) -> Response:
    """Gives a quarter another date."""
    sent = await forms.texts(desk)
    try:
        to = forms.date_of(sent)
        async with desk.db.transaction() as conn:
            await planning.set_date(conn, Quarter(year, quarter), to, actor_of(desk))
    except Invalid as error:
        return await _overview(desk, year, failure=error, sent={**sent, "quarter": str(quarter)})
    return RedirectResponse(f"{HOME}?year={year}&done=date", 303, PRIVATE)


# --- One issue ------------------------------------------------------------------------------------


@router.get("/issues/{issue_id}")
async def read_issue(desk: Viewer, issue_id: IssueId) -> Response:
    """An issue: to write it, or how it goes out."""
    return await _issue(desk, issue_id)


async def _issue(
    desk: Desk,
    issue_id: UUID,
    *,
    failure: EinlassError | None = None,
    typed: Mapping[Locale, Words] | None = None,
    sent: Mapping[str, str] | None = None,
    order: str = "",
) -> Response:
    office = office_of(desk.request)
    preview = await office.preview(issue_id, desk.now)
    issue = preview.issue
    shown = replace(issue, words={**issue.words, **(typed or {})})
    async with desk.db.read() as conn:
        acts = await repository.acts(conn, issue_id, 20)
        pictures = await repository.pictures(conn, issue_id)
        progress = await bulk.progress(conn, issue_id) if issue.number is not None else None
        links = await repository.clicks(conn, issue_id)
        at = await planning.suggested(conn, issue, desk.now, office.settings.zone)
    return desk.page(
        "desk_issue.html" if issue.open else "desk_sent.html",
        failure=failure,
        issue=issue,
        shown=shown,
        locales=_languages(),
        preview=preview,
        number=preview.scene.number,
        findings=showing.findings(office.look_over(preview), _gettext(desk)),
        refused=showing.refused(failure, _gettext(desk)),
        acts=acts,
        pictures=pictures,
        progress=progress,
        links=links,
        at=at,
        address=issue_at(issue_id),
        home=HOME,
        sent=sent or {},
        order=order,
    )


@router.post("/issues/{issue_id}/words", dependencies=FROM_HERE)
async def write(desk: Editor, issue_id: IssueId) -> Response:
    """Keeps the texts."""
    sent = await forms.texts(desk)
    typed: dict[Locale, Words] = {}
    try:
        typed = forms.words_of(sent)
        async with desk.db.transaction() as conn:
            await service.write(conn, issue_id, forms.version_of(sent), typed, actor_of(desk))
    except TOLD as error:
        return await _issue(
            desk, issue_id, failure=error, typed=typed or forms.rough(sent), order="words"
        )
    then = "/preview" if sent.get("then") == "preview" else ""
    return RedirectResponse(f"{issue_at(issue_id)}{then}?done=words", 303, PRIVATE)


@router.post("/issues/{issue_id}/plan", dependencies=FROM_HERE)
async def plan(desk: Editor, issue_id: IssueId) -> Response:
    """Gives the issue its date, or another one, or sends it now."""
    sent, office, who = await forms.texts(desk), office_of(desk.request), actor_of(desk)
    try:
        now = sent.get("when") == "now"
        at = desk.now if now else planning.moment_of(forms.date_of(sent), office.settings.zone)
        service.ready(await office.check(issue_id, desk.now))
        async with desk.db.transaction() as conn:
            await service.plan(
                conn, issue_id, forms.version_of(sent), at, who, second=sent.get("second") == "yes"
            )
    except TOLD as error:
        return await _issue(desk, issue_id, failure=error, sent=sent, order="plan")
    return RedirectResponse(f"{issue_at(issue_id)}?done=plan", 303, PRIVATE)


async def _do(desk: Desk, issue_id: UUID, order: str, do: Do) -> Response:
    """Does something to an issue, and leads back to its page."""
    try:
        async with desk.db.transaction() as conn:
            await do(conn)
    except TOLD as error:
        return await _issue(desk, issue_id, failure=error, order=order)
    return RedirectResponse(f"{issue_at(issue_id)}?done={order}", 303, PRIVATE)


@router.post("/issues/{issue_id}/unplan", dependencies=FROM_HERE)
async def unplan(desk: Editor, issue_id: IssueId) -> Response:
    """Takes the date back."""
    who = actor_of(desk)
    return await _do(desk, issue_id, "unplan", lambda conn: service.unplan(conn, issue_id, who))


@router.post("/issues/{issue_id}/stop", dependencies=FROM_HERE)
async def stop(desk: Editor, issue_id: IssueId) -> Response:
    """Holds the sending."""
    who = actor_of(desk)
    return await _do(desk, issue_id, "stop", lambda conn: service.stop(conn, issue_id, who))


@router.post("/issues/{issue_id}/resume", dependencies=FROM_HERE)
async def resume(desk: Editor, issue_id: IssueId) -> Response:
    """Goes on with it."""
    who = actor_of(desk)
    return await _do(desk, issue_id, "resume", lambda conn: service.resume(conn, issue_id, who))


@router.post("/issues/{issue_id}/delete", dependencies=FROM_HERE)
async def delete(desk: Editor, issue_id: IssueId) -> Response:
    """Takes a draft away."""
    try:
        async with desk.db.transaction() as conn:
            await service.delete(conn, issue_id, actor_of(desk))
    except TOLD as error:
        return await _issue(desk, issue_id, failure=error, order="delete")
    return RedirectResponse(f"{HOME}?done=delete", 303, PRIVATE)


@router.post("/issues/{issue_id}/restore", dependencies=FROM_HERE)
async def restore(desk: Editor, issue_id: IssueId) -> Response:
    """Brings it back."""
    who = actor_of(desk)
    return await _do(desk, issue_id, "restore", lambda conn: service.restore(conn, issue_id, who))


@router.post("/issues/{issue_id}/trial", dependencies=FROM_HERE)
async def send_trial(desk: Editor, issue_id: IssueId) -> Response:
    """Sends the issue to one address."""
    sent = await forms.texts(desk)
    try:
        to = _EMAIL.validate_python(sent.get("to", "").strip())
        locale = forms.locale_of(sent.get("locale", ""))
        await office_of(desk.request).try_out(issue_id, locale, to, desk.now)
    except ValidationError:
        bad = Invalid([FieldError("#/to", "email", "This is no e-mail address.")])
        return await _issue(desk, issue_id, failure=bad, sent=sent, order="trial")
    except ServerAwayError:
        return await _issue(desk, issue_id, failure=Busy(), sent=sent, order="trial")
    except TOLD as error:
        return await _issue(desk, issue_id, failure=error, sent=sent, order="trial")
    return RedirectResponse(f"{issue_at(issue_id)}?done=trial", 303, PRIVATE)


@router.post("/issues/{issue_id}/pictures", dependencies=FROM_HERE)
async def add_picture(desk: Editor, issue_id: IssueId) -> Response:
    """Keeps a picture under its file's name."""
    async with desk.request.form() as form:
        file = form.get("file")
        name = showing.file_name(file.filename or "") if isinstance(file, UploadFile) else ""
        data = await file.read() if isinstance(file, UploadFile) else b""
    who = actor_of(desk)
    return await _do(
        desk,
        issue_id,
        "picture",
        lambda conn: service.put_picture(conn, issue_id, name, data, who),
    )


@router.post("/issues/{issue_id}/pictures/{name}/delete", dependencies=FROM_HERE)
async def drop_picture(
    desk: Editor, issue_id: IssueId, name: Annotated[str, Path(pattern=PICTURE_NAME)]
) -> Response:
    """Takes a picture away."""
    who = actor_of(desk)
    return await _do(
        desk,
        issue_id,
        "picture_gone",
        lambda conn: service.drop_picture(conn, issue_id, name, who),
    )


@router.get("/issues/{issue_id}/checks")
async def checks(desk: Viewer, issue_id: IssueId) -> Response:
    """All checks; the links are asked."""
    office = office_of(desk.request)
    preview = await office.preview(issue_id, desk.now)
    found = await office.check(issue_id, desk.now)
    return desk.page(
        "checks.html",
        issue=preview.issue,
        number=preview.scene.number,
        findings=showing.findings(found, _gettext(desk)),
        address=issue_at(issue_id),
    )


@router.post("/issues/{issue_id}/resend", dependencies=FROM_HERE)
async def resend(desk: Editor, issue_id: IssueId) -> Response:
    """Tries again those that failed, or of which nothing is known."""
    sent = await forms.texts(desk)
    wanted: Literal["failed", "unknown"] = "unknown" if sent.get("what") == "unknown" else "failed"
    who = actor_of(desk)
    return await _do(
        desk, issue_id, "resend", lambda conn: service.resend(conn, issue_id, wanted, who)
    )


# --- Back -----------------------------------------------------------------------------------------


async def back(desk: Viewer, issue_id: IssueId) -> Response:
    """For whoever comes here by the address of a form, or changes the language of a page that
    followed one, or has signed in again: nothing is done."""
    query = desk.request.url.query
    address = issue_at(issue_id)
    return RedirectResponse(f"{address}?{query}" if query else address, 303, PRIVATE)


for _order in (
    *("words", "plan", "unplan", "stop", "resume", "delete", "restore", "trial", "pictures"),
    *("resend", "pictures/{name}/delete"),
):
    router.add_api_route(f"/issues/{{issue_id}}/{_order}", back, methods=["GET"])


@router.get("/issues")
@router.get("/plan/{year}/{quarter}")
async def back_home(desk: Viewer) -> Response:
    """Leads to all issues."""
    return RedirectResponse(HOME, 303, PRIVATE)


def _gettext(desk: Desk) -> Callable[[str], str]:
    return ROOM.look(desk.request).gettext(language_of(desk.request))


def _languages() -> list[tuple[Locale, str]]:
    """The languages, German first, with their own names."""
    return [(locale, display_name(locale)) for locale in sorted(LOCALES)]
