"""People who sign up over the public API, and what they see."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.events import person


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody's answer to a sign-up, and the link that acts for the person."""

    answer: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.answer["status"])

    @property
    def position(self) -> int | None:
        return self.answer.get("position")

    @property
    def path(self) -> str:
        return f"/registrations/{self.answer['id']}"

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.answer['manage_url'].rsplit('/', 1)[1]}"}


async def sign_up(
    public: httpx.AsyncClient, slug: str, number: int, domain: str, **changes: Any
) -> Signed:
    """Signs one person up. Raises HTTPStatusError where it is refused."""
    answer = await public.post(
        f"/events/{slug}/registrations", json=person(number, domain, **changes)
    )
    answer.raise_for_status()
    return Signed(answer.json())


async def cancel(public: httpx.AsyncClient, who: Signed) -> dict[str, Any]:
    """Cancels. Raises HTTPStatusError where it is refused."""
    answer = await public.post(f"{who.path}/cancellation", headers=who.auth)
    answer.raise_for_status()
    return dict(answer.json())


async def standing(public: httpx.AsyncClient, who: Signed) -> dict[str, Any]:
    """Where the person stands."""
    answer = await public.get(who.path, headers=who.auth)
    answer.raise_for_status()
    return dict(answer.json())
