"""The issues of the newsletter, for operators.

Invariant: it asks for an operator first, of any role to look and of an editor's to write, plan
and send; what is done is committed before it is answered, under the operator's own name.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.contracts.envelope import Locale
from services.kit.depends import Db, Now, never_kept
from services.kit.errors import Busy
from services.kit.openapi import fails
from services.kit.operators import Operator, require
from services.notifications.bulk import service as bulk
from services.notifications.bulk.domain.errors import NotSending, SendNotFound
from services.notifications.newsletter import planning, repository, service
from services.notifications.newsletter.desk import office_of
from services.notifications.newsletter.domain.calendar import Date, Quarter
from services.notifications.newsletter.domain.errors import (
    ChangedMeanwhile,
    MailRefused,
    NotADraft,
    NotBegun,
    NotPlanned,
    NotReady,
    PictureRefused,
    QuarterTaken,
    UnknownIssue,
    UnknownPicture,
)
from services.notifications.newsletter.export import unreached_csv
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.planning import Actor
from services.notifications.newsletter.schemas import (
    PICTURE_NAME,
    ActOut,
    ChecksOut,
    ClicksOut,
    CountsOut,
    IssueIn,
    IssueOut,
    IssuePatch,
    PictureOut,
    PlanIn,
    PreviewOut,
    QuarterIn,
    QuarterOut,
    TestIn,
)
from services.notifications.smtp import ServerAwayError


def _actor(
    request: Request, now: Now, who: Annotated[Operator, Depends(require("editor"))]
) -> Actor:
    return Actor(who.name, now, office_of(request).settings.zone)


router = APIRouter(
    prefix="/api/v1/admin/newsletter",
    tags=["newsletter"],
    dependencies=[Depends(require("viewer")), Depends(never_kept)],
)

Who = Annotated[Actor, Depends(_actor)]
Rooms = Annotated[Office, Depends(office_of)]
IssueId = Annotated[UUID, Path(description="The issue's id.")]
Name = Annotated[str, Path(description="The picture's name.", pattern=PICTURE_NAME)]


@router.get("/issues", summary="All issues: the next first, then drafts, then what went out")
async def list_issues(db: Db) -> list[IssueOut]:
    async with db.read() as conn:
        return [IssueOut.of(issue) for issue in await repository.every(conn)]


@router.post("/issues", status_code=201, summary="A new draft")
async def create_issue(db: Db, who: Who, body: IssueIn) -> IssueOut:
    words = {locale: doc.words() for locale, doc in body.words.items()}
    async with db.transaction() as conn:
        return IssueOut.of(await service.create(conn, words, who))


@router.get("/issues/{issue_id}", summary="One issue", responses=fails(UnknownIssue))
async def read_issue(db: Db, issue_id: IssueId) -> IssueOut:
    async with db.read() as conn:
        return IssueOut.of(await service.read(conn, issue_id))


@router.patch(
    "/issues/{issue_id}",
    summary="Change an issue's texts",
    responses=fails(UnknownIssue, ChangedMeanwhile, NotADraft),
)
async def change_issue(db: Db, who: Who, issue_id: IssueId, body: IssuePatch) -> IssueOut:
    words = {locale: doc.words() for locale, doc in body.words.items()}
    async with db.transaction() as conn:
        return IssueOut.of(await service.write(conn, issue_id, body.version, words, who))


@router.delete(
    "/issues/{issue_id}",
    status_code=204,
    summary="Delete a draft; it can be restored",
    responses=fails(UnknownIssue, NotADraft),
)
async def delete_issue(db: Db, who: Who, issue_id: IssueId) -> None:
    async with db.transaction() as conn:
        await service.delete(conn, issue_id, who)


@router.post(
    "/issues/{issue_id}/restoration",
    summary="Bring a deleted draft back",
    responses=fails(UnknownIssue),
)
async def restore_issue(db: Db, who: Who, issue_id: IssueId) -> IssueOut:
    async with db.transaction() as conn:
        return IssueOut.of(await service.restore(conn, issue_id, who))


@router.get(
    "/issues/{issue_id}/checks",
    summary="What keeps an issue back, and what is to be thought of",
    responses=fails(UnknownIssue),
)
async def check_issue(
    office: Rooms,
    now: Now,
    issue_id: IssueId,
    links: Annotated[bool, Query(description="Ask the links whether they answer.")] = True,
) -> ChecksOut:
    return ChecksOut.of(await office.check(issue_id, now, links=links))


@router.get(
    "/issues/{issue_id}/preview",
    summary="How an issue goes out in one language, or went out",
    responses=fails(UnknownIssue),
)
async def preview_issue(
    office: Rooms, now: Now, issue_id: IssueId, locale: Locale = "de"
) -> PreviewOut:
    seen = await office.preview(issue_id, now)
    return PreviewOut.of(seen.scene.number, seen.letter(locale))


@router.post(
    "/issues/{issue_id}/trial",
    status_code=202,
    summary="Send an issue to one address, to see it there",
    responses=fails(UnknownIssue, MailRefused, Busy),
)
async def send_trial(office: Rooms, who: Who, issue_id: IssueId, body: TestIn) -> None:
    try:
        await office.try_out(issue_id, body.locale, body.to, who.now)
    except ServerAwayError as error:
        raise Busy from error


@router.put(
    "/issues/{issue_id}/plan",
    summary="Give an issue its date, or another one",
    responses=fails(UnknownIssue, ChangedMeanwhile, NotADraft, QuarterTaken, NotReady),
)
async def plan_issue(db: Db, office: Rooms, who: Who, issue_id: IssueId, body: PlanIn) -> IssueOut:
    service.ready(await office.check(issue_id, who.now))
    at = body.at if body.at is not None else who.now
    async with db.transaction() as conn:
        return IssueOut.of(
            await service.plan(conn, issue_id, body.version, at, who, second=body.second)
        )


@router.delete(
    "/issues/{issue_id}/plan",
    summary="Take the date back",
    responses=fails(UnknownIssue, NotADraft, NotPlanned),
)
async def unplan_issue(db: Db, who: Who, issue_id: IssueId) -> IssueOut:
    async with db.transaction() as conn:
        return IssueOut.of(await service.unplan(conn, issue_id, who))


@router.post(
    "/issues/{issue_id}/stop",
    summary="Hold the sending; what is on the line is finished",
    responses=fails(UnknownIssue, NotBegun, NotSending),
)
async def stop_issue(db: Db, who: Who, issue_id: IssueId) -> IssueOut:
    async with db.transaction() as conn:
        return IssueOut.of(await service.stop(conn, issue_id, who))


@router.post(
    "/issues/{issue_id}/resume",
    summary="Go on with a sending that was held",
    responses=fails(UnknownIssue, NotBegun, NotSending),
)
async def resume_issue(db: Db, who: Who, issue_id: IssueId) -> IssueOut:
    async with db.transaction() as conn:
        return IssueOut.of(await service.resume(conn, issue_id, who))


@router.get(
    "/issues/{issue_id}/counts",
    summary="How far the sending is",
    responses=fails(UnknownIssue, SendNotFound),
)
async def read_counts(db: Db, issue_id: IssueId) -> CountsOut:
    async with db.read() as conn:
        await service.read(conn, issue_id)
        return CountsOut.of(await bulk.progress(conn, issue_id))


@router.get(
    "/issues/{issue_id}/clicks",
    summary="How often the links of an issue's mails were followed",
    responses=fails(UnknownIssue, NotBegun),
)
async def read_clicks(db: Db, issue_id: IssueId) -> ClicksOut:
    async with db.read() as conn:
        return ClicksOut.of(await service.clicks(conn, issue_id))


@router.get(
    "/issues/{issue_id}/unreached.csv",
    summary="Who got nothing, and why",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **fails(UnknownIssue, SendNotFound),
    },
    dependencies=[Depends(require("editor"))],
)
async def export_unreached(db: Db, issue_id: IssueId) -> Response:
    async with db.read() as conn:
        await service.read(conn, issue_id)
        await bulk.state(conn, issue_id)
    return unreached_csv(db, issue_id)


@router.get(
    "/issues/{issue_id}/log",
    summary="Who did what to an issue, newest first",
    responses=fails(UnknownIssue),
)
async def read_log(
    db: Db, issue_id: IssueId, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> list[ActOut]:
    async with db.read() as conn:
        await service.read(conn, issue_id, deleted=True)
        return [ActOut.of(act) for act in await repository.acts(conn, issue_id, limit)]


@router.get(
    "/issues/{issue_id}/pictures",
    summary="The pictures of an issue",
    responses=fails(UnknownIssue),
)
async def list_pictures(db: Db, issue_id: IssueId) -> list[PictureOut]:
    async with db.read() as conn:
        await service.read(conn, issue_id)
        return [PictureOut.of(picture) for picture in await repository.pictures(conn, issue_id)]


@router.put(
    "/issues/{issue_id}/pictures/{name}",
    summary="Keep a picture: PNG, JPEG or WebP as the body",
    responses=fails(UnknownIssue, NotADraft, PictureRefused),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/png", "image/jpeg", "image/webp")
            },
        }
    },
)
async def put_picture(
    request: Request, db: Db, who: Who, issue_id: IssueId, name: Name
) -> PictureOut:
    data = await request.body()
    async with db.transaction() as conn:
        return PictureOut.of(await service.put_picture(conn, issue_id, name, data, who))


@router.delete(
    "/issues/{issue_id}/pictures/{name}",
    status_code=204,
    summary="Take a picture away",
    responses=fails(UnknownIssue, UnknownPicture, NotADraft),
)
async def drop_picture(db: Db, who: Who, issue_id: IssueId, name: Name) -> None:
    async with db.transaction() as conn:
        await service.drop_picture(conn, issue_id, name, who)


Year = Annotated[int, Path(ge=2000, le=2999)]


@router.get("/plan/{year}", summary="The plan of a year")
async def read_plan(db: Db, office: Rooms, year: Year) -> list[QuarterOut]:
    async with db.read() as conn:
        plan = await planning.year_plan(conn, year, office.settings.zone)
    return [QuarterOut.of(planned) for planned in plan]


@router.put("/plan/{year}/{quarter}", summary="Give a quarter another date")
async def set_date(
    db: Db,
    office: Rooms,
    who: Who,
    year: Year,
    quarter: Annotated[int, Path(ge=1, le=4)],
    body: QuarterIn,
) -> QuarterOut:
    async with db.transaction() as conn:
        await planning.set_date(conn, Quarter(year, quarter), Date(body.day, body.time), who)
        plan = await planning.year_plan(conn, year, office.settings.zone)
    return QuarterOut.of(plan[quarter - 1])
