"""What a change of a message means to those who read it.

Invariant: a message that was right yesterday is right today, and a member that readers count on
stays what it was. So nothing may change but: a member that may be missing is added; a message or
a value of an enumeration is added. The latter two are told, because readers must be brought up
to date before writers (docs/api.md). Only what is said for people (descriptions, titles,
examples) may change at will.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.documents.examples import resolve

Schema = Mapping[str, Any]
Topics = Mapping[str, Mapping[str, Schema]]
"""JSON Schemas by topic and type."""

FOR_PEOPLE: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "examples"}
)
"""Keywords that no message is judged by. A default is none of them: it says what it means that a
member is missing."""

OWN_RULES: Final = frozenset({"properties", "required", "const", "enum"})


@dataclass(frozen=True, slots=True)
class Change:
    """A difference. `where`: topic, type and JSON Pointer into the message."""

    kind: Literal["breaking", "readers_first"]
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def changes(old: Topics, new: Topics) -> Iterator[Change]:
    """What differs and is more than an added member, in the order of `old`."""
    for topic, messages in old.items():
        if topic not in new:
            yield Change("breaking", topic, "the topic was removed")
            continue
        for name, schema in messages.items():
            where = f"{topic} {name}"
            if name in new[topic]:
                yield from _schema(_whole(schema), _whole(new[topic][name]), where)
            else:
                yield Change("breaking", where, "the message was removed")
        for name in new[topic].keys() - messages.keys():
            yield Change("readers_first", f"{topic} {name}", "a new message")


def _whole(schema: Schema) -> Schema:
    """The schema with every reference replaced by what it points to, since the names of parts
    are nobody's concern."""
    made: Schema = _inlined(schema, schema)
    return made


def _inlined(value: Any, root: Schema) -> Any:
    if isinstance(value, Mapping):
        if "$ref" in value:
            rest = {key: one for key, one in value.items() if key != "$ref"}
            return {**_inlined(resolve(value["$ref"], root), root), **rest}
        return {key: _inlined(one, root) for key, one in value.items() if key != "$defs"}
    if isinstance(value, list):
        return [_inlined(one, root) for one in value]
    return value


def _schema(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    yield from _members(old, new, where)
    yield from _values(old, new, where)
    for key in sorted((old.keys() | new.keys()) - FOR_PEOPLE - OWN_RULES):
        yield from _keyword(key, old.get(key), new.get(key), where)


def _keyword(key: str, old: Any, new: Any, where: str) -> Iterator[Change]:
    """A keyword that must stay as it is; schemas in it may still grow."""
    match old, new:
        case Mapping(), Mapping():
            yield from _schema(old, new, f"{where}/{key}" if key != "items" else f"{where}/*")
        case list(), list() if len(old) == len(new) and all(
            isinstance(one, Mapping) for one in (*old, *new)
        ):
            for one, other in zip(old, new, strict=True):
                yield from _schema(one, other, where)
        case _ if old != new:
            yield Change("breaking", where, f"{key} was {_told(old)} and is {_told(new)}")


def _members(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
    for name, schema in before.items():
        here = f"{where}/{name}"
        if name not in after:
            yield Change("breaking", here, "the member was removed")
            continue
        yield from _schema(schema, after[name], here)
        if name in needed_before - needed_after:
            yield Change("breaking", here, "was always there and may be missing now")
        if name in needed_after - needed_before:
            yield Change("breaking", here, "could be missing and is required now")
    for name in sorted(after.keys() - before.keys()):
        if name in needed_after:
            yield Change("breaking", f"{where}/{name}", "a new member that is required")


def _values(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = _allowed(old), _allowed(new)
    if (before is None) != (after is None):
        yield Change("breaking", where, f"values were {_told(before)} and are {_told(after)}")
    elif before is not None and after is not None:
        for value in before:
            if value not in after:
                yield Change("breaking", where, f"the value {_told(value)} was removed")
        for value in after:
            if value not in before:
                yield Change("readers_first", where, f"the new value {_told(value)}")


def _allowed(schema: Schema) -> list[Any] | None:
    """The values of an enumeration, or None where any will do."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _told(value: Any) -> str:
    return "not given" if value is None else repr(value)
