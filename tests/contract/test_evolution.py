"""What may change in a message, and what may not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from services.documents.evolution import Change, changes

Schema = dict[str, Any]

OLD: Schema = {
    "type": "object",
    "description": "As it was.",
    "properties": {
        "type": {"const": "seat.taken", "default": "seat.taken"},
        "seats": {"type": "integer", "minimum": 1},
        "via": {"enum": ["direct", "waitlist"], "type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "days": {"type": "array", "items": {"$ref": "#/$defs/Day"}},
        "person": {"$ref": "#/$defs/Person"},
    },
    "required": ["type", "seats", "via", "days", "person"],
    "$defs": {
        "Day": {
            "type": "object",
            "properties": {"date": {"type": "string", "format": "date"}},
            "required": ["date"],
        },
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        },
    },
}


def after(edit: Callable[[Schema], object]) -> list[Change]:
    """What an edit of the message means."""
    new = copy.deepcopy(OLD)
    edit(new)
    return list(changes({"seats.v1": {"seat.taken": OLD}}, {"seats.v1": {"seat.taken": new}}))


def properties(schema: Schema) -> Schema:
    found: Schema = schema["properties"]
    return found


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: None,
        lambda s: s.update(description="In other words.", title="Seat taken"),
        lambda s: properties(s).update(colour={"type": "string"}),
        lambda s: s["$defs"]["Person"]["properties"].update(locale={"type": "string"}),
        lambda s: s["$defs"]["Day"]["properties"].update(ends={"type": "string"}),
        lambda s: properties(s).update(person=s["$defs"].pop("Person")),
        lambda s: s["required"].reverse(),
    ],
    ids=[
        "nothing",
        "words",
        "a member",
        "a member of a part",
        "a member of a list's items",
        "a part moves into the whole",
        "order",
    ],
)
def test_what_may_change(edit: Callable[[Schema], object]) -> None:
    assert after(edit) == []


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda s: properties(s).pop("note"), "/note: the member was removed"),
        (
            lambda s: properties(s).update(remark=properties(s).pop("note")),
            "/note: the member was removed",
        ),
        (
            lambda s: (properties(s).update(x={"type": "string"}), s["required"].append("x")),
            "/x: a new member that is required",
        ),
        (
            lambda s: s["required"].append("note"),
            "/note: could be missing and is required now",
        ),
        (
            lambda s: s["required"].remove("seats"),
            "/seats: was always there and may be missing now",
        ),
        (
            lambda s: properties(s)["seats"].update(type="string"),
            "/seats: type was 'integer' and is 'string'",
        ),
        (
            lambda s: properties(s)["seats"].update(maximum=9),
            "/seats: maximum was not given and is 9",
        ),
        (
            lambda s: properties(s)["seats"].pop("minimum"),
            "/seats: minimum was 1 and is not given",
        ),
        (
            lambda s: properties(s)["via"].update(enum=["direct"]),
            "/via: the value 'waitlist' was removed",
        ),
        (
            lambda s: properties(s)["via"].pop("enum"),
            "/via: values were ['direct', 'waitlist'] and are not given",
        ),
        (
            lambda s: properties(s)["note"].update(default=""),
            "/note: default was not given and is ''",
        ),
        (
            lambda s: properties(s)["note"].update(anyOf=[{"type": "string"}]),
            "/note: anyOf was [{'type': 'string'}, {'type': 'null'}] and is [{'type': 'string'}]",
        ),
        (
            lambda s: s["$defs"]["Day"]["properties"]["date"].pop("format"),
            "/days/*/date: format was 'date' and is not given",
        ),
        (
            lambda s: s["$defs"]["Person"]["properties"].pop("name"),
            "/person/name: the member was removed",
        ),
        (
            lambda s: s.update(additionalProperties=False),
            ": additionalProperties was not given and is False",
        ),
    ],
)
def test_what_may_not_change(edit: Callable[[Schema], object], told: str) -> None:
    found = after(edit)
    assert f"seats.v1 seat.taken{told}" in [str(one) for one in found if one.kind == "breaking"]


def test_a_new_value_of_an_enumeration_needs_readers_first() -> None:
    (found,) = after(lambda s: properties(s)["via"]["enum"].append("operator"))
    assert found == Change("readers_first", "seats.v1 seat.taken/via", "the new value 'operator'")


def test_a_constant_may_become_an_enumeration() -> None:
    (found,) = after(lambda s: properties(s).update(via={"enum": [*"ab"], "type": "string"}))[:1]
    assert found.kind == "breaking"
    old = {"t": {"m": {"properties": {"v": {"const": 1}}}}}
    new = {"t": {"m": {"properties": {"v": {"enum": [1, 2]}}}}}
    assert [one.kind for one in changes(old, new)] == ["readers_first"]
    assert [one.kind for one in changes(new, old)] == ["breaking"]


def test_messages_and_topics_come_but_do_not_go() -> None:
    one = {"seats.v1": {"seat.taken": OLD}}
    two = {"seats.v1": {"seat.taken": OLD, "seat.left": OLD}, "lights.v1": {"light.lit": OLD}}
    assert list(changes(one, two)) == [
        Change("readers_first", "seats.v1 seat.left", "a new message")
    ]
    assert list(changes(two, one)) == [
        Change("breaking", "seats.v1 seat.left", "the message was removed"),
        Change("breaking", "lights.v1", "the topic was removed"),
    ]
