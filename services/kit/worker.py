"""A worker process: background roles of one service beside a small health server."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.applications import Starlette

from services.kit import health
from services.kit.roles import Role
from services.kit.server import serve_roles


@dataclass(frozen=True, slots=True)
class Worker:
    """`start` begins what the roles share and leaves its endings on the stack."""

    roles: Mapping[str, Role]
    start: Callable[[AsyncExitStack], Awaitable[None]]
    needed: Mapping[str, health.Check]
    helpful: Mapping[str, health.Check]
    log_level: str

    async def run(self, only: Sequence[str], host: str, port: int) -> None:
        """Runs all roles, or `only` those. Raises KeyError for a role it does not have."""
        chosen = {name: self.roles[name] for name in only or self.roles}
        async with AsyncExitStack() as stack:
            await self.start(stack)
            app = Starlette(routes=health.routes(self.needed, self.helpful))
            await serve_roles(chosen, app, host, port)
