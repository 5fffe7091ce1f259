"""Each check of an event is seen to fail on a database that was broken by hand, and to be well
again once it is mended."""

from services.doctor.findings import Check
from services.registration.schemas import EventOut
from tests.integration.doctor.installation import Installation


async def test_a_healthy_event_has_no_finding(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.settle()
    assert await installation.findings(event) == {}


async def test_counters_are_recounted_and_mended(installation: Installation) -> None:
    event, _ = await installation.booked_up()
    await break_seats(installation, event, "confirmed = 2, waiting = 3, line = 3")
    found = await installation.findings(event)
    assert found[Check.COUNTERS].words == (
        "confirmed says 2, the registrations say 3; waiting says 3, the registrations say 2; "
        "line says 3, the registrations say 2"
    )
    assert found[Check.KEPT_FREE].words == "1 seat is free to anybody while 3 parties wait"
    (mended,) = await installation.repair(event)
    assert mended.words == "seats: confirmed 2 -> 3, waiting 3 -> 2, line 3 -> 2"
    assert await installation.findings(event) == {}


async def test_seats_that_mending_frees_go_to_the_line(installation: Installation) -> None:
    """A registration that was deleted by hand leaves its seat counted; whoever waits gets it."""
    event, people = await installation.booked_up()
    await installation.run(
        "registration", "DELETE FROM registration WHERE id = :id", id=people[0].id
    )
    found = await installation.findings(event)
    assert "confirmed says 3, the registrations say 2" in found[Check.COUNTERS].words
    (mended,) = await installation.repair(event)
    assert (
        mended.words
        == "seats: confirmed 3 -> 2, held 0 -> 1, seq 6 -> 7; 1 seat freed for the line"
    )
    row = await installation.house.row(event.id)
    assert (row.confirmed, row.held, row.waiting, row.line) == (3, 0, 1, 1)
    moved = {one.id: one.status for one in await installation.house.people(event.id)}
    assert moved[people[3].id] == "confirmed"
    assert moved[people[4].id] == "waitlisted"


async def test_an_oversold_event_is_told_and_not_mended(installation: Installation) -> None:
    event, _ = await installation.booked_up()
    await break_seats(installation, event, "capacity = 2, confirmed = 2")
    found = await installation.findings(event)
    assert found[Check.OVERSOLD].words == "3 seats are given or held, of 2"
    assert found[Check.OVERSOLD].advice == "raise the capacity by 1, or cancel as many"
    mended = await installation.repair(event)
    assert mended
    assert not any(one.done for one in mended)
    assert "confirmed are 3 of 2 seats" in mended[0].words


async def test_a_light_that_lies_is_mended(installation: Installation) -> None:
    event, _ = await installation.booked_up()
    await break_seats(installation, event, "light = 'green'")
    found = await installation.findings(event)
    assert found[Check.LIGHT].words == "it shows green and should show red"
    await installation.repair(event)
    assert (await installation.house.row(event.id)).light == "red"
    assert await installation.findings(event) == {}


async def test_a_line_is_recounted_and_mended(installation: Installation) -> None:
    event, _ = await installation.booked_up()
    await break_line(installation, event, "waiting = 7, length = 5")
    found = await installation.findings(event)
    assert (
        found[Check.LINES].words
        == "waiting says 7, the entries say 2; length says 5, the entries say 2"
    )
    (mended,) = await installation.repair(event)
    assert mended.words == "line: waiting 7 -> 2, length 5 -> 2"
    assert await installation.findings(event) == {}


async def test_a_free_seat_of_the_line_that_got_lost_is_found_in_the_ledger(
    installation: Installation,
) -> None:
    """The line forgets a seat: its ledger still knows, and mending gives it to the first."""
    event, people = await installation.booked_up(waiting=1, max_party=2)
    pair = await installation.house.sign_up(event, 9, seats=2)
    await installation.house.cancel(people[3])
    await installation.house.cancel(people[0])
    await installation.settle()
    await break_line(installation, event, "free = 0")
    found = await installation.findings(event)
    assert found[Check.LEDGER].words == (
        "1 seat was freed, 0 promoted and 0 released, which leaves 1, and the line says 0"
    )
    assert found[Check.HELD].words == ("registration holds 1 seat back, the line knows of 0")
    mended = await installation.repair(event)
    assert mended[0].words == "line: free 0 -> 1"
    assert await installation.findings(event) == {}
    await installation.house.cancel(people[1])
    await installation.settle()
    moved = {one.id: one.status for one in await installation.house.people(event.id)}
    assert moved[pair.id] == "confirmed"


async def test_held_seats_that_the_line_does_not_know_are_given_back(
    installation: Installation,
) -> None:
    event = await installation.house.event()
    await installation.house.sign_up(event, 1)
    await installation.settle()
    await break_seats(installation, event, "held = 2")
    found = await installation.findings(event)
    assert found[Check.HELD].words == "registration holds 2 seats back, the line knows of 0"
    await installation.repair(event)
    assert (await installation.house.row(event.id)).held == 0
    assert await installation.findings(event) == {}


async def test_held_seats_that_the_line_does_not_know_go_to_whoever_waits(
    installation: Installation,
) -> None:
    event, people = await installation.booked_up(capacity=4, waiting=3)
    await break_seats(installation, event, "capacity = 5, held = 1")
    await installation.repair(event)
    moved = {one.id: one.status for one in await installation.house.people(event.id)}
    assert moved[people[4].id] == "confirmed"
    assert await installation.findings(event) == {}


async def test_the_first_in_line_that_was_passed_over_moves_up(
    installation: Installation,
) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "waitlist",
        "INSERT INTO ledger (event_id, kind, seats, at, actor) "
        "VALUES (:id, 'freed', 1, now(), 'registration')",
        id=event.id,
    )
    await break_line(installation, event, "free = 1")
    await break_seats(installation, event, "capacity = 4, held = 1")
    found = await installation.findings(event)
    assert (
        found[Check.LINES].words == "the first in line wants 1 seat, 1 is free, and nobody moved up"
    )
    await installation.repair(event)
    moved = {one.id: one.status for one in await installation.house.people(event.id)}
    assert moved[people[3].id] == "confirmed"
    assert await installation.findings(event) == {}


async def test_somebody_who_is_missing_in_the_line_is_named(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "waitlist", "DELETE FROM entry WHERE registration_id = :id", id=people[3].id
    )
    found = await installation.findings(event)
    assert f"{people[3].id} waits and does not stand in the line" in found[Check.ORDER].words
    assert "the ledger tells of 2 who joined, and there are 1" in found[Check.LEDGER].words


async def test_another_order_of_the_line_is_named(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "waitlist",
        "UPDATE entry SET rank = 99 WHERE registration_id = :id",
        id=people[3].id,
    )
    found = await installation.findings(event)
    assert f"{people[3].id} has rank 5 with 1 seats here, and 99" in found[Check.ORDER].words


async def test_somebody_promoted_twice_is_told(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.house.cancel(people[0])
    await installation.settle()
    await installation.run(
        "waitlist",
        "INSERT INTO ledger (event_id, registration_id, kind, seats, at, actor) "
        "VALUES (:event, :id, 'promoted', 1, now(), 'line')",
        event=event.id,
        id=people[3].id,
    )
    verdict, _ = await installation.examine(event.id)
    words = [one.words for one in verdict.findings if one.check is Check.LEDGER]
    assert "1 promotion was of somebody promoted before" in words


async def test_a_missing_mail_is_told(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "notifications", "DELETE FROM mail WHERE registration_id = :id", id=people[1].id
    )
    found = await installation.findings(event)
    assert found[Check.MAILS].words == (
        f"of 5 people, 1 lacks the mail of the last change: {people[1].id}"
    )


async def test_a_mail_that_is_long_overdue_is_told(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "notifications",
        "UPDATE mail SET due_at = now() - interval '1 hour' WHERE registration_id = :id",
        id=people[1].id,
    )
    verdict, _ = await installation.examine(event.id)
    (found,) = [one for one in verdict.findings if one.check is Check.DELIVERY]
    assert found.words.startswith("1 mail is overdue, the oldest for 36")
    await installation.run("notifications", "UPDATE mail SET due_at = now()")


async def test_mails_that_know_somebody_otherwise_are_told(installation: Installation) -> None:
    event, people = await installation.booked_up()
    await installation.run(
        "notifications",
        "UPDATE participant SET status = 'cancelled' WHERE registration_id = :id",
        id=people[4].id,
    )
    found = await installation.findings(event)
    assert (
        f"{people[4].id} is waitlisted (revision 1), and notifications says cancelled"
        in found[Check.PEOPLE].words
    )


async def break_seats(installation: Installation, event: EventOut, what: str) -> None:
    await installation.run(
        "registration", f"UPDATE seats SET {what} WHERE event_id = :id", id=event.id
    )


async def break_line(installation: Installation, event: EventOut, what: str) -> None:
    await installation.run("waitlist", f"UPDATE line SET {what} WHERE event_id = :id", id=event.id)
