"""Events: what is written by operators and read by everybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.text import can_be_kept
from services.registration.domain.event import Day, Event
from services.registration.domain.light import FewLeft, Light
from services.registration.domain.offer import Quiet, Rules
from services.registration.domain.seats import Seats
from services.registration.models import event as table
from services.registration.models import seats as seats_table

_RULES: Final = ("enabled", "limit", "promotion", "policy", "passes", "hours", "after")


def _time(value: str | None) -> time | None:
    return time.fromisoformat(value) if value else None


def _rules(document: Mapping[str, Any]) -> Rules:
    """The waiting list's rules; what the document does not say has its default."""
    said = {key: value for key, value in document.items() if key in _RULES}
    if quiet := document.get("quiet"):
        said["quiet"] = Quiet(*map(time.fromisoformat, quiet))
    if until := document.get("until"):
        said["until"] = datetime.fromisoformat(until)
    return Rules(**said)


def _document(rules: Rules) -> dict[str, Any]:
    return {
        **{key: getattr(rules, key) for key in _RULES},
        "quiet": [rules.quiet.begins.isoformat(), rules.quiet.ends.isoformat()],
        "until": rules.until and rules.until.isoformat(),
    }


def to_event(row: Any) -> Event:
    """The event of a row that has all columns of `event`."""
    return Event(
        id=row.id,
        slug=row.slug,
        title=row.title,
        days=tuple(
            Day(date.fromisoformat(d["date"]), _time(d.get("starts_at")), _time(d.get("ends_at")))
            for d in row.days
        ),
        timezone=row.timezone,
        few_left=FewLeft(row.few_left.get("seats"), row.few_left.get("share")),
        summary=row.summary,
        description=row.description,
        place=row.place,
        contact=row.contact,
        max_party=row.max_party,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        cancel_until=row.cancel_until,
        waitlist=_rules(row.waitlist),
        series=row.series,
        questions=row.questions,
        status=row.status,
        version=row.version,
    )


def to_seats(row: Any) -> Seats:
    """The counters of a row that has all columns of `seats`."""
    return Seats(row.capacity, row.confirmed, row.held, row.waiting, row.line, row.seq)


def _columns(event: Event) -> dict[str, Any]:
    return {
        "slug": event.slug,
        "status": event.status,
        "version": event.version,
        "title": event.title,
        "summary": event.summary,
        "description": event.description,
        "days": [
            {
                "date": d.date.isoformat(),
                "starts_at": d.starts_at and d.starts_at.isoformat("minutes"),
                "ends_at": d.ends_at and d.ends_at.isoformat("minutes"),
            }
            for d in event.days
        ],
        "timezone": event.timezone,
        "place": event.place,
        "contact": event.contact,
        "few_left": {"seats": event.few_left.seats, "share": event.few_left.share},
        "max_party": event.max_party,
        "opens_at": event.opens_at,
        "closes_at": event.closes_at,
        "cancel_until": event.cancel_until,
        "waitlist": _document(event.waitlist),
        "series": event.series,
        "questions": event.questions,
    }


async def insert(conn: AsyncConnection, event: Event, seats: Seats, light: Light | None) -> None:
    """A new event. Raises IntegrityError where the slug is taken."""
    await conn.execute(sa.insert(table).values(id=event.id, **_columns(event)))
    await conn.execute(
        sa.insert(seats_table).values(event_id=event.id, capacity=seats.capacity, light=light)
    )


async def update(conn: AsyncConnection, event: Event) -> None:
    """Writes all of a changed event. Raises IntegrityError where the slug is taken."""
    await conn.execute(
        sa.update(table)
        .where(table.c.id == event.id)
        .values(**_columns(event), updated_at=sa.func.now())
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """An event with its counters and its light, and when the light last changed."""

    event: Event
    seats: Seats
    light: Light | None
    light_at: datetime


def _listed(row: Any) -> Listed:
    return Listed(to_event(row), to_seats(row), row.light, row.light_at)


_LISTED = sa.select(table, *(c for c in seats_table.c if c.name != "event_id")).join_from(
    table, seats_table, table.c.id == seats_table.c.event_id
)


async def all_events(conn: AsyncConnection) -> Sequence[Listed]:
    """Every event, drafts too, the newest first."""
    rows = await conn.execute(_LISTED.order_by(table.c.created_at.desc()))
    return [_listed(row) for row in rows]


async def public_events(conn: AsyncConnection) -> Sequence[Listed]:
    """Every event that the public may see."""
    rows = await conn.execute(_LISTED.where(table.c.status != "draft"))
    return [_listed(row) for row in rows]


async def by_slug(conn: AsyncConnection, slug: str) -> Listed | None:
    """The event with this slug."""
    if not can_be_kept(slug):
        return None
    row = (await conn.execute(_LISTED.where(table.c.slug == slug))).one_or_none()
    return _listed(row) if row else None


async def by_id(conn: AsyncConnection, event_id: UUID) -> Event:
    """The event with this id. Raises NoResultFound."""
    return to_event((await conn.execute(sa.select(table).where(table.c.id == event_id))).one())
