"""A place is offered, and what becomes of the offer: the people, the ledger, the mails."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.contracts.registration import RegistrationMessage
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications import audit
from services.notifications.domain.errors import UnknownRegistration
from services.notifications.models import mail, participant
from tests.integration.notifications.mailroom import a_delivery, running, tell
from tests.integration.notifications.post_office import PostOffice
from tests.integration.notifications.told import UNTIL, Story


async def mails(db: Database, of: UUID) -> Sequence[sa.Row[Any]]:
    """The mails to one registration, in order."""
    wanted = sa.select(mail).where(mail.c.registration_id == of).order_by(mail.c.sequence)
    async with db.read() as conn:
        return (await conn.execute(wanted)).all()


async def person(db: Database, of: UUID) -> sa.Row[Any]:
    async with db.read() as conn:
        wanted = sa.select(participant).where(participant.c.registration_id == of)
        return (await conn.execute(wanted)).one()


async def lacking(db: Database, story: Story) -> list[UUID]:
    """Who has no mail of the last change."""
    return await audit.without_mail(db, story.event_id, 10)


def offer_of(seats: int, party: int, **more: Any) -> dict[str, Any]:
    until = UNTIL.isoformat().replace("+00:00", "Z")
    return {"seats": seats, "party": party, "until": until, "end": None, "place": None, **more}


async def test_an_offer_is_kept_with_the_person_and_told(db: Database) -> None:
    story, anna = Story(), uuid7()
    await tell(db, [story.published(), story.waitlisted(anna, seats=4)])
    await tell(db, [story.offered(anna, seats=2, party=4)])
    kept = await person(db, anna)
    assert (kept.status, kept.revision, kept.seats) == ("offered", 2, 4)
    assert kept.offer == offer_of(2, 4)
    first, told = await mails(db, anna)
    assert first.content["offer"] is None
    assert (told.kind, told.version, told.sequence, told.priority) == ("offered", 2, 2, 0)
    assert told.content["offer"] == offer_of(2, 4)
    assert (told.content["seats"], told.content["holds_place"]) == (4, False)
    assert await lacking(db, story) == []


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("reason", "place", "position", "status"),
    [
        ("declined", "lost", None, "cancelled"),
        ("expired", "lost", None, "cancelled"),
        ("expired", "end", 9, "waitlisted"),
        ("declined", "kept", None, "waitlisted"),
    ],
)
async def test_an_offer_ends(
    db: Database, reason: str, place: str, position: int | None, status: str, at_once: bool
) -> None:
    """The same whether its beginning comes in the same batch or was known before."""
    story, anna = Story(), uuid7()
    before: list[RegistrationMessage] = [
        story.published(),
        story.waitlisted(anna, seats=4),
        story.offered(anna, seats=2, party=4),
    ]
    end = story.offer_ended(anna, seats=2, reason=reason, place=place, position=position)
    batches: list[list[RegistrationMessage]] = [[*before, end]] if at_once else [before, [end]]
    for batch in batches:
        await tell(db, batch)
    kept = await person(db, anna)
    assert (kept.status, kept.revision, kept.seats, kept.offer) == (status, 3, 4, None)
    *_, told = await mails(db, anna)
    assert (told.kind, told.version) == ("offer_ended", 3)
    if not at_once:
        assert told.priority == 1
    assert told.content["offer"] == offer_of(2, 4, end=reason, place=place)
    assert (told.content["position"], told.content["seats"]) == (position, 4)
    assert told.content["holds_place"] is False
    assert await lacking(db, story) == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_offer_is_accepted(db: Database, at_once: bool) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    before: list[RegistrationMessage] = [
        story.published(),
        story.waitlisted(anna, seats=4),
        story.waitlisted(ben),
        story.offered(anna, seats=2, party=4),
    ]
    after: list[RegistrationMessage] = [
        story.confirmed(anna, revision=3, via="waitlist", seats=2),
        story.confirmed(ben, revision=2, via="waitlist"),
    ]
    for batch in [[*before, *after]] if at_once else [before, after]:
        await tell(db, batch)
    kept = await person(db, anna)
    assert (kept.status, kept.seats, kept.offer) == ("confirmed", 2, None)
    *_, accepted = await mails(db, anna)
    assert (accepted.kind, accepted.content["seats"]) == ("promoted", 2)
    assert accepted.content["offer"] == offer_of(2, 4, end="accepted")
    assert accepted.content["holds_place"] is True
    *_, given = await mails(db, ben)
    assert (given.kind, given.content["offer"]) == ("promoted", None)
    assert await lacking(db, story) == []


async def test_all_of_an_event_are_those_offered_too(db: Database) -> None:
    story, anna, ben, cleo = Story(), uuid7(), uuid7(), uuid7()
    await tell(
        db,
        [
            story.published(),
            *(story.waitlisted(one) for one in (anna, ben, cleo)),
            story.offered(anna),
            story.offered(ben),
            story.offer_ended(ben),
            story.offered(cleo),
            story.offer_ended(cleo, reason="expired", place="end", position=1),
            story.changed(place="Stadthalle"),
            story.called_off("Sturm"),
        ],
    )
    changed, off = (await mails(db, anna))[-2:]
    assert (changed.kind, off.kind) == ("event_changed", "event_called_off")
    assert changed.content["offer"] == offer_of(1, 1)
    assert changed.content["holds_place"] is False
    assert [row.kind for row in await mails(db, ben)] == ["waitlisted", "offered", "offer_ended"]
    waits = (await mails(db, cleo))[-1]
    assert (waits.kind, waits.content["offer"]) == ("event_called_off", None)


async def test_a_smaller_party_is_known_and_sends_nothing(db: Database) -> None:
    story, anna, ben = Story(), uuid7(), uuid7()
    await tell(db, [story.published(), story.waitlisted(anna, seats=4)])
    await tell(db, [story.reduced(anna, seats=3), story.confirmed(ben, seats=3)])
    await tell(db, [story.reduced(ben, seats=2, was="confirmed")])
    kept = await person(db, anna)
    assert (kept.status, kept.revision, kept.seats, kept.quiet_revision) == ("waitlisted", 2, 3, 2)
    assert (kept.name, kept.email) == ("Ayşe Öztürk", f"{anna.hex}@example.org")
    assert [row.kind for row in await mails(db, anna)] == ["waitlisted"]
    assert [row.kind for row in await mails(db, ben)] == ["confirmed"]
    assert await lacking(db, story) == []
    await tell(db, [story.changed(title="Neu")])
    assert (await mails(db, ben))[-1].content["seats"] == 2
    # The next change is told again, and its mail has to be there.
    await tell(db, [story.confirmed(anna, revision=3, via="waitlist", seats=3)])
    assert (await person(db, anna)).quiet_revision is None
    assert (await mails(db, anna))[-1].kind == "promoted"


async def test_a_smaller_party_of_nobody_known_is_an_error(db: Database) -> None:
    story = Story()
    await tell(db, [story.published()])
    with pytest.raises(UnknownRegistration):
        await tell(db, [story.reduced(uuid7())])


async def test_who_has_a_place_elsewhere_is_out_and_hears_nothing_of_it(db: Database) -> None:
    story, anna = Story(), uuid7()
    await tell(db, [story.published(), story.waitlisted(anna)])
    await tell(db, [story.cancelled(anna, was="waitlisted", lapsed=True), story.changed(title="A")])
    kept = await person(db, anna)
    assert (kept.status, kept.revision) == ("cancelled", 2)
    assert [row.kind for row in await mails(db, anna)] == ["waitlisted"]
    assert await lacking(db, story) == []


async def test_still_wanting_a_place_changes_nothing(db: Database) -> None:
    story, anna = Story(), uuid7()
    await tell(db, [story.published(), story.waitlisted(anna)])
    before = (await person(db, anna), await mails(db, anna))
    await tell(db, [story.still_wanted(anna)])
    assert (await person(db, anna), await mails(db, anna)) == before


async def test_repeats_and_older_words_change_nothing(db: Database) -> None:
    story, anna = Story(), uuid7()
    messages: list[RegistrationMessage] = [
        story.published(),
        story.waitlisted(anna, seats=3),
        story.reduced(anna, seats=2),
        story.offered(anna, revision=3, seats=1, party=2),
        story.offer_ended(anna, revision=4, reason="declined", place="kept"),
        story.offered(anna, revision=5, seats=2, party=2),
        story.confirmed(anna, revision=6, via="waitlist", seats=2),
    ]
    await tell(db, messages)
    before = (await person(db, anna), await mails(db, anna))
    kinds = [row.kind for row in before[1]]
    assert kinds == ["waitlisted", "offered", "offer_ended", "offered", "promoted"]
    await tell(db, messages)
    for message in messages:
        await tell(db, [message])
    assert (await person(db, anna), await mails(db, anna)) == before


async def test_a_missing_mail_about_an_offer_is_found(db: Database) -> None:
    story = Story()
    people = anna, ben, cleo, dora = [uuid7() for _ in range(4)]
    await tell(
        db,
        [
            story.published(),
            *(story.waitlisted(one, seats=2) for one in people),
            *(story.offered(one, seats=1, party=2) for one in (anna, ben, cleo)),
            story.offer_ended(ben, reason="declined", place="kept"),
            story.offer_ended(cleo),
            story.reduced(dora),
        ],
    )
    assert await lacking(db, story) == []
    for one, kind in [
        (anna, "offered"),
        (ben, "offer_ended"),
        (cleo, "offer_ended"),
        (dora, "waitlisted"),
    ]:
        async with db.transaction() as conn:
            await conn.execute(
                mail.delete().where(mail.c.registration_id == one, mail.c.kind == kind)
            )
    assert await lacking(db, story) == sorted(people)


async def test_who_is_offered_a_place_has_an_offer(db: Database) -> None:
    story, anna = Story(), uuid7()
    await tell(db, [story.published(), story.offered(anna)])
    with pytest.raises(sa.exc.IntegrityError, match="ck_participant_offer"):
        async with db.transaction() as conn:
            await conn.execute(participant.update().values(offer=sa.null()))


async def test_the_mails_arrive_in_order(db: Database, post_office: PostOffice) -> None:
    story, anna = Story(), uuid7()
    await tell(
        db,
        [
            story.published(),
            story.waitlisted(anna, seats=4),
            story.offered(anna, seats=2, party=4),
            story.offer_ended(anna, seats=2, reason="declined", place="kept"),
            story.offered(anna, revision=4, seats=4, party=4),
            story.changed(place="Stadthalle"),
            story.confirmed(anna, revision=5, via="waitlist", seats=4),
        ],
    )
    async with running(a_delivery(db, post_office.url)):
        await post_office.wait(6)
    subjects = [str(m["Subject"]).partition(":")[0] for m in post_office.received]
    assert subjects == [
        "Warteliste",
        "2 Plätze sind für Sie frei",
        "Angebot abgelehnt",
        "4 Plätze sind für Sie frei",
        "Geändert",
        "Ihre Plätze",
    ]
    calendars = [
        sum(part.get_content_type() == "text/calendar" for part in m.walk())
        for m in post_office.received
    ]
    assert calendars == [0, 0, 0, 0, 0, 1]
    text = post_office.received[1].get_body(("plain",))
    assert text is not None
    # An hour ahead of UTC in March, in the time of the event.
    assert "    Montag, 2. März 2026, 13:00 Uhr" in text.get_content()
