"""The documents of the API as a page shows them: pure, from JSON to what a template prints.

Invariant: nothing is said here that is not in the documents, so that page and documents cannot
disagree.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]

PROBLEM: Final = "application/problem+json"
NAMES: Final[Mapping[str, str]] = {
    "date": "date, such as 2027-03-19",
    "date-time": "date and time with offset (RFC 3339)",
    "email": "e-mail address",
    "time": "time, such as 18:00",
    "uuid": "UUID",
    "uri": "address (URI)",
}
"""What the formats of JSON Schema mean."""
LIMITS: Final[Sequence[tuple[str, str]]] = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "up to {}"),
    ("exclusiveMaximum", "below {}"),
    ("minLength", "{} characters or more"),
    ("maxLength", "up to {} characters"),
    ("minItems", "{} or more"),
    ("maxItems", "up to {}"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a member of a document under its path, such as `days[].date`. `values`:
    all there are, where they are few. `or_null`: whether it may be null instead. `where`: "path",
    "query" or "header" of a parameter."""

    name: str
    type: str
    required: bool
    text: str
    limits: str = ""
    values: tuple[str, ...] = ()
    or_null: bool = False
    default: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent or answered. `example` is JSON, or the text of a stream."""

    text: str
    members: tuple[Member, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no failure."""

    status: str
    text: str
    body: Body | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error code. `service`: whose it is, or "" where any service may say it."""

    code: str
    status: int
    text: str
    service: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `token`: "", "manage" or "operator"; `role`: the operator's."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    token: str
    role: str
    parameters: tuple[Member, ...]
    body: Body | None
    answers: tuple[Answer, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations of one tag."""

    name: str
    text: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A message; of its members, those that not every message has."""

    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, who sends to it and who receives from it."""

    name: str
    text: str
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that the page shows. `everywhere`: the failures that every operation has, which are
    not among its own. `envelope`: the members that every message has."""

    version: str
    introduction: str
    groups: tuple[Group, ...]
    failures: tuple[Failure, ...]
    everywhere: tuple[Failure, ...]
    events: str
    envelope: tuple[Member, ...]
    topics: tuple[Topic, ...]


def reference(openapi: Object, asyncapi: Object) -> Reference:
    """The page of these two documents. Raises KeyError where one is not as ours are."""
    failures = {
        one["code"]: Failure(one["code"], one["status"], one["detail"], one["service"])
        for one in openapi["x-problem-codes"]
    }
    told = [
        (path, method, one)
        for path, item in openapi["paths"].items()
        for method, one in item.items()
    ]
    everywhere = [
        failure
        for code, failure in failures.items()
        if all(code in _codes(one, openapi) for _, _, one in told)
    ]
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in openapi["tags"]}
    for path, method, one in told:
        own = [failures[code] for code in _codes(one, openapi)]
        groups[one["tags"][0]].append(
            _operation(path, method, one, openapi, [f for f in own if f not in everywhere])
        )
    common = _common(asyncapi)
    return Reference(
        version=openapi["info"]["version"],
        introduction=openapi["info"]["description"],
        groups=tuple(
            Group(tag["name"], tag["description"], tuple(groups[tag["name"]]))
            for tag in openapi["tags"]
        ),
        failures=tuple(failures.values()),
        everywhere=tuple(everywhere),
        events=asyncapi["info"]["description"],
        envelope=common,
        topics=tuple(_topics(asyncapi, {one.name for one in common})),
    )


def _operation(
    path: str, method: str, raw: Object, document: Object, failures: Sequence[Failure]
) -> Operation:
    token, role = _access(raw)
    return Operation(
        id=raw["operationId"],
        method=method.upper(),
        path=path,
        summary=raw["summary"],
        text=raw.get("description", ""),
        token=token,
        role=role,
        parameters=tuple(_parameter(one, document) for one in raw.get("parameters", ())),
        body=_body(raw.get("requestBody", {}), document),
        answers=tuple(
            Answer(status, one["description"], _body(one, document))
            for status, one in raw["responses"].items()
            if "$ref" not in one
        ),
        failures=tuple(failures),
    )


def _codes(operation: Object, document: Object) -> list[str]:
    """The codes of an operation's problem documents. Those answers are all references."""
    answers = [_resolved(one, document) for one in operation["responses"].values()]
    return [
        code
        for answer in answers
        for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", ())
    ]


def _access(operation: Object) -> tuple[str, str]:
    for requirement in operation.get("security", ()):
        for scheme, roles in requirement.items():
            return scheme.removesuffix("Token"), next(iter(roles), "")
    return "", ""


def _parameter(parameter: Object, document: Object) -> Member:
    schema = {"description": parameter.get("description", ""), **parameter["schema"]}
    member = _member(parameter["name"], schema, parameter["required"], document)
    return Member(
        **{name: getattr(member, name) for name in Member.__slots__} | {"where": parameter["in"]}
    )


def _body(holder: Object, document: Object) -> Body | None:
    """The body of a request or an answer; None where it has none."""
    for media in holder.get("content", {}).values():
        schema, example = media["schema"], media.get("example")
        found = _resolved(schema.get("items", schema), document)
        return Body(
            text=found.get("description", ""),
            members=tuple(members(schema, document)),
            example=example.rstrip() if isinstance(example, str) else _json(example),
        )
    return None


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def members(schema: Object, document: Object, path: str = "") -> Iterator[Member]:
    """The members of an object or of a list's objects, those of inner ones after their own."""
    found = _resolved(schema, document)
    if found.get("type") == "array":
        yield from members(found["items"], document, f"{path}[]" if path else "")
    for name, one in found.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield _member(here, one, name in found.get("required", ()), document)
        yield from members(_plain(one, document), document, here)


def _member(name: str, schema: Object, required: bool, document: Object) -> Member:
    plain = _plain(schema, document)
    default = None if "const" in plain else schema.get("default")
    values = tuple(map(str, plain["enum"])) if "enum" in plain else ()
    return Member(
        name=name,
        type=_type(schema, document),
        required=required,
        text=schema.get("description") or plain.get("description", ""),
        limits=", ".join(text.format(plain[key]) for key, text in LIMITS if key in plain),
        values=values,
        or_null={"type": "null"} in schema.get("anyOf", ()),
        default="" if default in (None, {}, []) else _json(default),
    )


def _type(schema: Object, document: Object) -> str:
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        return " or ".join(_type(one, document) for one in variants if one != {"type": "null"})
    found = _resolved(schema, document)
    match found:
        case {"const": value}:
            return json.dumps(value)
        case {"type": "array", "items": items}:
            return f"list of {_type(items, document)}"
        case {"format": form}:
            return NAMES.get(form, form)
        case {"type": "string", "enum": _}:
            return "one of"
        case {"type": kind}:
            return str(kind)
        case _:
            return "anything"


def _plain(schema: Object, document: Object) -> Object:
    """What a schema says where the value is not null."""
    for one in schema.get("anyOf", ()):
        if one != {"type": "null"}:
            return _resolved(one, document)
    return _resolved(schema, document)


def _resolved(value: Object, document: Object) -> Object:
    if "$ref" not in value:
        return value
    found: Any = document
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(found, document)


def _messages(document: Object) -> Iterator[tuple[str, Object, Object]]:
    """Topic, message and payload of every message."""
    for topic, channel in document["channels"].items():
        for one in channel["messages"].values():
            message = _resolved(one, document)
            yield topic, message, _resolved(message["payload"], document)


def _common(document: Object) -> tuple[Member, ...]:
    """The members that all messages have alike."""
    found = [
        {one.name: one for one in members(payload, document)}
        for _, _, payload in _messages(document)
    ]
    first, *rest = found
    return tuple(
        one for name, one in first.items() if all(other.get(name) == one for other in rest)
    )


def _topics(document: Object, common: set[str]) -> Iterator[Topic]:
    for name, channel in document["channels"].items():
        who = [
            (one["action"], one["tags"][0]["name"])
            for one in document["operations"].values()
            if one["channel"]["$ref"] == f"#/channels/{name}"
        ]
        yield Topic(
            name=name,
            text=channel["description"],
            senders=tuple(service for action, service in who if action == "send"),
            receivers=tuple(service for action, service in who if action == "receive"),
            messages=tuple(
                Message(
                    message["name"],
                    Body(
                        text=message["summary"],
                        members=tuple(
                            one for one in members(payload, document) if one.name not in common
                        ),
                        example=_json(message["examples"][0]["payload"]),
                    ),
                )
                for topic, message, payload in _messages(document)
                if topic == name
            ),
        )
