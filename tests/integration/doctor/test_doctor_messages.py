"""What is on its way is no finding; what is lost, stuck or set aside is."""

from uuid import UUID

from services.doctor.findings import Check
from tests.integration.doctor.installation import Installation, nobody_at


async def test_what_waits_in_an_outbox_is_on_its_way(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    verdict, _ = await installation.examine(event.id)
    assert [one for one in verdict.findings if one.subject == event.slug] == []
    assert verdict.state(Check.HELD) == "cannot tell"
    assert verdict.state(Check.ORDER) == "cannot tell"
    assert verdict.state(Check.COUNTERS) == "ok"
    assert "messages are on their way" in {one.words for one in verdict.unknown}
    await installation.settle()
    verdict, _ = await installation.examine(event.id)
    assert verdict.state(Check.HELD) == "ok"


async def test_a_promotion_on_its_way_is_no_finding(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.from_registration()
    assert await installation.findings(event) == {}
    await installation.settle()
    assert await installation.findings(event) == {}


async def test_what_registration_said_and_nobody_heard_is_lost(
    installation: Installation,
) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.from_registration(to=["notifications"])
    found = await installation.findings(event)
    assert found[Check.MESSAGES].words == (
        "registration said message 8, the waitlist has heard up to 6, none is on its way"
    )


async def test_what_the_waitlist_said_and_nobody_heard_is_lost(
    installation: Installation,
) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.from_registration()
    await installation.run("waitlist", "DELETE FROM outbox")
    found = await installation.findings(event)
    assert found[Check.MESSAGES].words == (
        "the waitlist said message 1, registration has heard up to 0, none is on its way"
    )


async def test_numbers_of_a_restored_backup_are_mended(installation: Installation) -> None:
    """Registration has forgotten its last number: all that it said next would be dropped."""
    event, people = await installation.booked_up()
    await installation.run(
        "registration", "UPDATE seats SET seq = 5 WHERE event_id = :id", id=event.id
    )
    verdict, _ = await installation.examine(event.id)
    words = [one.words for one in verdict.findings if one.check is Check.MESSAGES]
    assert words == [
        "the waitlist has heard message 6, and registration says that it said 5",
        "notifications has heard message 6, and registration says that it said 5",
    ]
    await installation.repair(event)
    assert (await installation.house.row(event.id)).seq == 6
    await installation.house.cancel(people[0])
    await installation.settle()
    assert await installation.findings(event) == {}


async def test_a_message_set_aside_is_told_with_its_reason(installation: Installation) -> None:
    await installation.run(
        "waitlist",
        'INSERT INTO dead_letter (consumer, topic, partition, "offset", payload, error) '
        "VALUES ('einlass.waitlist', 'registration.v1', 0, 4711, '', 'type: missing')",
    )
    verdict, _ = await installation.examine()
    (found,) = [one for one in verdict.findings if one.check is Check.DEAD_LETTERS]
    assert found.subject == "waitlist"
    assert found.words == (
        "1 message was set aside, the first of registration.v1 because of type: missing"
    )
    await installation.run("waitlist", "UPDATE dead_letter SET replayed_at = now()")
    verdict, _ = await installation.examine()
    assert verdict.state(Check.DEAD_LETTERS) == "ok"


async def test_seats_of_a_promotion_that_was_set_aside_are_kept_for_its_person(
    installation: Installation,
) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.from_registration()
    letter = await installation.set_aside()
    found = await installation.findings(event)
    assert found[Check.HELD].words == "registration holds 1 seat back, the line knows of 0"
    assert found[Check.HELD].advice == "replay the dead letters first"
    assert "1 party was promoted and registration never answered" in found[Check.ORDER].words
    await break_seats(installation, event.id)
    await installation.repair(event)
    assert (await installation.house.row(event.id)).held == 1
    await installation.replay(letter)
    await installation.settle()
    assert await installation.findings(event) == {}
    moved = {one.id: one.status for one in await installation.house.people(event.id)}
    assert moved[people[3].id] == "confirmed"


async def break_seats(installation: Installation, event_id: UUID) -> None:
    """A counter that is mended while the letter waits."""
    await installation.run(
        "registration", "UPDATE seats SET waiting = 9 WHERE event_id = :id", id=event_id
    )


async def test_relays_are_seen_dead_and_alive(installation: Installation) -> None:
    verdict, _ = await installation.examine()
    words = {one.words for one in verdict.findings if one.check is Check.RELAYS}
    assert words == {"no relay is alive, so nothing is published"}
    for service in installation.sources.databases:
        await installation.run(service, "INSERT INTO relay VALUES (uuidv7(), now())")
        await installation.run(
            service,
            "INSERT INTO outbox_shard (shard, owner, leased_until) "
            "SELECT s, uuidv7(), now() + interval '1 minute' FROM generate_series(0, 14) AS s",
        )
    verdict, _ = await installation.examine()
    words = {one.words for one in verdict.findings if one.check is Check.RELAYS}
    assert words == {"1 of 16 shards are held by no relay"}
    for service in installation.sources.databases:
        await installation.run(
            service,
            "INSERT INTO outbox_shard (shard, owner, leased_until) "
            "VALUES (15, uuidv7(), now() + interval '1 minute')",
        )
    verdict, _ = await installation.examine()
    assert verdict.state(Check.RELAYS) == "ok"


async def test_a_row_that_nobody_publishes_is_told(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.run(
        "registration", "UPDATE outbox SET created_at = now() - interval '2 minutes'"
    )
    verdict, _ = await installation.examine(event.id)
    (found,) = [one for one in verdict.findings if one.check is Check.OUTBOX]
    assert found.words.startswith("2 messages wait to be published, the oldest for 12")
    await installation.settle()


async def test_a_database_that_is_behind_is_told(installation: Installation) -> None:
    await installation.run("waitlist", "UPDATE alembic_version SET version_num = '0000'")
    try:
        verdict, look = await installation.examine()
        (found,) = [one for one in verdict.findings if one.check is Check.MIGRATIONS]
        newest = look.versions["waitlist"].newest
        assert found.words == f"the database is at version 0000, the newest is {newest}"
    finally:
        newest = look.versions["waitlist"].newest
        await installation.run("waitlist", "UPDATE alembic_version SET version_num = :v", v=newest)


async def test_servers_that_do_not_answer_are_named(installation: Installation) -> None:
    redis_url, installation.sources.redis_url = (
        installation.sources.redis_url,
        "redis://127.0.0.1:1",
    )
    installation.sources.smtp = nobody_at(1)
    bootstrap, installation.sources.bootstrap = installation.sources.bootstrap, "127.0.0.1:1"
    try:
        verdict, _ = await installation.examine()
    finally:
        installation.sources.redis_url = redis_url
        installation.sources.smtp = None
        installation.sources.bootstrap = bootstrap
    away = {one.subject for one in verdict.findings if one.check is Check.SERVERS}
    assert away == {"Kafka", "Redis", "SMTP"}
    assert verdict.state(Check.CONSUMERS) == "cannot tell"
    assert verdict.state(Check.TOPICS) == "cannot tell"
