"""The pages of one subscriber, by their own link: where they stand, and what they can do.

Invariant: nobody keeps these pages, and a wrong link does not tell what is wrong with it. What a
person does is done by POST from a page of ours and leads back to their own page. The one exception
is the POST of RFC 8058, which a mail program sends by itself: it is known by its body alone, needs
no header, sets no cookie and leads nowhere.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from services.kit.csrf import check_origin
from services.kit.db import Database
from services.kit.desk import FROM_HERE
from services.kit.errors import EinlassError, FieldError, Invalid
from services.kit.i18n import LOCALES
from services.kit.look.settings import LookSettings
from services.kit.pages import PRIVATE
from services.notifications.subscribers import own, service
from services.notifications.subscribers.api import evidence_name
from services.notifications.subscribers.desk import ROOM, links_of, typed
from services.notifications.subscribers.domain import rules
from services.notifications.subscribers.domain.errors import (
    AddressSuppressed,
    AddressUnchanged,
    NotSubscribed,
    TooManyAddresses,
)
from services.notifications.subscribers.domain.model import Subscriber
from services.notifications.subscribers.domain.wording import WORDING_VERSION, wording
from services.notifications.subscribers.schemas import EvidenceView

# RFC 8058, 3.2: the pair stands in a form, urlencoded or as multipart.
_ONE_CLICK: Final = re.compile(rb'List-Unsubscribe(?:=|"(?:\r?\n)+)One-Click')

# What a person is told on their own page.
TOLD: Final = (Invalid, AddressSuppressed, AddressUnchanged, NotSubscribed, TooManyAddresses)

Act = Callable[[AsyncConnection, Subscriber, datetime], Awaitable[None]]

router = APIRouter(prefix="/newsletter/s/{subscriber_id}/{token}", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whom the link names, and where to ask."""

    request: Request
    id: UUID
    token: str

    @property
    def db(self) -> Database:
        """Where subscribers are kept."""
        db: Database = self.request.app.state.db
        return db

    @property
    def settings(self) -> LookSettings:
        """Of the process."""
        settings: LookSettings = self.request.app.state.settings
        return settings

    @property
    def now(self) -> datetime:
        """The moment of asking."""
        now: datetime = self.request.app.state.clock.now()
        return now

    async def look(self) -> Subscriber:
        """Raises NotFound."""
        async with self.db.read() as conn:
            return await own.look(conn, links_of(self.request), self.id, self.token)

    async def act(self, done: str, act: Act) -> Response:
        """Does it and leads back to the own page; or shows that page with what is in the way."""
        try:
            await self.do(act)
        except TOLD as error:
            return await self.page("own.html", error, form=done)
        return RedirectResponse(f"{self.address}?done={done}", 303, PRIVATE)

    async def do(self, act: Act) -> None:
        """Does it, in one transaction that holds the row. Raises NotFound."""
        async with self.db.transaction() as conn:
            who = await own.hold(conn, links_of(self.request), self.id, self.token)
            await act(conn, who, self.now)

    @property
    def address(self) -> str:
        """The person's own page."""
        return f"/newsletter/s/{self.id}/{self.token}"

    async def page(
        self, template: str, failure: EinlassError | None = None, form: str = ""
    ) -> Response:
        """A page about where the subscription stands now. `form`: the one that was sent."""
        async with self.db.read() as conn:
            who = await own.look(conn, links_of(self.request), self.id, self.token)
            person = await service.person(conn, who.id)
        sent = await typed(self.request) if failure is not None else {}
        organisation = self.settings.organisation
        return ROOM.page(
            self.request,
            template,
            failure=failure,
            headers=PRIVATE,
            who=None,
            subscriber=who,
            person=person,
            address=self.address,
            done=self.request.query_params.get("done", "") if failure is None else "",
            form=form,
            sent=sent,
            pauses=rules.PAUSES,
            # Word by word what is kept when they subscribe again.
            wording=wording(WORDING_VERSION, who.locale, organisation),
        )


def _whose(request: Request, subscriber_id: UUID, token: str) -> Whose:
    return Whose(request, subscriber_id, token)


Person = Annotated[Whose, Depends(_whose)]


@router.get("")
async def read(person: Person) -> Response:
    """A person's own page."""
    return await person.page("own.html")


@router.get("/unsubscribe")
async def ask_to_leave(person: Person) -> Response:
    """Shows a button. Whoever does not get the newsletter sees the own page, which says so."""
    who = await person.look()
    if who.status not in ("active", "paused"):
        return RedirectResponse(person.address, 303, PRIVATE)
    return await person.page("leave.html")


@router.post("/unsubscribe")
async def leave(person: Person) -> Response:
    """Ends the subscription, before the next mail of a send that is under way. Sent by a mail
    program (RFC 8058), or by the button."""
    one_click = _ONE_CLICK.search(await person.request.body()) is not None
    if not one_click:
        check_origin(person.request)
    way: own.Way = "one_click" if one_click else "own_page"
    await person.do(lambda conn, who, now: own.leave(conn, who, way, now))
    if one_click:
        return PlainTextResponse("Unsubscribed.\n", headers=PRIVATE)
    return RedirectResponse(f"{person.address}?done=left", 303, PRIVATE)


@router.post("/return", dependencies=FROM_HERE)
async def come_back(person: Person) -> Response:
    """Subscribes again."""
    name = person.settings.organisation
    return await person.act("returned", lambda conn, who, now: own.come_back(conn, who, name, now))


@router.post("/language", dependencies=FROM_HERE)
async def speak(person: Person) -> Response:
    """Changes the language."""
    said = (await typed(person.request)).get("locale", "")

    async def act(conn: AsyncConnection, who: Subscriber, now: datetime) -> None:
        for locale in LOCALES:
            if said == locale:
                return await own.speak(conn, who, locale, now)
        raise Invalid([FieldError("#/locale", "unknown", "Please choose a language.")])

    return await person.act("language", act)


@router.post("/address", dependencies=FROM_HERE)
async def move(person: Person) -> Response:
    """Asks for the newsletter at another address."""
    email = (await typed(person.request)).get("email", "")
    return await person.act("address", lambda conn, who, now: own.move(conn, who, email, now))


@router.post("/pause", dependencies=FROM_HERE)
async def pause(person: Person) -> Response:
    """Has nothing sent for a while."""
    sent = await typed(person.request)
    zone = person.settings.zone

    async def act(conn: AsyncConnection, who: Subscriber, now: datetime) -> None:
        until = rules.pause_until(sent.get("wish", ""), sent.get("until", ""), now, zone)
        await own.pause(conn, who, until, now)

    return await person.act("paused", act)


@router.post("/resume", dependencies=FROM_HERE)
async def go_on(person: Person) -> Response:
    """Ends the pause."""
    return await person.act("resumed", own.go_on)


@router.get("/data.json")
async def stored(person: Person) -> Response:
    """All that is kept, as a file."""
    async with person.db.read() as conn:
        who = await own.look(conn, links_of(person.request), person.id, person.token)
        found = EvidenceView.of(await service.person(conn, who.id))
    headers = {**PRIVATE, "Content-Disposition": evidence_name(who.id)}
    return Response(found.model_dump_json(indent=2), headers=headers, media_type="application/json")


@router.get("/return")
@router.get("/language")
@router.get("/address")
@router.get("/pause")
@router.get("/resume")
async def back(person: Person) -> Response:
    """For whoever comes here by the address of a form, or changes the language of a page that
    followed one: nothing is done."""
    query = urlsplit(str(person.request.url)).query
    return RedirectResponse(f"{person.address}?{query}" if query else person.address, 303, PRIVATE)
