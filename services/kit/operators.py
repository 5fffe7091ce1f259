"""Who operates: every admin route asks for a role, and registration alone knows the operators.

Invariant: an operator's token is checked where operators are kept. The other services ask
there (OAuth 2.0 Token Introspection, RFC 7662) and remember the answer for some seconds, so a
removed operator is out everywhere within `REMEMBER_SECONDS`.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol

import httpx
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError

from services.kit.errors import Busy, Forbidden, Unauthorized

Role = Literal["viewer", "editor", "admin"]
RANK: Final[dict[Role, int]] = {"viewer": 0, "editor": 1, "admin": 2}
REMEMBER_SECONDS: Final = 10

_bearer = HTTPBearer(auto_error=False, description="An operator's API token.")


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may act; `name` stands in audits."""

    name: str
    role: Role


class Introspection(Protocol):
    """Tells whose token it is, or None."""

    async def __call__(self, token: str) -> Operator | None: ...


def require(role: Role) -> Callable[..., Awaitable[Operator]]:
    """A dependency that gives the operator. Raises Unauthorized or Forbidden.

    The application keeps its Introspection in `app.state.introspection`.
    """

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Operator:
        if credentials is None:
            raise Unauthorized
        introspection: Introspection = request.app.state.introspection
        operator = await introspection(credentials.credentials)
        if operator is None:
            raise Unauthorized
        if RANK[operator.role] < RANK[role]:
            raise Forbidden
        return operator

    return check


class _Answer(BaseModel):
    """What is read of an introspection's answer (RFC 7662, 2.2)."""

    active: bool
    username: str | None = None
    scope: Role | None = None


class RemoteIntrospection:
    """Asks registration; keeps answers by the token's hash."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/internal/introspection"
        self._known: dict[bytes, tuple[float, Operator | None]] = {}

    async def __call__(self, token: str) -> Operator | None:
        key = hashlib.sha256(token.encode()).digest()
        found = self._known.get(key)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        operator = await self._ask(token)
        if len(self._known) > 1000:
            self._known.clear()
        self._known[key] = (time.monotonic() + REMEMBER_SECONDS, operator)
        return operator

    async def _ask(self, token: str) -> Operator | None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.post(self._url, data={"token": token})
                answer.raise_for_status()
            told = _Answer.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise Busy from error
        if not told.active:
            return None
        if told.username is None or told.scope is None:
            raise Busy
        return Operator(told.username, told.scope)
