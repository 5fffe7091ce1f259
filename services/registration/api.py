"""The JSON API of registration: for everybody, and for operators.

Invariant: what the public gets holds no number of seats of an event; whether an id or a token
was wrong is told in the same way.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from services.kit import etag
from services.kit.errors import NotFound, TooManyRequests, Unauthorized
from services.kit.openapi import fails
from services.kit.operators import Operator, require
from services.kit.web import client_of
from services.registration.board import Board, PublicEvent
from services.registration.domain.errors import (
    AlreadyRegistered,
    CalledOff,
    CancellationClosed,
    CapacityTooLow,
    EventFull,
    IdempotencyMismatch,
    NothingOffered,
    NotInLine,
    NotPublished,
    NoWayBack,
    OfferExpired,
    PartyFixed,
    PartyNotSmaller,
    RegistrationClosed,
    SlugTaken,
)
from services.registration.messages import event_url
from services.registration.programme import Programme
from services.registration.schemas import (
    EventIn,
    EventOut,
    EventPatch,
    LightOut,
    PublicEventOut,
    public,
)
from services.registration.schemas_people import PartyIn, SignedUpOut, SignUpIn, StandingOut
from services.registration.service import Service
from services.registration.stream import lights

router = APIRouter(prefix="/api/v1")
_bearer = HTTPBearer(auto_error=False, description="The last part of `manage_url`.")


def _service(request: Request) -> Service:
    return request.app.state.service  # type: ignore[no-any-return]


def _board(request: Request) -> Board:
    return request.app.state.board  # type: ignore[no-any-return]


def _programme(request: Request) -> Programme:
    return request.app.state.programme  # type: ignore[no-any-return]


def _manage_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    if credentials is None:
        raise Unauthorized
    return credentials.credentials


People = Annotated[Service, Depends(_service)]
Shown = Annotated[Board, Depends(_board)]
Events = Annotated[Programme, Depends(_programme)]
ManageToken = Annotated[str, Depends(_manage_token)]
Viewer = Annotated[Operator, Depends(require("viewer"))]
Editor = Annotated[Operator, Depends(require("editor"))]


def _public(request: Request, found: PublicEvent) -> PublicEventOut:
    url = event_url(request.app.state.settings.public_url, found.event)
    return public(found.event, found.light, found.state, url)


@router.get("/events", tags=["events"])
async def list_events(
    request: Request,
    board: Shown,
    when: Annotated[Literal["upcoming", "past", "all"], Query()] = "upcoming",
) -> list[PublicEventOut]:
    """Public events by their first day."""
    return [
        _public(request, found)
        for found in board.all()
        if when == "all" or (found.state == "past") == (when == "past")
    ]


@router.get("/events/{slug}", tags=["events"])
async def get_event(request: Request, board: Shown, slug: str) -> PublicEventOut:
    """One public event."""
    found = board.get(slug)
    if found is None:
        raise NotFound
    return _public(request, found)


@router.get(
    "/availability",
    tags=["events"],
    response_model=list[LightOut],
    responses={304: {"description": "Nothing has changed since the ETag given."}},
)
async def availability(
    board: Shown, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The lights of all events that are not over, at once."""
    found = board.availability
    headers = {"ETag": found.etag, "Cache-Control": "public, max-age=1"}
    if etag.is_known(found.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type="application/json", headers=headers)


@router.get("/availability/stream", tags=["events"], response_class=EventSourceResponse)
async def availability_stream(request: Request, board: Shown) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events named `light`: all lights as they are, then each change."""
    async for event in lights(board, request.app.state.stopping):
        yield event


@router.post(
    "/events/{slug}/registrations",
    status_code=201,
    tags=["registrations"],
    summary="Sign up",
    response_model_exclude_none=True,
    responses=fails(
        EventFull, AlreadyRegistered, RegistrationClosed, IdempotencyMismatch, TooManyRequests
    ),
)
async def sign_up(
    request: Request,
    service: People,
    slug: str,
    body: SignUpIn,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> SignedUpOut:
    """Gives a place at once, or a place in line where the event is booked up. The same
    Idempotency-Key with the same body gets the same answer."""
    done = await service.sign_up(slug, body.form(), idempotency_key, client_of(request))
    return SignedUpOut.of(done)


_OWN: Final[dict[str, Any]] = {"tags": ["registrations"], "response_model_exclude_none": True}


@router.get("/registrations/{registration_id}", **_OWN)
async def get_registration(
    service: People, registration_id: UUID, token: ManageToken, response: Response
) -> StandingOut:
    """Where a registration stands."""
    response.headers["Cache-Control"] = "no-store"
    return StandingOut.of(await service.registration(registration_id, token))


@router.post(
    "/registrations/{registration_id}/cancellation",
    summary="Cancel, leave the line, or decline an offer",
    responses=fails(CancellationClosed),
    **_OWN,
)
async def cancel(service: People, registration_id: UUID, token: ManageToken) -> StandingOut:
    """To cancel again changes nothing."""
    return StandingOut.of(await service.act(registration_id, token, "cancel"))


@router.post(
    "/registrations/{registration_id}/acceptance",
    summary="Accept an offer",
    responses=fails(NothingOffered, OfferExpired),
    **_OWN,
)
async def accept(service: People, registration_id: UUID, token: ManageToken) -> StandingOut:
    """Takes the offered seats; of a party that was offered a part, the rest is given up. To
    accept again changes nothing."""
    return StandingOut.of(await service.act(registration_id, token, "accept"))


@router.post(
    "/registrations/{registration_id}/declination",
    summary="Decline an offer",
    responses=fails(NothingOffered),
    **_OWN,
)
async def decline(service: People, registration_id: UUID, token: ManageToken) -> StandingOut:
    """Leaves the line; or, where only a part of the party was offered a place, goes on waiting in
    the same place for the whole of it."""
    return StandingOut.of(await service.act(registration_id, token, "decline"))


@router.post(
    "/registrations/{registration_id}/party",
    summary="Come with fewer people",
    responses=fails(PartyNotSmaller, PartyFixed, CancellationClosed),
    **_OWN,
)
async def reduce(
    service: People, registration_id: UUID, token: ManageToken, body: PartyIn
) -> StandingOut:
    """The place in line stays; seats that are given back go to the next in line."""
    return StandingOut.of(await service.act(registration_id, token, "reduce", body.seats))


@router.post(
    "/registrations/{registration_id}/interest",
    summary="Say that a place is still wanted",
    responses=fails(NotInLine),
    **_OWN,
)
async def still_wanted(service: People, registration_id: UUID, token: ManageToken) -> StandingOut:
    """Changes nothing in line; operators see when it was said last."""
    return StandingOut.of(await service.act(registration_id, token, "still_wanted"))


@router.get("/admin/events", tags=["operators"], summary="All events with their counts")
async def admin_list(_: Viewer, programme: Events) -> list[EventOut]:
    """Drafts too; the newest first."""
    return list(await programme.all())


@router.post(
    "/admin/events",
    status_code=201,
    tags=["operators"],
    summary="Make an event",
    responses=fails(SlugTaken, NotPublished),
)
async def admin_create(_: Editor, programme: Events, body: EventIn) -> EventOut:
    """It is published at once where `status` says so."""
    return await programme.create(body)


@router.get("/admin/events/{slug}", tags=["operators"])
async def admin_get(_: Viewer, programme: Events, slug: str) -> EventOut:
    """One event with its counts."""
    return await programme.one(slug)


@router.patch(
    "/admin/events/{slug}",
    tags=["operators"],
    summary="Change an event, publish it, call it off",
    responses=fails(SlugTaken, CapacityTooLow, NotPublished, NoWayBack, CalledOff),
)
async def admin_change(_: Editor, programme: Events, slug: str, body: EventPatch) -> EventOut:
    """A merge patch (RFC 7396). Publish with `{"status":"published"}`, call off with
    `{"status":"called_off","reason":"…"}`."""
    patch: dict[str, Any] = dict(body.root)
    reason = patch.pop("reason", None)
    return await programme.change(slug, patch, reason)


internal = APIRouter(prefix="/internal", include_in_schema=False)


@internal.post("/introspection")
async def introspect(request: Request, token: Annotated[str, Form()]) -> dict[str, Any]:
    """OAuth 2.0 Token Introspection (RFC 7662) for the other services; not routed from
    outside."""
    operator = await request.app.state.introspection(token)
    if operator is None:
        return {"active": False}
    return {"active": True, "username": operator.name, "scope": operator.role}
