"""The AsyncAPI document: topics, messages, and who says and hears them.

Invariant: every message stands once, under `components`; channels and operations point to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services import __version__
from services.contracts.topics import DAY_MS
from services.documents import Unclear
from services.documents.examples import example
from services.documents.schemas import CHANNELS, Channel, schema, type_of
from services.documents.words import LICENSE, TITLE

KAFKA_BINDING: Final = "0.5.0"

INTRODUCTION: Final = """\
What the three services tell each other over Kafka, and what others may listen to.

**Order.** The key of every message is the event's id (its 16 bytes), so that all of one event is
in order on one partition. For one event and topic, `seq` starts at 1, has no gap and rises in the
order of the commits.

**Repeats.** A message may come more than once; its `id` is the same then.

**What may change.** Within `v1` of a topic members, messages and values of enumerations are added,
never removed or given another meaning. Take a member that you do not know for nothing, and set a
message or value aside that you do not know.

**Personal data** travels only in `person`, on topics that keep it for 7 days at most.
"""


def document() -> dict[str, Any]:
    """The document (AsyncAPI 3.0.0). Raises Unclear where one name means two schemas."""
    schemas = _schemas()
    root = {"components": {"schemas": schemas}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{TITLE} events",
            "version": __version__,
            "description": INTRODUCTION,
            "license": {"name": LICENSE["name"]},
            "tags": [{"name": name} for name in _services()],
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The installation's Kafka.",
                "variables": {
                    "bootstrap": {
                        "default": "localhost:9092",
                        "description": "`EINLASS_KAFKA_BOOTSTRAP`.",
                    }
                },
            }
        },
        "channels": {channel.topic.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operations()),
        "components": {
            "messages": dict(_messages(root)),
            "schemas": schemas,
        },
    }


def _services() -> list[str]:
    return sorted({name for c in CHANNELS for name in (c.sender, *c.receivers)})


def _channel(channel: Channel) -> dict[str, Any]:
    topic = channel.topic
    return {
        "address": topic.name,
        "description": f"{channel.about} Kept for {topic.retention_ms // DAY_MS} days.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {
            type_of(message): {"$ref": f"#/components/messages/{type_of(message)}"}
            for message in channel.messages
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": topic.retention_ms,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in CHANNELS:
        who = [(channel.sender, "send"), *((one, "receive") for one in channel.receivers)]
        for service, action in who:
            name = channel.topic.name
            yield (
                f"{service}.{action}.{name}",
                {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{name}"},
                    "summary": f"{service} {action}s {name}",
                    "tags": [{"name": service}],
                    "messages": [
                        {"$ref": f"#/channels/{name}/messages/{type_of(message)}"}
                        for message in channel.messages
                    ],
                },
            )


def _messages(root: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in CHANNELS:
        for message in channel.messages:
            name = message.__name__
            payload = {"$ref": f"#/components/schemas/{name}"}
            yield (
                type_of(message),
                {
                    "name": type_of(message),
                    "title": name,
                    "summary": root["components"]["schemas"][name]["description"],
                    "contentType": "application/json",
                    "payload": payload,
                    "bindings": {
                        "kafka": {
                            "key": {
                                "type": "string",
                                "description": "The event's id as its 16 bytes (RFC 9562).",
                            },
                            "bindingVersion": KAFKA_BINDING,
                        }
                    },
                    "examples": [{"name": type_of(message), "payload": example(payload, root)}],
                },
            )


def _schemas() -> dict[str, Any]:
    """All schemas by name, with references to each other as the document needs them."""
    found: dict[str, Any] = {}
    for channel in CHANNELS:
        for message in channel.messages:
            made = schema(message, channel.topic)
            parts = {**made.pop("$defs", {}), message.__name__: made}
            for name, one in parts.items():
                here = _relocated({k: v for k, v in one.items() if k not in ("$schema", "$id")})
                if found.setdefault(name, here) != here:
                    raise Unclear(f"two schemas have the name {name}")
    return dict(sorted(found.items()))


def _relocated(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: one.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref"
            else _relocated(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_relocated(one) for one in value]
    return value
