"""The pure rules: what messages mean, when to try again, and the order of a person's mails."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.registration import (
    ADAPTER,
    CancelledData,
    ConfirmedData,
    Day,
    EventCalledOff,
    EventCalledOffData,
    EventChanged,
    EventChangedData,
    EventData,
    EventDetails,
    EventPublished,
    OfferedData,
    OfferEnded,
    OfferEndedData,
    PartyReduced,
    PartyReducedData,
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationOffered,
    RegistrationWaitlisted,
    SeatsFreed,
    SeatsFreedData,
    StillWanted,
    StillWantedData,
    WaitlistedData,
)
from services.notifications.domain.errors import UnknownRegistration
from services.notifications.domain.mail import Offer, sequence_of
from services.notifications.domain.plan import EventStep, Registrations, plan
from services.notifications.domain.retry import (
    FIRST_PAUSE,
    JITTER,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    Again,
    GivenUp,
    Refused,
    decide,
)
from services.notifications.domain.standing import (
    AboutSomebody,
    RegistrationStep,
    Standing,
    asks_before,
    follow,
)
from tests.unit.notifications.letters import event, person

EVENT = UUID(int=7)
ANNA, BEN = UUID(int=1), UUID(int=2)
NOW = datetime(2023, 7, 1, tzinfo=UTC)


def head(seq: int) -> dict[str, Any]:
    return {"id": UUID(int=100 + seq), "event_id": EVENT, "seq": seq, "occurred_at": NOW}


def messages() -> list[RegistrationMessage]:
    usual: dict[str, Any] = {"seats": 2, "person": person()}
    left: dict[str, Any] = {**usual, "was": "confirmed"}
    details: EventDetails = event(days=(Day(date=date(2023, 8, 25)),))
    return [
        EventPublished(**head(1), data=EventData(event=details)),
        RegistrationConfirmed(
            **head(2), data=ConfirmedData(registration_id=ANNA, revision=1, via="direct", **usual)
        ),
        RegistrationWaitlisted(
            **head(3), data=WaitlistedData(registration_id=BEN, revision=1, position=1, **usual)
        ),
        SeatsFreed(**head(4), data=SeatsFreedData(seats=2)),
        EventChanged(
            **head(5), data=EventChangedData(event=details, changes=("place",), announce=True)
        ),
        EventChanged(
            **head(6), data=EventChangedData(event=details, changes=("summary",), announce=False)
        ),
        RegistrationConfirmed(
            **head(7), data=ConfirmedData(registration_id=BEN, revision=2, via="waitlist", **usual)
        ),
        RegistrationCancelled(
            **head(8),
            data=CancelledData(registration_id=ANNA, revision=2, **left),
        ),
        EventCalledOff(**head(9), data=EventCalledOffData(event=details, reason="Sturm")),
    ]


def steps_of(told: list[RegistrationMessage]) -> list[RegistrationStep]:
    """What is planned for people of whom nothing was known before."""
    about = [one for step in plan(told) if isinstance(step, Registrations) for one in step.messages]
    return follow(about, {})


def test_the_plan_keeps_the_order_where_it_matters() -> None:
    steps = plan(messages())
    shape = [
        tuple(one.type.removeprefix("registration.") for one in step.messages)
        if isinstance(step, Registrations)
        else (step.announce, step.changes, step.reason)
        for step in steps
    ]
    assert shape == [
        (None, (), None),
        ("confirmed", "waitlisted"),
        ("event_changed", ("place",), None),
        (None, (), None),
        ("confirmed", "cancelled"),
        ("event_called_off", (), "Sturm"),
    ]
    assert isinstance(steps[0], EventStep)


def test_a_step_says_who_holds_a_place() -> None:
    steps = steps_of(messages())
    assert [(s.kind, s.standing.status, s.holds_place, s.position, s.revision) for s in steps] == [
        ("confirmed", "confirmed", True, None, 1),
        ("waitlisted", "waitlisted", False, 1, 1),
        ("promoted", "confirmed", True, None, 2),
        ("cancelled", "cancelled", True, None, 2),
    ]


UNTIL = NOW + timedelta(hours=20)


def waits(party: int) -> RegistrationWaitlisted:
    data = WaitlistedData(
        registration_id=ANNA, revision=1, seats=party, position=1, person=person()
    )
    return RegistrationWaitlisted(**head(1), data=data)


def offered(seats: int, party: int, revision: int = 2) -> RegistrationOffered:
    data = OfferedData(
        registration_id=ANNA,
        revision=revision,
        seats=seats,
        party=party,
        until=UNTIL,
        person=person(),
    )
    return RegistrationOffered(**head(revision), data=data)


def ended(seats: int, reason: Any, place: Any, position: int | None = None) -> OfferEnded:
    data = OfferEndedData(
        registration_id=ANNA,
        revision=3,
        seats=seats,
        reason=reason,
        place=place,
        position=position,
        person=person(),
    )
    return OfferEnded(**head(3), data=data)


def moved_up(seats: int, revision: int = 3) -> RegistrationConfirmed:
    data = ConfirmedData(
        registration_id=ANNA, revision=revision, seats=seats, via="waitlist", person=person()
    )
    return RegistrationConfirmed(**head(revision), data=data)


def reduced(seats: int, revision: int = 2, was: Any = "waitlisted") -> PartyReduced:
    data = PartyReducedData(registration_id=ANNA, revision=revision, seats=seats, was=was)
    return PartyReduced(**head(revision), data=data)


def test_an_offer_is_of_seats_and_the_party_goes_on_waiting() -> None:
    _, step = steps_of([waits(4), offered(2, 4)])
    offer = Offer(seats=2, party=4, until=UNTIL)
    assert (step.kind, step.position, step.holds_place, step.offer) == (
        "offered",
        None,
        False,
        offer,
    )
    assert step.standing == Standing("offered", 4, person(), offer)


@pytest.mark.parametrize(
    ("reason", "place", "position", "status"),
    [
        ("declined", "lost", None, "cancelled"),
        ("expired", "lost", None, "cancelled"),
        ("declined", "kept", None, "waitlisted"),
        ("expired", "end", 7, "waitlisted"),
    ],
)
def test_the_end_of_an_offer_remembers_party_and_time(
    reason: str, place: str, position: int | None, status: str
) -> None:
    *_, step = steps_of([waits(4), offered(2, 4), ended(2, reason, place, position)])
    assert (step.kind, step.position, step.holds_place) == ("offer_ended", position, False)
    assert (step.standing.status, step.standing.seats, step.standing.offer) == (status, 4, None)
    assert step.offer is not None
    assert step.offer.model_dump() == {
        "seats": 2,
        "party": 4,
        "until": UNTIL,
        "end": reason,
        "place": place,
    }


def test_the_end_of_an_offer_of_which_nothing_was_heard() -> None:
    (step,) = steps_of([ended(2, "expired", "lost")])
    assert step.offer is not None
    assert (step.offer.party, step.offer.until) == (2, NOW)


def test_moving_up_after_an_offer_is_accepting_it() -> None:
    *_, given = steps_of([waits(4), moved_up(4)])
    assert (given.kind, given.offer, given.standing.status) == ("promoted", None, "confirmed")
    *_, taken = steps_of([waits(4), offered(2, 4), moved_up(2)])
    assert (taken.kind, taken.standing.seats, taken.holds_place) == ("promoted", 2, True)
    assert taken.offer == Offer(seats=2, party=4, until=UNTIL, end="accepted")
    # An offer that has ended is none, although one was there once.
    *_, later = steps_of(
        [waits(4), offered(2, 4), ended(2, "declined", "kept"), moved_up(4, revision=4)]
    )
    assert later.offer is None


def test_a_smaller_party_is_known_and_no_mail_says_so() -> None:
    *_, waiting = steps_of([waits(4), reduced(3)])
    assert (waiting.kind, waiting.revision) == (None, 2)
    assert waiting.standing == Standing("waitlisted", 3, person())
    seated: list[RegistrationMessage] = [
        waits(4),
        moved_up(4, revision=2),
        reduced(1, revision=3, was="confirmed"),
    ]
    assert steps_of(seated)[-1].standing == Standing("confirmed", 1, person(), confirmed_at=NOW)
    with pytest.raises(UnknownRegistration):
        steps_of([reduced(3)])


def test_what_was_known_before_is_asked_for_where_it_is_needed() -> None:
    known = {ANNA: Standing("offered", 4, person(), Offer(seats=2, party=4, until=UNTIL))}
    (step,) = follow([moved_up(2)], known)
    assert step.offer is not None
    assert step.offer.end == "accepted"
    needed: list[tuple[AboutSomebody, bool]] = [
        (waits(4), False),
        (offered(2, 4), False),
        (moved_up(2), True),
        (ended(2, "declined", "lost"), True),
        (reduced(1), True),
    ]
    assert [asks_before(message) for message, _ in needed] == [asked for _, asked in needed]


def test_who_left_for_another_event_gets_no_mail() -> None:
    data = CancelledData(
        registration_id=ANNA, revision=2, seats=1, was="waitlisted", lapsed=True, person=person()
    )
    told = RegistrationCancelled(**head(2), data=data)
    (step,) = steps_of([told])
    assert (step.kind, step.standing.status) == (None, "cancelled")
    data = data.model_copy(update={"lapsed": False})
    assert steps_of([told.model_copy(update={"data": data})])[0].kind == "cancelled"


def test_still_wanting_a_place_asks_for_nothing() -> None:
    assert plan([StillWanted(**head(1), data=StillWantedData(registration_id=ANNA))]) == []


def test_messages_of_a_newer_producer_are_planned_too() -> None:
    newer = messages()[1].model_dump(mode="json") | {"new_field": 1}
    assert plan([ADAPTER.validate_python(newer)]) == plan(messages()[1:2])


@given(st.lists(st.booleans(), max_size=30))
def test_the_sequence_rises_with_every_mail(changes: list[bool]) -> None:
    version, revision = 1, 1
    told = [sequence_of(version, revision)]
    for of_the_event in changes:
        version += of_the_event
        revision += not of_the_event
        told.append(sequence_of(version, revision))
    assert told == sorted(set(told))
    assert told[0] == 1


@pytest.mark.parametrize("code", [500, 550, 554, 599])
def test_a_refusal_for_good_is_given_up_at_once(code: int) -> None:
    assert decide(Refused(code, "no"), 1, 0.5) == GivenUp()


def test_what_can_never_work_is_given_up_at_once() -> None:
    assert decide(Refused(None, "no SMTPUTF8", for_good=True), 1, 0.5) == GivenUp()


@given(st.sampled_from([None, 421, 450, 451, 499]), st.integers(1, 100), st.floats(0, 1))
def test_the_pauses_grow_within_bounds(code: int | None, attempts: int, chance: float) -> None:
    decision = decide(Refused(code, "later"), attempts, chance)
    if attempts >= MOST_ATTEMPTS:
        assert decision == GivenUp()
        return
    assert isinstance(decision, Again)
    middle = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
    margin = timedelta(seconds=1)
    assert middle * (1 - JITTER) - margin <= decision.pause <= middle * (1 + JITTER) + margin


def test_a_mail_is_tried_for_about_three_days() -> None:
    pauses = [decide(Refused(451, "later"), n, 0.5) for n in range(1, MOST_ATTEMPTS)]
    total = sum((p.pause for p in pauses if isinstance(p, Again)), timedelta())
    assert timedelta(days=2.5) < total < timedelta(days=3.5)
