"""All SQL of the issues."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.notifications.newsletter import models
from services.notifications.newsletter.domain.calendar import Date, Number, Quarter, Waiting
from services.notifications.newsletter.domain.clicks import Clicked
from services.notifications.newsletter.domain.issue import Issue, Rendering, Status, Words
from services.notifications.newsletter.domain.pictures import Kind

_issue: Final = models.issue.c
# Whoever plans, or begins a sending, does so alone: quarters and numbers are given then.
_PLANNING: Final = 0x6E6577736C6574


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of an issue, without its data."""

    name: str
    digest: str
    media_type: str
    ending: str
    width: int
    height: int
    size: int

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"/newsletter/pictures/{self.digest}.{self.ending}"


@dataclass(frozen=True, slots=True)
class Act:
    """A row of the log. `by` is None where it was the scheduler."""

    at: datetime
    by: str | None
    act: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """An issue of the archive in one language."""

    number: Number
    begun_at: datetime
    locale: Locale
    title: str
    preview: str


async def alone(conn: AsyncConnection) -> None:
    """Waits until nobody else plans or begins; until the transaction ends."""
    await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLANNING)))


async def add(conn: AsyncConnection, issue: Issue) -> None:
    """Keeps a new issue."""
    await conn.execute(
        models.issue.insert().values(
            id=issue.id,
            words=_kept(issue.words),
            created_at=issue.created_at,
            created_by=issue.created_by,
        )
    )


async def one(conn: AsyncConnection, issue_id: UUID, *, lock: bool = False) -> Issue | None:
    """An issue; with `lock` nobody else changes it until the transaction ends."""
    query = sa.select(models.issue).where(_issue.id == issue_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _read(row) if row is not None else None


async def by_number(conn: AsyncConnection, number: Number) -> Issue | None:
    """The issue of a year and a number."""
    query = sa.select(models.issue).where(
        _issue.year == number.year, _issue.number == number.number
    )
    row = (await conn.execute(query)).one_or_none()
    return _read(row) if row is not None else None


async def every(conn: AsyncConnection, *, deleted: bool = False) -> list[Issue]:
    """All issues: those that go out next first, then drafts, then what went out, newest first."""
    query = (
        sa.select(models.issue)
        .where(_issue.deleted_at.is_not(None) if deleted else _issue.deleted_at.is_(None))
        .order_by(
            _issue.begun_at.desc().nulls_first(),
            _issue.planned_at.asc().nulls_last(),
            _issue.created_at.desc(),
        )
    )
    return [_read(row) for row in await conn.execute(query)]


async def change(
    conn: AsyncConnection, issue_id: UUID, *, raise_version: bool = True, **values: Any
) -> Issue:
    """Sets columns of an issue, and says how it stands then."""
    if "words" in values:
        values["words"] = _kept(values["words"])
    if raise_version:
        values["version"] = _issue.version + 1
    changed = models.issue.update().where(_issue.id == issue_id).values(**values)
    return _read((await conn.execute(changed.returning(models.issue))).one())


async def begun(conn: AsyncConnection) -> list[Number]:
    """The numbers that were given."""
    rows = await conn.execute(
        sa.select(_issue.year, _issue.number).where(_issue.number.is_not(None))
    )
    return [Number(*row) for row in rows]


async def planned(conn: AsyncConnection) -> list[Waiting]:
    """The issues that wait for their date."""
    query = sa.select(_issue.id, _issue.planned_at).where(_issue.status == "planned")
    return [Waiting(*row) for row in await conn.execute(query)]


async def due(conn: AsyncConnection, now: datetime) -> list[UUID]:
    """Planned issues whose date has come, the earliest first."""
    query = (
        sa.select(_issue.id)
        .where(_issue.status == "planned", _issue.planned_at <= now)
        .order_by(_issue.planned_at, _issue.id)
    )
    return list((await conn.execute(query)).scalars())


async def in_state(conn: AsyncConnection, *states: Status) -> list[UUID]:
    """The issues in any of these states."""
    query = sa.select(_issue.id).where(_issue.status.in_(states))
    return list((await conn.execute(query)).scalars())


async def of_quarter(conn: AsyncConnection, start: datetime, end: datetime) -> list[Issue]:
    """The issues that went out or are to go out from `start` until before `end`, in order."""
    at = sa.func.coalesce(_issue.begun_at, _issue.planned_at)
    query = (
        sa.select(models.issue)
        .where(_issue.status != "draft", at >= start, at < end)
        .order_by(at, _issue.id)
    )
    return [_read(row) for row in await conn.execute(query)]


# --- Renderings -----------------------------------------------------------------------------------


async def freeze(
    conn: AsyncConnection, issue_id: UUID, renderings: Mapping[Locale, Rendering]
) -> None:
    """Keeps what goes out."""
    rows = [
        {"issue_id": issue_id, "locale": locale, **asdict(rendering)}
        for locale, rendering in renderings.items()
    ]
    await conn.execute(models.rendering.insert(), rows)


async def renderings(conn: AsyncConnection, issue_id: UUID) -> dict[Locale, Rendering]:
    """What went out, by language."""
    table = models.rendering
    rows = await conn.execute(sa.select(table).where(table.c.issue_id == issue_id))
    return {
        row.locale: Rendering(row.title, row.subject, row.preview, row.html, row.text, row.web)
        for row in rows
    }


async def archive(conn: AsyncConnection) -> list[Listed]:
    """Everything that went out, newest first, in each of its languages."""
    table = models.rendering
    query = (
        sa.select(
            _issue.year,
            _issue.number,
            _issue.begun_at,
            table.c.locale,
            table.c.title,
            table.c.preview,
        )
        .join(table, table.c.issue_id == _issue.id)
        .order_by(_issue.year.desc(), _issue.number.desc(), table.c.locale)
    )
    return [
        Listed(Number(row.year, row.number), row.begun_at, row.locale, row.title, row.preview)
        for row in await conn.execute(query)
    ]


# --- Links that are counted -----------------------------------------------------------------------


async def keep_links(conn: AsyncConnection, issue_id: UUID, urls: Sequence[str]) -> None:
    """Keeps where the counted links of an issue lead, from number 1 on."""
    rows = [{"issue_id": issue_id, "no": no, "url": url} for no, url in enumerate(urls, 1)]
    if rows:
        await conn.execute(models.link.insert(), rows)


async def click(conn: AsyncConnection, number: Number, no: int) -> str | None:
    """Counts a click, and says where the link leads; None where there is no such link."""
    found = models.link.update().where(_link(number, no)).values(clicks=models.link.c.clicks + 1)
    url: str | None = await conn.scalar(found.returning(models.link.c.url))
    return url


async def link_target(conn: AsyncConnection, number: Number, no: int) -> str | None:
    """Where a link leads, and nothing is counted."""
    url: str | None = await conn.scalar(sa.select(models.link.c.url).where(_link(number, no)))
    return url


def _link(number: Number, no: int) -> sa.ColumnElement[bool]:
    of = sa.select(_issue.id).where(_issue.year == number.year, _issue.number == number.number)
    return sa.and_(models.link.c.issue_id == of.scalar_subquery(), models.link.c.no == no)


async def clicks(conn: AsyncConnection, issue_id: UUID) -> list[Clicked]:
    """The counted links of an issue, by number; none where it went out without."""
    table = models.link.c
    query = sa.select(table.no, table.url, table.clicks).where(table.issue_id == issue_id)
    return [Clicked(*row) for row in await conn.execute(query.order_by(table.no))]


# --- Pictures -------------------------------------------------------------------------------------


async def put_picture(
    conn: AsyncConnection,
    issue_id: UUID,
    name: str,
    kind: Kind,
    data: bytes,
    *,
    by: str,
    now: datetime,
) -> None:
    """Keeps a picture; one of the same name gives way."""
    values = {
        **asdict(kind),
        "data": data,
        "uploaded_at": now,
        "uploaded_by": by,
    }
    put = insert(models.picture).values(issue_id=issue_id, name=name, **values)
    await conn.execute(put.on_conflict_do_update(index_elements=["issue_id", "name"], set_=values))


async def pictures(conn: AsyncConnection, issue_id: UUID) -> list[StoredPicture]:
    """The pictures of an issue, by name."""
    table = models.picture.c
    query = (
        sa.select(
            table.name,
            table.digest,
            table.media_type,
            table.ending,
            table.width,
            table.height,
            sa.func.length(table.data),
        )
        .where(table.issue_id == issue_id)
        .order_by(table.name)
    )
    return [StoredPicture(*row) for row in await conn.execute(query)]


async def drop_picture(conn: AsyncConnection, issue_id: UUID, name: str) -> bool:
    """Forgets a picture; whether there was one."""
    table = models.picture
    gone = table.delete().where(table.c.issue_id == issue_id, table.c.name == name)
    return (await conn.execute(gone)).rowcount > 0


async def picture_data(conn: AsyncConnection, digest: str, ending: str) -> tuple[str, bytes] | None:
    """Type and data of a picture."""
    table = models.picture.c
    query = (
        sa.select(table.media_type, table.data)
        .where(table.digest == digest, table.ending == ending)
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none()
    return (row.media_type, row.data) if row is not None else None


# --- The log, the plan of the year, reminders -----------------------------------------------------


async def note(
    conn: AsyncConnection,
    issue_id: UUID | None,
    act: str,
    *,
    by: str | None,
    now: datetime,
    **details: Any,
) -> None:
    """Adds to the log."""
    await conn.execute(
        models.log.insert().values(
            issue_id=issue_id, at=now, by=by, act=act, details=details or None
        )
    )


async def acts(conn: AsyncConnection, issue_id: UUID, limit: int) -> list[Act]:
    """What was done to an issue, newest first."""
    table = models.log.c
    query = (
        sa.select(table.at, table.by, table.act, table.details)
        .where(table.issue_id == issue_id)
        .order_by(table.id.desc())
        .limit(limit)
    )
    return [Act(row.at, row.by, row.act, row.details or {}) for row in await conn.execute(query)]


async def dates(conn: AsyncConnection, years: Sequence[int]) -> dict[Quarter, Date]:
    """The quarters that have a date of their own."""
    table = models.quarter
    rows = await conn.execute(sa.select(table).where(table.c.year.in_(years)))
    return {Quarter(row.year, row.quarter): Date(row.day, row.time) for row in rows}


async def set_date(conn: AsyncConnection, quarter: Quarter, to: Date) -> None:
    """Gives a quarter a date."""
    values: dict[str, date | Any] = {"day": to.day, "time": to.time}
    put = insert(models.quarter).values(year=quarter.year, quarter=quarter.number, **values)
    await conn.execute(put.on_conflict_do_update(index_elements=["year", "quarter"], set_=values))


async def claim_reminder(
    conn: AsyncConnection, quarter: Quarter, days: int, email: str, now: datetime
) -> bool:
    """Whether this reminder is still to be sent; then nobody else sends it, if this transaction
    is committed."""
    put = insert(models.reminder).values(
        year=quarter.year, quarter=quarter.number, days=days, email=email, sent_at=now
    )
    return (await conn.execute(put.on_conflict_do_nothing())).rowcount > 0


async def release_reminder(conn: AsyncConnection, quarter: Quarter, days: int, email: str) -> None:
    """Gives back a reminder that certainly did not go out."""
    row = models.reminder.c
    mine = (row.year == quarter.year, row.quarter == quarter.number, row.days == days)
    await conn.execute(models.reminder.delete().where(*mine, row.email == email))


def _kept(words: Mapping[Locale, Words]) -> dict[str, dict[str, str]]:
    return {locale: asdict(each) for locale, each in words.items()}


def _read(row: Any) -> Issue:
    return Issue(
        id=row.id,
        status=row.status,
        version=row.version,
        words={locale: Words(**each) for locale, each in row.words.items()},
        created_at=row.created_at,
        created_by=row.created_by,
        planned_at=row.planned_at,
        second=row.second,
        number=Number(row.year, row.number) if row.number is not None else None,
        begun_at=row.begun_at,
        sent_at=row.sent_at,
        deleted_at=row.deleted_at,
        trouble=row.trouble,
    )
