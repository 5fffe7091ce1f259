"""The OpenAPI documents of several services as one.

Invariant: whatever the order of the services, a schema's name means one schema. Where two
services use one name for different ones, each of them is called after its service too.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

SCHEMAS: Final = "#/components/schemas/"

Object = dict[str, Any]


class Merged:
    """Documents by the service's name; only paths below `prefix` are of interest."""

    def __init__(self, documents: Mapping[str, Object], prefix: str) -> None:
        self._prefix = prefix
        clashes = _clashes(documents)
        self._documents = {
            service: renamed(document, {name: f"{service.capitalize()}{name}" for name in clashes})
            for service, document in documents.items()
        }

    def paths(self, service: str) -> Iterator[tuple[str, Object]]:
        """The paths of a service and their items, in the order of the code."""
        for path, item in self._documents[service]["paths"].items():
            if path.startswith(self._prefix):
                yield path, item

    @property
    def schemas(self) -> Object:
        """All schemas by name."""
        return {
            name: schema
            for document in self._documents.values()
            for name, schema in _schemas(document).items()
        }


def _clashes(documents: Mapping[str, Object]) -> set[str]:
    meanings: defaultdict[str, list[Any]] = defaultdict(list)
    for document in documents.values():
        for name, schema in _schemas(document).items():
            if schema not in meanings[name]:
                meanings[name].append(schema)
    return {name for name, found in meanings.items() if len(found) > 1}


def _schemas(document: Object) -> Object:
    found: Object = document.get("components", {}).get("schemas", {})
    return found


def renamed(document: Object, names: Mapping[str, str]) -> Object:
    """The document with schemas called by other names, references included."""
    references = {SCHEMAS + old: SCHEMAS + new for old, new in names.items()}
    made: Object = _replaced(document, references)
    components = made.get("components", {})
    if "schemas" in components:
        components["schemas"] = {
            names.get(name, name): schema for name, schema in components["schemas"].items()
        }
    return made


def _replaced(value: Any, references: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: references.get(one, one)
            if key == "$ref" and isinstance(one, str)
            else _replaced(one, references)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_replaced(one, references) for one in value]
    return value


def reachable(value: Any, schemas: Mapping[str, Object]) -> Object:
    """Those of `schemas` that `value` points to, directly or through others, by name."""
    found: Object = {}
    waiting = [value]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found[name] = schemas[name]
                waiting.append(schemas[name])
    return dict(sorted(found.items()))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            yield reference.removeprefix(SCHEMAS)
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
