"""JSON Schema of every message, and who says and hears what.

Invariant: a schema is what a reader may rely on: members with a default may be missing, because
a message written by an older version lacks them, and unknown ones may be there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from services.contracts import notifications, registration, topics, waitlist
from services.contracts.envelope import Message
from services.contracts.topics import Topic

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# Members that hold schemas by name; a key in them is a name and not a keyword.
_BY_NAME: Final = frozenset({"properties", "$defs"})


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic, its messages, the service that sends to it and those that receive from it (the
    table of the services in docs/architecture.md)."""

    topic: Topic
    about: str
    messages: tuple[type[Message], ...]
    sender: str
    receivers: tuple[str, ...]


def _union(annotated: Any) -> tuple[type[Message], ...]:
    """The members of `Annotated[A | B, …]`."""
    return get_args(get_args(annotated)[0])


CHANNELS: Final[Sequence[Channel]] = (
    Channel(
        topics.REGISTRATION,
        "What the arbiter of the seats has decided, and what became of the events. It carries "
        "personal data, in `person` and nowhere else.",
        _union(registration.RegistrationMessage),
        sender="registration",
        receivers=("waitlist", "notifications"),
    ),
    Channel(
        topics.WAITLIST,
        "What the line wishes. Registration decides whether it comes true.",
        _union(waitlist.WaitlistMessage),
        sender="waitlist",
        receivers=("registration",),
    ),
    Channel(
        topics.NOTIFICATIONS,
        "What became of the mails. It names no person and no address.",
        _union(notifications.NotificationsMessage),
        sender="notifications",
        receivers=(),
    ),
)


def type_of(message: type[Message]) -> str:
    """The message's `type`, such as `registration.confirmed`."""
    return str(message.model_fields["type"].default)


def schema(message: type[Message], topic: Topic) -> dict[str, Any]:
    """The JSON Schema of a message, whole in one document."""
    made = tidy(message.model_json_schema(mode="validation"))
    # The constants of the envelope have a default in the code, but a writer never leaves them out.
    constants = {name for name, one in made["properties"].items() if "const" in one}
    required = constants.union(made.get("required", ()))
    made["required"] = [name for name in made["properties"] if name in required]
    return {
        "$schema": DIALECT,
        "$id": f"urn:einlass:schema:{topic.name}:{type_of(message)}",
        "title": message.__name__,
        **made,
    }


def schemas() -> Iterator[tuple[Topic, str, dict[str, Any]]]:
    """Topic, type and JSON Schema of every message."""
    for channel in CHANNELS:
        for message in channel.messages:
            yield channel.topic, type_of(message), schema(message, channel.topic)


def tidy(made: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without the titles that only say a name again, and with whole numbers as such.

    Limits that are larger than a number of JSON can tell apart (RFC 8259, 6) are left out.
    """
    kept: dict[str, Any] = {}
    for key, value in made.items():
        if key in _BY_NAME:
            kept[key] = {name: tidy(one) for name, one in value.items()}
        elif key != "title" and not _beyond(value):
            kept[key] = _tidied(value)
    return kept


def _beyond(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) >= 2**53


def _tidied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tidy(value)
    if isinstance(value, list):
        return [_tidied(one) for one in value]
    # FastAPI gives limits as floating-point numbers.
    return int(value) if isinstance(value, float) and value.is_integer() else value
