"""Asking registration what comes next."""

from typing import Any

import httpx
import pytest

from services.notifications.newsletter.domain.errors import ProgrammeAway
from services.notifications.newsletter.programme import RemoteProgramme
from tests.unit.newsletter.samples import SITE

EVENT = {
    "slug": "obst",
    "title": "Obstbäume schneiden",
    "summary": "",
    "days": [{"date": "2027-03-12", "starts_at": "18:00:00", "ends_at": None}],
    "place": None,
    "light": "yellow",
    "state": "open",
    "url": f"{SITE}/events/obst",
}


def answering(answer: httpx.Response | Exception) -> RemoteProgramme:
    def answers(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://registration.test/api/v1/events"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return RemoteProgramme("http://registration.test", transport=httpx.MockTransport(answers))


async def test_events_as_the_public_sees_them() -> None:
    others: list[dict[str, Any]] = [{**EVENT, "state": state} for state in ("called_off", "past")]
    (event,) = await answering(httpx.Response(200, json=[*others, EVENT]))()
    assert (event.title, event.light) == ("Obstbäume schneiden", "yellow")
    assert event.days[0].starts_at is not None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[{"title": "halb"}]),
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
    ],
)
async def test_away(answer: httpx.Response | Exception) -> None:
    with pytest.raises(ProgrammeAway):
        await answering(answer)()
