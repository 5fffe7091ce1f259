"""The operators' pages of the waiting lists: the lines, one line, its ledger, and why somebody
stands where they stand.

Invariant: whoever has signed in may look, and editors may give orders. An order is given by POST
from a page of ours, is committed before it is answered under the operator's own name and reason,
and leads back to the page; where it cannot be taken, that page says so.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import RedirectResponse, Response

from services.kit import audit as tables
from services.kit.desk import FROM_HERE, Desk
from services.kit.errors import EinlassError, FieldError, Invalid
from services.kit.pages import PRIVATE
from services.waitlist import orders, recount, repository, service
from services.waitlist.desk import ROOM, Editor, Viewer
from services.waitlist.domain.errors import (
    AlreadyPaused,
    LineClosed,
    LineOver,
    NotPaused,
    NotWaiting,
    UnknownEntry,
)
from services.waitlist.finding import named
from services.waitlist.schemas import OrderIn, PriorityIn
from services.waitlist.why import why

HOME: Final = "/admin/waitlist"
PAGE: Final = 50
"""Rows of a page."""
CALLED_UP: Final = 50

# What an operator is told on the page that the order was given from.
TOLD: Final = (Invalid, AlreadyPaused, LineClosed, LineOver, NotPaused, NotWaiting)

Order = Literal["pause", "resume", "promotion", "priority"]
Wish = TypeVar("Wish", bound=OrderIn)
Act = Callable[[AsyncConnection], Awaitable[None]]

_EDGE: Final = 2**63

router = APIRouter(prefix=HOME, include_in_schema=False, lifespan=ROOM.start)
"""Wants `settings`, `db`, `clock` and `sessions` in the application's state."""

# PostgreSQL keeps no NUL in a text.
Slug = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]


def line_at(slug: str) -> str:
    """The address of a line's page."""
    return f"{HOME}/{quote(slug, safe='')}"


def entry_at(slug: str, registration_id: UUID) -> str:
    """The address of the page about one registration."""
    return f"{line_at(slug)}/entries/{registration_id}"


@router.get("")
async def overview(
    desk: Viewer, show: Literal["moving", "all"] = "moving", after: UUID | None = None
) -> Response:
    """The lines where somebody waits or seats are held, or all."""
    return await _overview(desk, show, after)


@router.post("", dependencies=FROM_HERE)
async def find(desk: Viewer) -> Response:
    """Leads to the page about a registration. It is looked for by POST, since what is typed may
    be a link with a person's secret, which no log and no history shall have."""
    typed = str((await desk.request.form()).get("registration", ""))[:1000]
    wanted, found = named(typed), []
    if wanted is not None:
        async with desk.db.read() as conn:
            found = await repository.found(conn, wanted)
    if len(found) == 1:
        return RedirectResponse(entry_at(*found[0]), 303, PRIVATE)
    code = "unreadable" if wanted is None else "several" if found else "unknown"
    failure = Invalid([FieldError("#/registration", code, UnknownEntry().detail)])
    return await _overview(desk, "moving", None, failure=failure, typed=wanted or "")


async def _overview(
    desk: Desk,
    show: str,
    after: UUID | None,
    *,
    failure: EinlassError | None = None,
    typed: str = "",
) -> Response:
    async with desk.db.read() as conn:
        lines = await repository.lines_after(
            conn, after, PAGE + 1, every=show == "all", now=desk.now
        )
    return desk.page(
        "lines.html",
        failure=failure,
        lines=[(line, called_up, line.over(desk.now)) for line, called_up in lines[:PAGE]],
        next_after=lines[PAGE - 1][0].event_id if len(lines) > PAGE else None,
        show=show,
        first=after is None,
        typed=typed,
        line_at=line_at,
    )


@router.get("/{slug}")
async def read_line(
    desk: Viewer, slug: Slug, after: Annotated[int | None, Query(ge=-_EDGE, lt=_EDGE)] = None
) -> Response:
    """One line from its head, or from behind the rank `after`."""
    return await _line(desk, slug, after)


async def _line(
    desk: Desk,
    slug: str,
    after: int | None = None,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    async with tables.snapshot(desk.db) as conn:
        found = await service.line_page(conn, slug, after, PAGE, desk.now)
        pause = await recount.pause_of(conn, found.line)
    return desk.page(
        "line.html",
        failure=failure,
        found=found,
        line=found.line,
        pause=pause,
        called_up=found.called_up[:CALLED_UP] if after is None else (),
        first=after is None,
        address=line_at(slug),
        sent=sent or {},
    )


@router.get("/{slug}/ledger")
async def read_ledger(
    desk: Viewer, slug: Slug, before: Annotated[int | None, Query(ge=1, lt=_EDGE)] = None
) -> Response:
    """What happened in the line, newest first."""
    async with tables.snapshot(desk.db) as conn:
        line = await service.line_of(conn, slug)
        found = await service.ledger_page(conn, slug, None, before, PAGE)
    return desk.page(
        "ledger.html", line=line, found=found, first=before is None, address=line_at(slug)
    )


@router.get("/{slug}/entries/{registration_id}")
async def read_why(desk: Viewer, slug: Slug, registration_id: UUID) -> Response:
    """Why somebody stands where they stand."""
    return await _why(desk, slug, registration_id)


async def _why(
    desk: Desk,
    slug: str,
    registration_id: UUID,
    *,
    failure: EinlassError | None = None,
    order: Order | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    async with tables.snapshot(desk.db) as conn:
        answer = await why(conn, slug, registration_id, desk.now)
    return desk.page(
        "entry.html",
        failure=failure,
        answer=answer,
        line=answer.line,
        entry=answer.story.entry,
        over=answer.line.over(desk.now),
        line_address=line_at(slug),
        address=entry_at(slug, registration_id),
        order=order,
        sent=sent or {},
    )


@router.post("/{slug}/pause", dependencies=FROM_HERE)
async def pause(desk: Editor, slug: Slug) -> Response:
    """Stops the line; its seats stay held."""
    return await _order_line(desk, slug, orders.pause, "paused")


@router.post("/{slug}/resume", dependencies=FROM_HERE)
async def resume(desk: Editor, slug: Slug) -> Response:
    """Lets the line go on."""
    return await _order_line(desk, slug, orders.resume, "resumed")


async def _order_line(
    desk: Desk, slug: str, order: Callable[..., Awaitable[None]], done: str
) -> Response:
    sent = await _sent(desk)
    try:
        wish = _read(OrderIn, sent)
        async with desk.db.transaction() as conn:
            await order(conn, slug, desk.who.name, wish.reason, desk.now)
    except TOLD as error:
        return await _line(desk, slug, failure=error, sent=sent)
    return RedirectResponse(f"{line_at(slug)}?done={done}", 303, PRIVATE)


@router.post("/{slug}/entries/{registration_id}/promotion", dependencies=FROM_HERE)
async def promote(desk: Editor, slug: Slug, registration_id: UUID) -> Response:
    """Lets somebody come first, at once where the party fits."""

    def read(sent: Mapping[str, str]) -> Act:
        reason, by = _read(OrderIn, sent).reason, desk.who.name
        return lambda conn: orders.promote(conn, slug, registration_id, by, reason, desk.now)

    return await _order_entry(desk, slug, registration_id, "promotion", read)


@router.post("/{slug}/entries/{registration_id}/priority", dependencies=FROM_HERE)
async def prioritise(desk: Editor, slug: Slug, registration_id: UUID) -> Response:
    """Gives somebody another priority."""

    def read(sent: Mapping[str, str]) -> Act:
        wish, by = _read(PriorityIn, sent, "priority"), desk.who.name
        return lambda conn: orders.prioritise(
            conn, slug, registration_id, wish.priority, by, wish.reason, desk.now
        )

    return await _order_entry(desk, slug, registration_id, "priority", read)


async def _order_entry(
    desk: Desk,
    slug: str,
    registration_id: UUID,
    order: Order,
    read: Callable[[Mapping[str, str]], Act],
) -> Response:
    sent = await _sent(desk)
    try:
        act = read(sent)
        async with desk.db.transaction() as conn:
            await act(conn)
    except TOLD as error:
        return await _why(desk, slug, registration_id, failure=error, order=order, sent=sent)
    return RedirectResponse(f"{entry_at(slug, registration_id)}?done={order}", 303, PRIVATE)


@router.get("/{slug}/pause")
@router.get("/{slug}/resume")
async def back_to_line(desk: Viewer, slug: Slug) -> Response:
    """For whoever comes here by the address of a form, or changes the language of a page that
    followed one, or has signed in again: nothing is done."""
    return _back(desk, line_at(slug))


@router.get("/{slug}/entries/{registration_id}/promotion")
@router.get("/{slug}/entries/{registration_id}/priority")
async def back_to_entry(desk: Viewer, slug: Slug, registration_id: UUID) -> Response:
    """The same for the orders about a registration."""
    return _back(desk, entry_at(slug, registration_id))


def _back(desk: Desk, address: str) -> Response:
    query = desk.request.url.query
    return RedirectResponse(f"{address}?{query}" if query else address, 303, PRIVATE)


async def _sent(desk: Desk) -> dict[str, str]:
    """The texts of a form."""
    form = await desk.request.form()
    return {name: text for name, text in form.items() if isinstance(text, str)}


def _read(kind: type[Wish], sent: Mapping[str, str], *also: str) -> Wish:
    """The order in a form. Raises Invalid."""
    given = {name: sent[name] for name in ("reason", *also) if name in sent}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Invalid(
            [FieldError(f"#/{e['loc'][0]}", e["type"], e["msg"]) for e in error.errors()]
        ) from None
