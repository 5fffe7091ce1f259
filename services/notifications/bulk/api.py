"""The hook by which a mail server brings what came back.

Invariant: without `bounce_token` and `bounce_address` there is no hook; with them, only who shows
the token gets in, and the answer says nothing of what was in the mail.
"""

import hmac
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.errors import BodyTooLarge, NotFound, Unauthorized
from services.kit.openapi import fails
from services.notifications.bulk import bounces
from services.notifications.bulk.role import return_paths
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.settings import NotificationsSettings

BOUNCES: Final = "/api/v1/newsletter/bounces"
LARGEST: Final = 1_000_000

router = APIRouter(tags=["newsletter"])
"""Wants `settings`, `db` and `clock` in the state."""


_bearer: Final = HTTPBearer(
    auto_error=False, scheme_name="BounceToken", description="The installation's `bounce_token`."
)


def _admitted(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ReturnPaths:
    settings: NotificationsSettings = request.app.state.settings
    paths = return_paths(settings)
    if settings.bounce_token is None or paths is None:
        raise NotFound
    given = credentials.credentials if credentials is not None else ""
    right = settings.bounce_token.get_secret_value()
    if not hmac.compare_digest(given.encode(), right.encode()):
        raise Unauthorized
    return paths


@router.post(
    BOUNCES,
    status_code=204,
    summary="A mail that came back to a return path of the newsletter",
    responses=fails(NotFound, Unauthorized, BodyTooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The whole mail as it came (RFC 5322), up to a megabyte.",
            "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def take_bounce(
    request: Request, paths: Annotated[ReturnPaths, Depends(_admitted)]
) -> Response:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > LARGEST:
            raise BodyTooLarge
    db: Database = request.app.state.db
    clock: Clock = request.app.state.clock
    async with db.transaction() as conn:
        await bounces.take(conn, bytes(raw), paths, clock.now())
    return Response(status_code=204)
