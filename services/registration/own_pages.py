"""The pages of one person: where a registration stands, and what they can do about it.

Invariant: nobody keeps these pages, and a wrong link does not tell what is wrong with it. What a
person does is done by POST from a page of ours and leads back to their own page; where it cannot
be done any more, that page says so.
"""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.kit import etag
from services.kit.errors import EinlassError, NotFound
from services.kit.pages import typed_in
from services.registration import forms, line_views, views
from services.registration.actions import What
from services.registration.board import PublicEvent
from services.registration.domain.errors import (
    CancellationClosed,
    NothingOffered,
    NotInLine,
    OfferExpired,
    PartyFixed,
    PartyNotSmaller,
)
from services.registration.site import (
    FROM_HERE,
    PRIVATE,
    People,
    Shown,
    calendar_file,
    language_of,
    page,
)

router = APIRouter(prefix="/registrations/{registration_id}/{token}", include_in_schema=False)

# What a person is told on their own page.
TOLD: Final = (
    CancellationClosed,
    NothingOffered,
    NotInLine,
    OfferExpired,
    PartyFixed,
    PartyNotSmaller,
)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the link names, and where to ask."""

    request: Request
    service: People
    board: Shown
    id: UUID
    token: str

    @property
    def address(self) -> str:
        """The person's own page."""
        return f"/registrations/{self.id}/{self.token}"

    async def act(self, what: What, seats: int = 0) -> Response:
        """Does it and leads back to the own page; or shows that page with what is in the way."""
        try:
            await self.service.act(self.id, self.token, what, seats)
        except TOLD as error:
            return await self.page("cancel.html" if what == "cancel" else "own.html", error)
        return RedirectResponse(self.address, 303, PRIVATE)

    async def page(self, template: str, failure: EinlassError | None = None) -> Response:
        """One of the pages about where the registration stands now."""
        standing = await self.service.registration(self.id, self.token)
        event, locale = standing.event, language_of(self.request)
        found = self.board.get(event.slug) or PublicEvent(event, None, "closed")
        return page(
            self.request,
            template,
            status=failure.status if failure is not None else 200,
            headers=PRIVATE,
            standing=standing,
            own=line_views.own(standing, self.request.app.state.clock.now(), locale),
            event=views.page(found, locale),
            new=self.request.query_params.get("new") == "1",
            failure=failure,
            address=self.address,
        )


def _person(
    request: Request, service: People, board: Shown, registration_id: UUID, token: str
) -> Person:
    return Person(request, service, board, registration_id, token)


Whom = Annotated[Person, Depends(_person)]


@router.get("")
async def own(person: Whom) -> Response:
    """A person's own page. Open, it asks again by itself, so it says whether it has changed."""
    answer = await person.page("own.html")
    tag = etag.of(bytes(answer.body))
    answer.headers["ETag"] = tag
    if etag.is_known(tag, person.request.headers.get("if-none-match")):
        return Response(status_code=304, headers={**PRIVATE, "ETag": tag})
    return answer


@router.get("/calendar.ics")
async def calendar(person: Whom) -> Response:
    """The event for the person's calendar. It has the UID of the invitations in our mails and
    the lowest SEQUENCE, so neither doubles the other and a later mail always updates it."""
    standing = await person.service.registration(person.id, person.token)
    if standing.status != "confirmed":
        raise NotFound
    answer = calendar_file(person.request, standing.event, str(standing.id), 0)
    answer.headers.update(PRIVATE)
    return answer


@router.get("/cancel")
async def ask_to_cancel(person: Whom) -> Response:
    """Says what cancelling means, with a button for it."""
    return await person.page("cancel.html")


@router.post("/cancel", dependencies=FROM_HERE)
async def cancel(person: Whom) -> Response:
    """Gives the place back, or leaves the line."""
    return await person.act("cancel")


@router.get("/decline")
async def ask_to_decline(person: Whom) -> Response:
    """Says what declining the place means, with a button for it."""
    return await person.page("decline.html")


@router.post("/decline", dependencies=FROM_HERE)
async def decline(person: Whom) -> Response:
    """Declines the place that is offered."""
    return await person.act("decline")


@router.post("/accept", dependencies=FROM_HERE)
async def accept(person: Whom) -> Response:
    """Accepts the place that is offered."""
    return await person.act("accept")


@router.post("/fewer", dependencies=FROM_HERE)
async def fewer(person: Whom) -> Response:
    """Makes the party smaller."""
    sent = typed_in(await person.request.form())
    return await person.act("reduce", forms.whole(sent.get("seats", "")))


@router.post("/interest", dependencies=FROM_HERE)
async def interest(person: Whom) -> Response:
    """Says that the person still wants the place."""
    return await person.act("still_wanted")


@router.get("/accept")
@router.get("/fewer")
@router.get("/interest")
async def back(person: Whom) -> Response:
    """For whoever comes here by the address of a form, or changes the language of a page that
    followed one: nothing is done, and the own page shows what can be."""
    query = person.request.url.query
    return RedirectResponse(f"{person.address}?{query}" if query else person.address, 303, PRIVATE)
