"""The waiting list on the real stack: every policy, offers, and two moments at once.

The clock is put forward, never waited for. Invariants, checked from outside: one outcome for each
person, told alike by answer, page and mail; never two seats for one wish; a process that is killed
in the middle changes nothing of it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support import events, people
from tests.support.people import Signed
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.waiting import until

pytestmark = pytest.mark.stack

# As often in `make chaos`; fewer times in `make test`.
RACES = 500 if os.environ.get("EINLASS_CHAOS") == "1" else 100
CLIENTS, SEED = 16, 20261125
NIGHTS = {"begins": "00:00", "ends": "00:00"}
OFFER = {"promotion": "offer", "quiet_hours": NIGHTS}
KILLED = ("waitlist-worker", "registration-worker")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A stack of this module's own, since its clock is moved and its processes are killed."""
    port = int(os.environ.get("EINLASS_TEST_PORT", "18800")) + 400
    with rehearsal(tmp_path_factory.mktemp("waitlist"), port) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def public(own: Rehearsal) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the public API."""
    url = f"{own.stack.public_url}/api/v1"
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        yield client


async def post(public: httpx.AsyncClient, who: Signed, what: str, **body: Any) -> httpx.Response:
    """Acts for the person, again while the service is away."""
    while True:
        with suppress(httpx.TransportError):
            answer = await public.post(f"{who.path}/{what}", headers=who.auth, json=body or None)
            if answer.status_code < 500:
                return answer
        await asyncio.sleep(0.1)


async def done(public: httpx.AsyncClient, who: Signed, what: str, **body: Any) -> dict[str, Any]:
    """The same, and it must succeed."""
    answer = await post(public, who, what, **body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def all_of(work: Sequence[Any]) -> list[Any]:
    """Runs coroutines, CLIENTS at a time; their results in order."""
    gate = asyncio.Semaphore(CLIENTS)

    async def one(coroutine: Any) -> Any:
        async with gate:
            return await coroutine

    return await asyncio.gather(*map(one, work))


async def standing(public: httpx.AsyncClient, who: Signed, *statuses: str) -> dict[str, Any]:
    """Where the person stands as soon as that is one of `statuses`."""
    look = partial(people.standing, public, who)
    return await until(look, lambda seen: seen["status"] in statuses, timeout=60)


async def queue(
    own: Rehearsal, public: httpx.AsyncClient, capacity: int, *parties: int, **waitlist: Any
) -> tuple[list[Signed], list[Signed], str]:
    """An event that is full of single people, parties that wait, and their domain."""
    slug = await own.event(
        public, capacity=capacity, max_party=min(capacity, 4), waitlist={**OFFER, **waitlist}
    )
    domain = events.domain()
    have = [await people.sign_up(public, slug, n, domain) for n in range(capacity)]
    wait = [
        await people.sign_up(public, slug, 1000 + n, domain, seats=seats)
        for n, seats in enumerate(parties)
    ]
    assert {one.status for one in wait} <= {"waitlisted"}
    return have, wait, domain


async def test_an_offer_is_accepted_declined_and_runs_out(
    own: Rehearsal, public: httpx.AsyncClient
) -> None:
    have, (anna, bert, cem, dora), domain = await queue(own, public, 1, 1, 1, 1, 1)
    await people.cancel(public, have[0])
    offered = await standing(public, anna, "offered")
    assert offered["offer"]["seats"] == 1
    assert (await people.standing(public, bert))["position"] == 1
    assert (await done(public, anna, "declination"))["status"] == "cancelled"
    until_then = datetime.fromisoformat((await standing(public, bert, "offered"))["offer"]["until"])
    own.advance_to(until_then)
    assert (await post(public, bert, "acceptance")).json()["code"] == "offer_expired"
    assert (await standing(public, bert, "expired"))["status"] == "expired"
    await standing(public, cem, "offered")
    assert (await done(public, cem, "acceptance"))["status"] == "confirmed"
    assert (await people.standing(public, dora))["status"] == "waitlisted"

    def told() -> Counter[str]:
        return Counter(kind for kind in KINDS for to in own.mailed(kind) if to.endswith(domain))

    wanted = {"waitlisted": 4, "offered": 3, "offer_ended": 2, "promoted": 1}
    await until(partial(asyncio.to_thread, told), lambda seen: wanted.items() <= seen.items())


KINDS = ("confirmed", "waitlisted", "offered", "offer_ended", "promoted", "cancelled")


async def test_who_lets_an_offer_run_out_may_go_to_the_end(
    own: Rehearsal, public: httpx.AsyncClient
) -> None:
    have, (anna, bert), _ = await queue(own, public, 1, 1, 1, after_offer="end")
    await people.cancel(public, have[0])
    offer = (await standing(public, anna, "offered"))["offer"]
    own.advance_to(datetime.fromisoformat(offer["until"]))
    assert (await standing(public, anna, "waitlisted"))["position"] >= 1
    await standing(public, bert, "offered")
    assert (await people.standing(public, anna))["position"] == 1
    await done(public, bert, "declination")
    await standing(public, anna, "offered")


async def test_the_head_waits_until_its_party_fits(
    own: Rehearsal, public: httpx.AsyncClient
) -> None:
    have, (pair, single), _ = await queue(
        own, public, 3, 2, 1, promotion="automatic", policy="strict"
    )
    await people.cancel(public, have[0])
    await asyncio.sleep(1)
    seen = [(await people.standing(public, one))["status"] for one in (pair, single)]
    assert seen == ["waitlisted", "waitlisted"]
    await people.cancel(public, have[1])
    await standing(public, pair, "confirmed")
    assert (await people.standing(public, single))["status"] == "waitlisted"


async def test_smaller_parties_pass_as_often_as_they_may(
    own: Rehearsal, public: httpx.AsyncClient
) -> None:
    have, (three, one, two, last), _ = await queue(
        own, public, 5, 3, 1, 1, 1, promotion="automatic", policy="fill", passes=2
    )
    for gone, passing in ((have[0], one), (have[1], two)):
        await people.cancel(public, gone)
        await standing(public, passing, "confirmed")
    await people.cancel(public, have[2])
    await asyncio.sleep(1)
    assert (await people.standing(public, last))["status"] == "waitlisted"
    await people.cancel(public, have[3])
    await people.cancel(public, have[4])
    await standing(public, three, "confirmed")
    assert (await people.standing(public, last))["status"] == "waitlisted"


async def test_the_head_is_offered_fewer(own: Rehearsal, public: httpx.AsyncClient) -> None:
    have, (family, other, single), _ = await queue(own, public, 4, 3, 3, 1, policy="partial")
    await people.cancel(public, have[0])
    offer = (await standing(public, family, "offered"))["offer"]
    assert (offer["seats"], offer["party"]) == (1, 3)
    # Declined: the place in line stays, and the next is asked.
    again = await done(public, family, "declination")
    assert (again["status"], again["position"]) == ("waitlisted", 1)
    await standing(public, single, "offered")
    await done(public, single, "acceptance")
    await people.cancel(public, have[1])
    await people.cancel(public, have[2])
    await people.cancel(public, have[3])
    whole = (await standing(public, family, "offered"))["offer"]
    assert whole["seats"] == 3
    assert (await done(public, family, "acceptance"))["seats"] == 3
    assert (await people.standing(public, other))["status"] == "waitlisted"


async def test_once_the_line_is_over_the_held_seats_are_everybodys(
    own: Rehearsal, public: httpx.AsyncClient
) -> None:
    ends = own.now() + timedelta(days=3)
    have, (pair,), domain = await queue(
        own, public, 2, 2, promotion="automatic", until=ends.isoformat()
    )
    slug = have[0].answer["event"]
    await people.cancel(public, have[0])
    await asyncio.sleep(0.5)
    assert (await people.sign_up(public, slug, 7, domain)).status == "waitlisted"
    own.advance_to(ends)
    passer_by = partial(people.sign_up, public, slug)
    seen: list[str] = []

    async def signs_up() -> str:
        with suppress(httpx.HTTPStatusError):
            seen.append((await passer_by(100 + len(seen), domain)).status)
        return seen[-1] if seen else ""

    await until(signs_up, lambda status: status == "confirmed")
    assert set(seen) == {"confirmed"}
    assert (await people.standing(public, pair))["status"] == "waitlisted"


async def kill_now_and_then(own: Rehearsal, stop: asyncio.Event) -> int:
    """Kills the workers one after the other, until told to stop; how often."""
    kills = 0
    while not stop.is_set():
        child = own.stack.children[KILLED[kills % len(KILLED)]]
        await asyncio.to_thread(child.kill)
        await asyncio.to_thread(child.start)
        kills += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 2.5)
    return kills


@pytest.mark.parametrize("killed", [False, True], ids=["quiet", "killed"])
async def test_accepting_against_running_out_raced(
    own: Rehearsal, public: httpx.AsyncClient, killed: bool
) -> None:
    """Each person's answer, standing and mail tell one and the same."""
    have, wait, domain = await crowd(own, public)
    await all_of([people.cancel(public, one) for one in have])
    offers = await all_of([standing(public, one, "offered") for one in wait])
    moments = [datetime.fromisoformat(seen["offer"]["until"]) for seen in offers]
    # Half a second before the first runs out they begin to accept, in any order.
    own.advance_to(min(moments) - timedelta(seconds=0.5))
    order = random.Random(SEED).sample(wait, len(wait))
    stop = asyncio.Event()
    killing = asyncio.create_task(kill_now_and_then(own, stop)) if killed else None
    answers = dict(
        zip(
            (one.path for one in order),
            await all_of([post(public, one, "acceptance") for one in order]),
            strict=True,
        )
    )
    own.advance_to(max(moments) + timedelta(seconds=1))
    ends = await all_of([standing(public, one, "confirmed", "expired") for one in wait])
    stop.set()
    if killing is not None:
        assert await killing > 0
    for who, end in zip(wait, ends, strict=True):
        answer = answers[who.path]
        told = "confirmed" if answer.is_success else answer.json()["code"]
        assert told == {"confirmed": "confirmed", "expired": "offer_expired"}[end["status"]]
    taken = sum(end["status"] == "confirmed" for end in ends)
    assert 0 < taken < len(wait), f"{taken} of {len(wait)} accepted: that was no race"
    for kind, count in (("promoted", taken), ("offer_ended", len(wait) - taken)):
        await mailed(own, kind, domain, count)


async def mailed(own: Rehearsal, kind: str, domain: str, count: int) -> None:
    """Returns once mails of this kind came to so many people of the domain; never to more."""

    async def look() -> int:
        return len({to for to in own.mailed(kind) if to.endswith(domain)})

    assert await until(look, lambda seen: seen >= count, timeout=120) == count


async def crowd(
    own: Rehearsal, public: httpx.AsyncClient, **changes: Any
) -> tuple[list[Signed], list[Signed], str]:
    """RACES people who have all seats of an event, and RACES who wait for them."""
    settings = {"waitlist": {**OFFER, "offer_hours": 24}, **changes}
    slug = await own.event(public, capacity=RACES, **settings)
    domain = events.domain()
    have = await all_of([people.sign_up(public, slug, n, domain) for n in range(RACES)])
    numbers = range(RACES, 2 * RACES)
    wait = await all_of([people.sign_up(public, slug, n, domain) for n in numbers])
    assert {one.status for one in wait} == {"waitlisted"}
    return have, wait, domain


@pytest.mark.parametrize("killed", [False, True], ids=["quiet", "killed"])
async def test_two_dates_with_one_entry_raced(
    own: Rehearsal, public: httpx.AsyncClient, killed: bool
) -> None:
    """All seats of both dates become free at the same time: everybody gets one of them."""
    series = events.event()["slug"]
    automatic = {"waitlist": {"promotion": "automatic"}, "series": series, "capacity": RACES}
    slugs = [await own.event(public, **automatic) for _ in range(2)]
    known = partial(public.get, f"/events/{slugs[1]}")
    await until(known, lambda answer: answer.is_success)
    domain = events.domain()
    have = await all_of(
        [
            people.sign_up(public, slug, n + side * RACES, domain)
            for side, slug in enumerate(slugs)
            for n in range(RACES)
        ]
    )
    numbers = range(2 * RACES, 3 * RACES)
    wait = await all_of(
        [people.sign_up(public, slugs[n % 2], n, domain, also=[slugs[1 - n % 2]]) for n in numbers]
    )
    assert {one.status for one in wait} == {"waitlisted"}
    stop = asyncio.Event()
    killing = asyncio.create_task(kill_now_and_then(own, stop)) if killed else None
    await all_of(
        [post(public, one, "cancellation") for one in random.Random(SEED).sample(have, len(have))]
    )
    ends = await all_of([standing(public, one, "confirmed", "cancelled") for one in wait])
    stop.set()
    if killing is not None:
        assert await killing > 0
    for end in ends:
        both = sorted([end["status"], *(other["status"] for other in end["others"])])
        assert both == ["cancelled", "confirmed"]
    counts = await until(partial(counts_of, own, public, slugs), quiet, timeout=60)
    assert sum(one["confirmed"] for one in counts) == RACES
    assert {one["held"] + one["waiting"] for one in counts} == {0}


async def counts_of(
    own: Rehearsal, public: httpx.AsyncClient, slugs: Sequence[str]
) -> list[dict[str, int]]:
    """The counters of events, as operators see them."""
    assert own.stack.operator is not None
    headers = {"Authorization": f"Bearer {own.stack.operator.token}"}
    found = []
    for slug in slugs:
        answer = await public.get(f"/admin/events/{slug}", headers=headers)
        found.append(dict(answer.json()["counts"]))
    return found


def quiet(counts: Sequence[dict[str, int]]) -> bool:
    """Whether nothing is held any more."""
    return all(one["held"] == 0 for one in counts)
