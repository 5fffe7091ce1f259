"""Why somebody was or was not promoted, in sentences."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.doctor.person import Case, explain
from services.registration.audit import Person, Recount
from services.registration.domain.event import Day, Event, Status
from services.registration.domain.light import FewLeft
from services.registration.domain.recount import Counted, Row
from services.waitlist.audit import Line, Since, Story
from services.waitlist.domain.line import Actor, Entry, Kind, Reason, Record, State
from services.waitlist.domain.model import LedgerRow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT, WHO = UUID(int=1), UUID(int=2)


def case(status: Status = "published", **changes: Any) -> Case:
    """The second in line, for two seats, while one is free."""
    event = Event(
        EVENT, "seminar", "Seminar", (Day(date(2026, 8, 25)),), "Europe/Berlin", FewLeft(seats=1)
    )
    recount = Recount(
        replace(event, status=status),
        Row(5, 4, 1, 3, 2, 9),
        "red",
        Counted(4, 3, 2, 0, 9),
        Decimal(0),
        Decimal(0),
        NOW,
    )
    person = Person(
        WHO, EVENT, 7, "waitlisted", None, 2, "waitlisted", 3, 1, NOW, NOW, before=1, seats_before=1
    )
    story = Story(
        Entry(WHO, 7, 2, NOW, 7),
        before=1,
        seats_before=1,
        ledger=[LedgerRow(4, Record(Kind.JOINED, 2, NOW, Actor.REGISTRATION, WHO))],
        since=Since(freed=2, promoted=1, parties=1, later=0, released=0),
    )
    line = Line(EVENT, "seminar", "Seminar", free=1, waiting=3, length=2)
    return replace(Case(person, recount, line, story), **changes)


def first(**changes: Any) -> Case:
    """The same person as the first in line."""
    made = case(**changes)
    assert made.story is not None
    return replace(made, story=replace(made.story, before=0, seats_before=0))


def test_somebody_behind_others_is_told_the_place() -> None:
    said = explain(case())
    assert said[0] == f"Registration {WHO} for seminar: waitlisted, 2 seats."
    assert said[1].endswith("joined the line at place 3.")
    assert said[2] == "1 party is before it, with 1 seat."
    assert said[3] == "While it waited, 2 seats were freed; 1 party moved up with 1 seat."
    assert said[4] == "  1 March 2026, 12:00 UTC  joined, 2 seats (by registration)"


def test_the_first_whose_party_does_not_fit_waits_for_more() -> None:
    assert explain(first())[2] == (
        "1 seat is free, the party needs 2 and the policy is strict: what is free stays held "
        "for it."
    )


def test_the_first_who_was_passed_over_is_called_a_mistake() -> None:
    line = Line(EVENT, "seminar", "Seminar", free=2, waiting=3, length=2)
    assert "that is a mistake" in explain(first(line=line))[2]


def test_somebody_whom_the_line_does_not_know_is_looked_for_among_the_dead_letters() -> None:
    said = explain(case(story=None))
    assert "the waitlist does not know this registration" in said[2]
    assert len(said) == 3


def test_a_promotion_that_was_not_answered_is_told() -> None:
    made = case()
    assert made.story is not None
    entry = replace(made.story.entry, state=State.PROMOTED, ended_at=NOW)
    said = explain(replace(made, story=replace(made.story, entry=entry)))
    assert "registration has not answered yet" in said[2]


def test_an_event_called_off_promotes_nobody() -> None:
    assert explain(first(status="called_off"))[2] == (
        "The event is called off, so nobody moves up any more."
    )


def test_somebody_who_left_is_told_whether_a_promotion_was_on_its_way() -> None:
    made = case()
    assert made.story is not None
    entry = replace(made.story.entry, state=State.LEFT, ended_at=NOW)
    gone = LedgerRow(6, Record(Kind.LEFT, 2, NOW, Actor.REGISTRATION, WHO))
    story = replace(made.story, entry=entry, ledger=[*made.story.ledger, gone])
    person = replace(made.person, status="cancelled")
    said = explain(replace(made, person=person, story=story))
    assert said[2] == "It left the line on 1 March 2026, 12:00 UTC."

    promoted = LedgerRow(5, Record(Kind.PROMOTED, 2, NOW, Actor.LINE, WHO, Reason.FIRST_IN_LINE))
    late = replace(gone.record, reason=Reason.LEFT_AFTER_PROMOTION)
    story = replace(story, ledger=[*made.story.ledger, promoted, LedgerRow(6, late)])
    said = explain(replace(made, person=person, story=story))
    assert said[2] == (
        "It was promoted on 1 March 2026, 12:00 UTC as the first in line, and left on 1 March "
        "2026, 12:00 UTC before it had its seats."
    )
    assert said[-2] == "  1 March 2026, 12:00 UTC  promoted, 2 seats, first in line (by line)"


def test_where_the_services_see_somebody_differently_that_is_said() -> None:
    made = case()
    offered = replace(made, person=replace(made.person, status="offered"))
    assert explain(offered)[2].startswith(
        "The line takes this party for waiting, registration for offered."
    )


def test_somebody_with_a_place_from_the_start_never_waited() -> None:
    made = case(story=None)
    person = replace(made.person, status="confirmed", first_status="confirmed")
    assert explain(replace(made, person=person))[1:] == [
        "Signed up at 2026-03-01 12:00:00 UTC and had a place at once.",
        "Never stood in the line, so there was nothing to be promoted to.",
    ]
