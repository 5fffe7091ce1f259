"""Who operates: every admin route asks for a role, and registration alone knows the operators.

Invariants:
- An operator's token is checked where operators are kept. The other services ask there (OAuth 2.0
  Token Introspection, RFC 7662). Of API tokens they remember the answer for some seconds, so a
  removed operator is out everywhere within `REMEMBER_SECONDS`; a session they ask for each time.
- A page knows the operator by the cookie of a session alone, and the API by the Authorization
  header alone, which no page of somebody else can have a browser send.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol
from urllib.parse import quote, unquote

import httpx
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError

from services.kit.errors import Busy, Forbidden, Unauthorized

Role = Literal["viewer", "editor", "admin"]
RANK: Final[dict[Role, int]] = {"viewer": 0, "editor": 1, "admin": 2}
REMEMBER_SECONDS: Final = 10
SESSION_COOKIE: Final = "einlass_session"
ADMIN: Final = "/admin"
LOGIN: Final = "/admin/login"
LOGOUT: Final = "/admin/logout"

# Printable ASCII, without what no address of ours holds and some browsers mend.
_ADMIN: Final = re.compile(r"/admin(?:/[!#-;=@-\[\]_a-z~]*)?(?:\?[!#-;=?-\[\]_a-z~]*)?")

_bearer = HTTPBearer(auto_error=False, description="An operator's API token.")


class SignInFirst(Unauthorized):
    """This needs an operator who has signed in."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may act; `name` stands in audits."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether it is allowed what `role` is."""
        return RANK[self.role] >= RANK[role]


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
        if not operator.may(role):
            raise Forbidden
        return operator

    return check


def require_page(role: Role) -> Callable[..., Awaitable[Operator]]:
    """A dependency of pages that gives the operator who has signed in. Raises SignInFirst, which
    the service's error page answers with `sign_in_at`, or Forbidden.

    The application keeps an Introspection that remembers nothing in `app.state.sessions`.
    """

    async def check(request: Request) -> Operator:
        token = request.cookies.get(SESSION_COOKIE)
        sessions: Introspection = request.app.state.sessions
        operator = await sessions(token) if token else None
        if operator is None:
            raise SignInFirst
        if not operator.may(role):
            raise Forbidden
        return operator

    return check


def sign_in_at(request: Request) -> str:
    """Where to sign in, and to come back from. A form comes back to its address too; so each
    answers GET as well."""
    query = request.url.query
    here = quote(request.url.path) + (f"?{query}" if query else "")
    return f"{LOGIN}?next={quote(here, safe='')}"


def is_admin_address(address: str) -> bool:
    """Whether it is a page below /admin: no other host, and no way up out of it, in whatever way
    it is written (WHATWG URL, 4.4, "double-dot path segment")."""
    path = unquote(address.partition("?")[0])
    dots = any(part in (".", "..") for part in path.split("/"))
    return not dots and "\\" not in path and _ADMIN.fullmatch(address) is not None


class _Answer(BaseModel):
    """What is read of an introspection's answer (RFC 7662, 2.2)."""

    active: bool
    username: str | None = None
    scope: Role | None = None


class RemoteIntrospection:
    """Asks registration; keeps answers by the token's hash, unless `remember` is false."""

    def __init__(self, base_url: str, *, remember: bool = True) -> None:
        self._url = f"{base_url}/internal/introspection"
        self._remember = remember
        self._known: dict[bytes, tuple[float, Operator | None]] = {}
        # Made anew for each question, it would cost more than the question.
        self._tls = httpx.create_ssl_context()

    async def __call__(self, token: str) -> Operator | None:
        if not self._remember:
            return await self._ask(token)
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
            async with httpx.AsyncClient(timeout=5, verify=self._tls) as client:
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
