"""Messages that cannot be handled, in every topic that somebody reads.

Each is set aside with its reason, its partition goes on within 10 s, and `einlass dead-letters`
lists it and, once its cause is mended, handles it. Nobody reads `notifications.v1` yet, so poison
there must do nothing at all.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable
from uuid import UUID

import pytest

from services.contracts import topics
from tests.chaos import invariants
from tests.support import chaos_poison as poison
from tests.support.chaos_figures import Figures
from tests.support.chaos_load import EVENTS
from tests.support.chaos_poison import Put
from tests.support.chaos_trial import Trial
from tests.support.chaos_world import SERVICES, World
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]

WITHIN = 10.0
READERS = {
    topics.REGISTRATION.name: ("waitlist", "notifications"),
    topics.WAITLIST.name: ("registration",),
    topics.NOTIFICATIONS.name: (),
}
UNREADABLE = (b"no json", b"", b'{"type":"registration.confirmed"}', b"\xff\xfe", None)


async def test_poison_in_every_topic(broken: World, figures: list[Figures]) -> None:
    bad: list[Put] = []

    async def fault(trial: Trial) -> None:
        for topic in topics.ALL:
            for value, event_id in zip(UNREADABLE, _ids(trial), strict=False):
                bad.append(await poison.put(broken.bootstrap, topic, event_id, value))
        trial.faults += len(bad)
        began = time.monotonic()
        await _goes_on(trial)
        print(f"  every partition goes on {time.monotonic() - began:.1f} s after it")
        await asyncio.sleep(2)

    figures.append(await Trial(broken, "poison", rate=15).run(fault))
    for service in SERVICES:
        code, listed = await broken.einlass("dead-letters", "list", service)
        assert code == 0
        mine = [one for one in bad if service in READERS[one.topic]]
        assert all(one.place in listed for one in mine), listed
        assert listed.count(".v1/") == len(mine), listed
        assert "json_invalid" in listed or not mine
        if mine:
            code, _ = await broken.einlass("dead-letters", "replay", service, _first(listed))
            assert code != 0, "what cannot be read cannot be replayed"
            assert await broken.einlass("dead-letters", "list", service) == (0, listed)


async def test_a_message_of_an_unknown_event_is_replayed_once_it_is_known(broken: World) -> None:
    """Notifications hears of somebody's place before it hears of the event."""
    unknown = poison.stranger(UUID(int=0), topics.REGISTRATION.partitions)
    email = "late@d.example.org"
    value = poison.confirmed(unknown, 1, email)
    bad = await poison.put(broken.bootstrap, topics.REGISTRATION, unknown, value, unknown)
    letter = await _set_aside(broken, "notifications", bad, "UnknownEvent")
    value = poison.published(unknown, 2)
    await poison.put(broken.bootstrap, topics.REGISTRATION, unknown, value, unknown)
    async with invariants.connected(broken) as conns:

        async def known() -> bool:
            query = "SELECT count(*) FROM event WHERE id = $1"
            return bool(await conns["notifications"].fetchval(query, unknown))

        await until(known, bool)
    assert (await broken.einlass("dead-letters", "replay", "notifications", letter))[0] == 0
    assert bad.place not in (await broken.einlass("dead-letters", "list", "notifications"))[1]

    async def mails() -> int:
        return sum(mail.recipient == email for mail in broken.smtp.mails)

    await until(mails, lambda n: n == 1)
    code, _ = await broken.einlass("dead-letters", "replay", "notifications", letter)
    assert code != 0, "replayed twice"


async def test_a_wish_for_an_unknown_event_is_replayed_once_it_is_known(broken: World) -> None:
    """As where registration's database was restored from before the event."""
    unknown = poison.stranger(UUID(int=0), topics.WAITLIST.partitions)
    value = poison.message("waitlist.seats_released", unknown, 1, {"seats": 2})
    bad = await poison.put(broken.bootstrap, topics.WAITLIST, unknown, value, unknown)
    letter = await _set_aside(broken, "registration", bad, "KeyError")
    async with invariants.connected(broken) as conns:
        await conns["registration"].execute(
            """
            CREATE TEMPORARY TABLE one ON COMMIT PRESERVE ROWS AS SELECT * FROM event LIMIT 1;
            """
        )
        await conns["registration"].execute("UPDATE one SET id = $1, slug = 'restored'", unknown)
        await conns["registration"].execute("INSERT INTO event SELECT * FROM one")
        query = "INSERT INTO seats (event_id, capacity, held) VALUES ($1, 5, 2)"
        await conns["registration"].execute(query, unknown)
        assert (await broken.einlass("dead-letters", "replay", "registration", letter))[0] == 0
        query = "SELECT held FROM seats WHERE event_id = $1"
        assert await conns["registration"].fetchval(query, unknown) == 0


def _ids(trial: Trial) -> Iterable[UUID]:
    """The load's events, over and over, but for those that refuse people and then are silent."""
    ids = zip(trial.load.slugs.values(), EVENTS, strict=True)
    return itertools.cycle([UUID(i) for i, (event, _) in ids if "waitlist" not in event])


def _first(listed: str) -> str:
    return listed.split(maxsplit=1)[0]


async def _set_aside(broken: World, service: str, bad: Put, reason: str) -> str:
    """The number of the letter that `bad` has become; in time, and with its reason."""

    async def listed() -> list[str]:
        lines = (await broken.einlass("dead-letters", "list", service))[1].splitlines()
        pairs = itertools.pairwise(lines)
        return [f"{line}{why}" for line, why in pairs if line.endswith(bad.place)]

    (found,) = await until(listed, lambda lines: len(lines) == 1, timeout=WITHIN + 10)
    assert reason in found
    return _first(found)


async def _goes_on(trial: Trial) -> None:
    """Waits until every reader has had a message of each event that was said after now."""
    async with invariants.connected(trial.world) as conns:
        said = await invariants.pairs(conns["registration"], "SELECT event_id, seq FROM seats")
        mine = {one for one, _ in zip(_ids(trial), range(len(EVENTS)), strict=False)}
        for service in READERS[topics.REGISTRATION.name]:

            async def behind(service: str = service) -> list[UUID]:
                query = "SELECT event_id, last_seq FROM inbox_seq WHERE consumer = $1"
                had = await invariants.pairs(conns[service], query, f"einlass.{service}")
                return [event_id for event_id in mine if had.get(event_id, 0) <= said[event_id]]

            await until(behind, lambda left: not left, timeout=WITHIN)
