"""The processes that are measured: an api of registration with everything on, and baselines."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from deploy.local import Stack
from deploy.local.child import Child
from tests.support import events

UVICORN: Final = (
    *("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--log-level", "warning"),
)


@dataclass(slots=True)
class Place:
    """Starts processes on ports of their own, on one stack."""

    stack: Stack
    _children: list[Child] = field(default_factory=list)

    async def api(self, database: str) -> str:
        """One more api process of registration on `database`; its address. Its rate limits are
        counted, with a bound that does not bite."""
        argv = ["einlass", "registration", "api", "--port"]
        return await self._start("api", argv, "readyz", api_environment(database))

    async def baseline(self, module: str, database: str) -> str:
        """A baseline of this folder under the same server; its address."""
        argv = [sys.executable, *UVICORN, f"benchmarks.{module}:app", "--port"]
        return await self._start(module, argv, "ready", {"EINLASS_BENCH_DATABASE_URL": database})

    async def _start(
        self, name: str, argv: Sequence[str], ready: str, env: Mapping[str, str]
    ) -> str:
        number = len(self._children)
        port = self.stack.ports.gateway + 70 + number
        url = f"http://127.0.0.1:{port}"
        child = await asyncio.to_thread(
            self.stack.spawn, f"bench-{name}-{number}", [*argv, str(port)], f"{url}/{ready}", env
        )
        self._children.append(child)
        return url

    async def end(self) -> None:
        """Ends all of them."""
        for child in self._children:
            await asyncio.to_thread(child.terminate)


def api_environment(database: str) -> dict[str, str]:
    """What an api process on `database` is told beside the stack's own environment."""
    return {
        "EINLASS_REGISTRATION_DATABASE_URL": database,
        "EINLASS_RATE_LIMITS": "on",
        "EINLASS_RATE_LIMIT_SCALE": "1000000",
    }


@asynccontextmanager
async def place(stack: Stack) -> AsyncIterator[Place]:
    """Processes that end with the block."""
    made = Place(stack)
    try:
        yield made
    finally:
        await made.end()


async def new_events(url: str, token: str, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    """Published events with these settings each; their slugs."""
    headers = {"Authorization": f"Bearer {token}"}
    slugs = []
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
        for settings in wanted:
            made = events.event(**settings)
            (await client.post("/admin/events", json=made)).raise_for_status()
            slugs.append(str(made["slug"]))
    return slugs
