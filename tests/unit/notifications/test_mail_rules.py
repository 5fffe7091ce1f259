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
    RegistrationCancelled,
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationWaitlisted,
    SeatsFreed,
    SeatsFreedData,
    WaitlistedData,
)
from services.notifications.domain.mail import sequence_of
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


def test_the_plan_keeps_the_order_where_it_matters() -> None:
    steps = plan(messages())
    shape = [
        tuple(one.kind for one in step.steps)
        if isinstance(step, Registrations)
        else (step.announce, step.changes, step.reason)
        for step in steps
    ]
    assert shape == [
        (None, (), None),
        ("confirmed", "waitlisted"),
        ("event_changed", ("place",), None),
        (None, (), None),
        ("promoted", "cancelled"),
        ("event_called_off", (), "Sturm"),
    ]
    assert isinstance(steps[0], EventStep)


def test_a_step_says_who_holds_a_place() -> None:
    steps = [
        one for step in plan(messages()) if isinstance(step, Registrations) for one in step.steps
    ]
    assert [(s.kind, s.status, s.holds_place, s.position, s.revision) for s in steps] == [
        ("confirmed", "confirmed", True, None, 1),
        ("waitlisted", "waitlisted", False, 1, 1),
        ("promoted", "confirmed", True, None, 2),
        ("cancelled", "cancelled", True, None, 2),
    ]


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
