"""A confirmation does not wait behind a newsletter."""

from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk import service
from tests.integration.bulk.people import begin, done, many, role, running
from tests.integration.notifications import mailroom
from tests.integration.notifications.told import Story
from tests.support.newsletter_sink import Sink

MANY = 4_000
SLOW = 0.01


async def test_a_confirmation_goes_out_in_the_middle_of_a_large_send(
    db: Database, sink: Sink
) -> None:
    sink.pause = SLOW
    newsletters = set(await many(db, MANY))
    issue = await begin(db)
    story = Story()
    ledger = mailroom.a_delivery(db, sink.url)
    async with running(role(db, sink, connections=20)), mailroom.running(ledger):
        await sink.wait(200)
        await mailroom.tell(
            db, [story.published(), *(story.confirmed(uuid7()) for _ in range(20))], ledger
        )
        before = len(sink.taken)
        while len(singles := [r for r in sink.recipients if r not in newsletters]) < 20:
            await sink.wait(len(sink.taken) + 1)
        after = len(sink.taken) - before - len(singles)
        async with db.read() as conn:
            left = (await service.progress(conn, issue)).pending
        sink.pause = 0
        assert await done(db, issue) == {"sent": MANY}
    # Each of its four connections carries its share, as each of the send's twenty does.
    assert left > MANY / 2
    assert after < MANY / 4
