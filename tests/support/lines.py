"""A person's own page in each of its states, over registration in memory."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from services.registration.domain.event import Day, Event
from services.registration.domain.offer import Rules
from services.registration.domain.seats import Seats
from tests.support.pages import Preview, event, person

AUTOMATIC: Final = Rules()
OFFER: Final = Rules(promotion="offer", policy="fill")
PART: Final = Rules(promotion="offer", policy="partial", after="end")
DAY: Final = timedelta(days=1)


def full(slug: str, seats: int, rules: Rules, **changes: Any) -> tuple[Event, Seats]:
    """An event with places for which others have signed up."""
    found = event(
        slug,
        "Lesekreis: Städte, von denen wir träumen",
        Day(date(2026, 11, 19), time(18), time(20)),
        summary="Ein Buch, ein Abend, ein Gespräch.",
        max_party=6,
        waitlist=rules,
    )
    return replace(found, **changes), Seats(seats)


class Lines:
    """Builds one state in a preview; each answers the path of the person's own page."""

    def __init__(self, shown: Preview) -> None:
        self.shown = shown
        self._number = 100

    async def joins(self, slug: str, seats: int = 1, also: tuple[str, ...] = ()) -> str:
        """Somebody signs up; the path of their own page."""
        self._number += 1
        sent = person(self._number, seats=seats, also=also)
        done = await self.shown.service.sign_up(slug, sent, None, "here")
        return done.manage_url.removeprefix("http://localhost")

    async def does(self, path: str, what: Any, seats: int = 0) -> None:
        """Somebody does something about their registration."""
        _, _, registration_id, token = path.split("/")
        await self.shown.service.act(UUID(registration_id), token, what, seats)

    def first(self, slug: str) -> str:
        """The page of the first who signed up for an event."""
        found = next(one for one in self.shown.service.answers if one.event == slug)
        return found.manage_url.removeprefix("http://localhost")

    async def waits(self, rules: Rules, party: int, taken: tuple[int, ...]) -> tuple[str, str]:
        """A party in line for an event that parties as in `taken` have booked up; the pages of
        the first of these and of the party."""
        self.shown.service.put(*full("lesekreis", sum(taken), rules))
        first, *_ = [await self.joins("lesekreis", seats) for seats in taken]
        return first, await self.joins("lesekreis", party)

    async def offered(self, rules: Rules = OFFER, party: int = 1, free: int = 1) -> str:
        first, own = await self.waits(rules, party, (free, 6))
        await self.does(first, "cancel")
        return own

    async def offered_three(self) -> str:
        return await self.offered(party=3, free=3)

    async def part(self) -> str:
        return await self.offered(PART, party=4, free=2)

    async def ran_out(self) -> str:
        own = await self.offered()
        self.shown.clock.advance(3 * DAY)
        return own

    async def ran_out_end(self) -> str:
        own = await self.offered(replace(OFFER, after="end"))
        self.shown.clock.advance(3 * DAY)
        return own

    async def expired(self) -> str:
        own = await self.ran_out()
        await self.joins("lesekreis")
        self.shown.service.run_out()
        return own

    async def waiting(self) -> str:
        _, own = await self.waits(AUTOMATIC, 1, (2, 4))
        await self.joins("lesekreis", 2)
        return own

    async def waiting_group(self) -> str:
        """Third in line for four places, where two have just moved up."""
        first, moves = await self.waits(OFFER, 2, (2, 4))
        await self.joins("lesekreis", 6)
        await self.joins("lesekreis")
        own = await self.joins("lesekreis", 4)
        await self.does(first, "cancel")
        await self.does(moves, "accept")
        await self.does(own, "still_wanted")
        return own

    async def waiting_partial(self) -> str:
        _, own = await self.waits(PART, 3, (2, 4))
        return own

    async def waiting_ends(self) -> str:
        ends = datetime(2026, 11, 17, 11, tzinfo=UTC)
        _, own = await self.waits(replace(AUTOMATIC, until=ends), 1, (1,))
        return own

    async def line_over(self) -> str:
        ends = datetime(2026, 11, 1, 11, tzinfo=UTC)
        _, own = await self.waits(replace(AUTOMATIC, until=ends), 2, (2, 4))
        self.shown.clock.advance(30 * DAY)
        self.shown.board.refresh()
        return own

    async def several(self) -> str:
        """In line for three dates at once."""
        for month, slug in ((12, "lesekreis-dezember"), (1, "lesekreis-januar")):
            found, seats = full(slug, 1, OFFER, series="lesekreis")
            when = Day(date(2026 if month == 12 else 2027, month, 17), time(18), time(20))
            self.shown.service.put(replace(found, days=(when,)), seats)
            await self.joins(slug)
        self.shown.service.put(*full("lesekreis", 1, OFFER, series="lesekreis"))
        await self.joins("lesekreis")
        return await self.joins("lesekreis", 1, ("lesekreis-dezember", "lesekreis-januar"))

    async def lapsed(self) -> str:
        """In line for three dates, and a place at one of the others is offered."""
        own = await self.several()
        await self.does(self.first("lesekreis-dezember"), "cancel")
        return own

    async def confirmed(self) -> str:
        self.shown.service.put(*full("lesekreis", 9, AUTOMATIC))
        return await self.joins("lesekreis")

    async def confirmed_group(self) -> str:
        self.shown.service.put(*full("lesekreis", 9, AUTOMATIC))
        return await self.joins("lesekreis", 4)

    async def moved_up(self) -> str:
        first, own = await self.waits(AUTOMATIC, 1, (1, 5))
        await self.does(first, "cancel")
        return own

    async def left(self) -> str:
        own = await self.waiting()
        await self.does(own, "cancel")
        return own

    async def cancelled(self) -> str:
        own = await self.confirmed()
        await self.does(own, "cancel")
        return own

    async def called_off(self) -> str:
        own = await self.waiting()
        off, seats = full("lesekreis", 6, AUTOMATIC, status="called_off")
        self.shown.service.put(off, replace(seats, confirmed=6))
        return own

    async def never(self) -> str:
        own = await self.waiting()
        self.shown.clock.advance(60 * DAY)
        self.shown.board.refresh()
        return own


STATES: Final[dict[str, Callable[[Lines], Awaitable[str]]]] = {
    name: getattr(Lines, name)
    for name in (
        "offered",
        "offered_three",
        "part",
        "ran_out",
        "ran_out_end",
        "expired",
        "waiting",
        "waiting_group",
        "waiting_partial",
        "waiting_ends",
        "line_over",
        "several",
        "lapsed",
        "confirmed",
        "confirmed_group",
        "moved_up",
        "left",
        "cancelled",
        "called_off",
        "never",
    )
}
