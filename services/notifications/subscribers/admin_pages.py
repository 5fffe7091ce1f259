"""The operators' pages of the subscribers: the list, one person, the suppression list, import.

Invariant: whoever has signed in may look, editors may give orders, and admins take addresses off
the suppression list. An order is given by POST from a page of ours, is committed before it is
answered under the operator's own name and reason, and leads back to the page; where it cannot be
taken, that page says so. An address that is looked for is sent by POST, so no log has it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from services.contracts.envelope import Locale
from services.kit.desk import FROM_HERE, Desk
from services.kit.errors import EinlassError, FieldError, Invalid
from services.kit.i18n import LOCALES
from services.kit.pages import PRIVATE, language_of
from services.notifications.subscribers import orders, service
from services.notifications.subscribers.api import csv_file, evidence_name, text_of
from services.notifications.subscribers.desk import Admin, Editor, Viewer, typed
from services.notifications.subscribers.domain.errors import (
    NotACsvFile,
    NotSubscribed,
    UnknownSuppression,
)
from services.notifications.subscribers.domain.model import Status
from services.notifications.subscribers.repository import listing, suppression
from services.notifications.subscribers.schemas import EvidenceView, ReasonIn, SuppressionIn

HOME: Final = "/admin/newsletter/subscribers"
PAGE: Final = 50
TOLD: Final = (Invalid, NotSubscribed, NotACsvFile, UnknownSuppression)

_EDGE: Final = 2**63
Wish = TypeVar("Wish", bound=BaseModel)
Act = Callable[[AsyncConnection], Awaitable[object]]
Number = Annotated[int, Path(ge=1, lt=_EDGE)]

router = APIRouter(prefix=HOME, include_in_schema=False)


@router.get("")
async def overview(
    desk: Viewer, status: Status | None = None, before: UUID | None = None
) -> Response:
    """The list, newest first, of one status where it is given."""
    async with desk.db.read() as conn:
        counts = await listing.counts(conn)
        found = await listing.page(conn, status, before, PAGE + 1)
    return desk.page(
        "list.html",
        counts=counts,
        total=sum(counts.values()),
        found=found[:PAGE],
        next_before=found[PAGE - 1].id if len(found) > PAGE else None,
        first=before is None,
        status=status,
        typed="",
        home=HOME,
    )


@router.post("", dependencies=FROM_HERE)
async def find(desk: Viewer) -> Response:
    """Finds people by their address or a part of it, and leads to one who is alone with it."""
    part = (await typed(desk.request)).get("email", "").strip()[:300]
    async with desk.db.read() as conn:
        counts = await listing.counts(conn)
        found = await listing.matching(conn, part, PAGE) if part else []
    if len(found) == 1:
        return RedirectResponse(f"{HOME}/{found[0].id}", 303, PRIVATE)
    return desk.page(
        "list.html",
        counts=counts,
        total=sum(counts.values()),
        found=found,
        next_before=None,
        first=True,
        status=None,
        typed=part,
        home=HOME,
    )


@router.get("/export")
async def export(desk: Editor) -> Response:
    """All subscribers as a file."""
    return csv_file(desk.db)


@router.get("/import")
async def ask_for_file(desk: Editor) -> Response:
    """The form that takes a file."""
    return _import(desk)


@router.post("/import", dependencies=FROM_HERE)
async def import_file(desk: Editor) -> Response:
    """Takes a file, and shows what was taken and what was not."""
    async with desk.request.form():  # closes the file
        return await _imported(desk)


async def _imported(desk: Desk) -> Response:
    sent = await typed(desk.request)
    try:
        reason = _read(ReasonIn, sent).reason
        report = await orders.import_file(
            desk.db,
            await _file(desk),
            locale=_locale(desk, sent),
            by=desk.who.name,
            why=reason,
            now=desk.now,
        )
    except TOLD as error:
        return _import(desk, failure=error, sent=sent)
    return _import(desk, report=report)


def _import(
    desk: Desk,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
    report: orders.Report | None = None,
) -> Response:
    return desk.page(
        "import.html",
        failure=failure,
        sent=sent or {},
        report=report,
        chosen=_locale(desk, sent or {}),
        home=HOME,
    )


async def _file(desk: Desk) -> str:
    """The text of the file that was sent. Raises NotACsvFile."""
    sent = (await desk.request.form()).get("file")
    return text_of(await sent.read()) if isinstance(sent, UploadFile) else ""


def _locale(desk: Desk, sent: Mapping[str, str]) -> Locale:
    said = sent.get("locale", "")
    return next((one for one in LOCALES if said == one), language_of(desk.request))


@router.get("/suppressions")
async def read_suppressions(
    desk: Viewer,
    left: bool = False,
    before: Annotated[int | None, Query(ge=1, lt=_EDGE)] = None,
) -> Response:
    """The suppression list, newest first; `left`: with those who left by themselves."""
    return await _suppressions(desk, left, before)


@router.post("/suppressions", dependencies=FROM_HERE)
async def suppress(desk: Editor) -> Response:
    """Has nothing sent to an address any more."""
    sent = await typed(desk.request)
    try:
        wish = _read(SuppressionIn, sent, "email")
        await _by_operator(desk, email=wish.email, note=wish.reason)
    except TOLD as error:
        return await _suppressions(desk, failure=error, sent=sent)
    return RedirectResponse(f"{HOME}/suppressions?done=suppressed", 303, PRIVATE)


@router.get("/suppressions/{number}")
async def ask_to_release(desk: Viewer, number: Number) -> Response:
    """Says what taking an address off the list means, with a form for it."""
    return await _release(desk, number)


@router.post("/suppressions/{number}", dependencies=FROM_HERE)
async def release(desk: Admin, number: Number) -> Response:
    """Takes an address off the list."""
    sent = await typed(desk.request)
    try:
        reason = _read(ReasonIn, sent).reason
        async with desk.db.transaction() as conn:
            await orders.release(conn, number, desk.who.name, reason, desk.now)
    except Invalid as error:
        return await _release(desk, number, failure=error, sent=sent)
    return RedirectResponse(f"{HOME}/suppressions?done=released", 303, PRIVATE)


async def _suppressions(
    desk: Desk,
    left: bool = False,
    before: int | None = None,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    async with desk.db.read() as conn:
        found = await suppression.page(conn, before, PAGE + 1, left_too=left)
    return desk.page(
        "suppressions.html",
        failure=failure,
        sent=sent or {},
        found=found[:PAGE],
        next_before=found[PAGE - 1].id if len(found) > PAGE else None,
        first=before is None,
        left=left,
        home=HOME,
    )


async def _release(
    desk: Desk,
    number: int,
    *,
    failure: EinlassError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    async with desk.db.read() as conn:
        found = await suppression.one(conn, number)
    if found is None:
        raise UnknownSuppression
    return desk.page(
        "release.html",
        failure=failure,
        sent=sent or {},
        one=found[1],
        may_release=desk.who.may("admin"),
        home=HOME,
    )


@router.get("/{subscriber_id}")
async def read_person(desk: Viewer, subscriber_id: UUID) -> Response:
    """One person with consents and history."""
    return await _person(desk, subscriber_id)


@router.get("/{subscriber_id}/evidence")
async def evidence(desk: Viewer, subscriber_id: UUID) -> Response:
    """All that is kept of one person, as a file."""
    async with desk.db.read() as conn:
        found = EvidenceView.of(await service.person(conn, subscriber_id))
    headers = {**PRIVATE, "Content-Disposition": evidence_name(subscriber_id)}
    return Response(found.model_dump_json(indent=2), headers=headers, media_type="application/json")


@router.post("/{subscriber_id}/unsubscribe", dependencies=FROM_HERE)
async def unsubscribe(desk: Editor, subscriber_id: UUID) -> Response:
    """Ends the subscription for the person."""
    by, now = desk.who.name, desk.now
    return await _order(
        desk,
        subscriber_id,
        "left",
        lambda reason: lambda conn: orders.unsubscribe(conn, subscriber_id, by, reason, now),
    )


@router.post("/{subscriber_id}/suppress", dependencies=FROM_HERE)
async def suppress_person(desk: Editor, subscriber_id: UUID) -> Response:
    """Has nothing sent to the person any more."""

    def act(reason: str) -> Act:
        return lambda conn: service.suppress(
            conn,
            reason="operator",
            now=desk.now,
            subscriber_id=subscriber_id,
            by=desk.who.name,
            note=reason,
        )

    return await _order(desk, subscriber_id, "suppressed", act)


@router.post("/{subscriber_id}/erase", dependencies=FROM_HERE)
async def erase(desk: Admin, subscriber_id: UUID) -> Response:
    """Deletes all that is kept of the person."""
    sent = await typed(desk.request)
    try:
        reason = _read(ReasonIn, sent).reason
        async with desk.db.transaction() as conn:
            await orders.erase(conn, subscriber_id, desk.who.name, reason, desk.now)
    except Invalid as error:
        return await _person(desk, subscriber_id, failure=error, order="erased", sent=sent)
    return RedirectResponse(f"{HOME}?done=erased", 303, PRIVATE)


async def _by_operator(desk: Desk, *, email: str, note: str) -> None:
    async with desk.db.transaction() as conn:
        await service.suppress(
            conn, reason="operator", now=desk.now, email=email, by=desk.who.name, note=note
        )


async def _order(
    desk: Desk, subscriber_id: UUID, order: str, act: Callable[[str], Act]
) -> Response:
    sent = await typed(desk.request)
    try:
        reason = _read(ReasonIn, sent).reason
        async with desk.db.transaction() as conn:
            await act(reason)(conn)
    except TOLD as error:
        return await _person(desk, subscriber_id, failure=error, order=order, sent=sent)
    return RedirectResponse(f"{HOME}/{subscriber_id}?done={order}", 303, PRIVATE)


async def _person(
    desk: Desk,
    subscriber_id: UUID,
    *,
    failure: EinlassError | None = None,
    order: str = "",
    sent: Mapping[str, str] | None = None,
) -> Response:
    async with desk.db.read() as conn:
        found = await service.person(conn, subscriber_id)
    return desk.page(
        "person.html",
        failure=failure,
        person=found,
        one=found.subscriber,
        order=order,
        sent=sent or {},
        address=f"{HOME}/{subscriber_id}",
        may_erase=desk.who.may("admin"),
        home=HOME,
    )


@router.get("/{subscriber_id}/unsubscribe")
@router.get("/{subscriber_id}/suppress")
@router.get("/{subscriber_id}/erase")
async def back(desk: Viewer, subscriber_id: UUID) -> Response:
    """For whoever comes here by the address of a form, or has signed in again: nothing is done."""
    query = desk.request.url.query
    address = f"{HOME}/{subscriber_id}"
    return RedirectResponse(f"{address}?{query}" if query else address, 303, PRIVATE)


def _read(kind: type[Wish], sent: Mapping[str, str], *also: str) -> Wish:
    """The order in a form. Raises Invalid."""
    given = {name: sent[name] for name in ("reason", *also) if name in sent}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Invalid(
            [FieldError(f"#/{e['loc'][0]}", e["type"], e["msg"]) for e in error.errors()]
        ) from None
