"""The OpenAPI document: the JSON API of all services as one.

Invariant: a path, parameter, body or answer comes from the application that serves it. Order is
that of the code (services, then routes, then members), since people read it; schemas are in the
order of the alphabet, error codes in that of their status.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI

from services import __version__
from services.documents import Unclear, words
from services.documents.codes import codes
from services.documents.examples import example
from services.documents.merge import Merged, reachable
from services.documents.operations import Problems, operation
from services.documents.routes import routes
from services.documents.schemas import tidy

VERSION: Final = "3.1.0"
PREFIX: Final = "/api/v1/"
METHODS: Final = ("get", "put", "post", "delete", "patch")
JSON: Final = "application/json"

Object = dict[str, Any]


def document(apps: Mapping[str, FastAPI]) -> Object:
    """The document of these applications, by their services' names.

    Raises Unclear where two services answer one path, one service has two operations of one
    name, or a tag has no description.
    """
    merged = Merged({name: app.openapi() for name, app in apps.items()}, PREFIX)
    problems = Problems()
    paths = tidy(_paths(apps, merged, problems))
    failures = problems.components
    schemas = tidy({"$defs": reachable([paths, failures], merged.schemas)})["$defs"]
    _add_examples(paths, {"components": {"schemas": schemas}})
    return {
        "openapi": VERSION,
        "info": {
            "title": words.TITLE,
            "version": __version__,
            "description": words.INTRODUCTION,
            "license": words.LICENSE,
        },
        "servers": [{"url": "/", "description": "This installation."}],
        "tags": _tags(paths),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": failures,
            "examples": {one.code: {"value": dict(one.example)} for one in codes().values()},
            "securitySchemes": words.SECURITY,
        },
        "x-problem-codes": [
            {"code": one.code, "status": one.status, "detail": one.detail, "service": one.service}
            for one in codes().values()
        ],
    }


def _paths(apps: Mapping[str, FastAPI], merged: Merged, problems: Problems) -> dict[str, Object]:
    paths: dict[str, Object] = {}
    made: list[tuple[str, Object]] = []
    for service, app in apps.items():
        known = routes(app)
        for path, item in merged.paths(service):
            if path in paths:
                raise Unclear(f"two services answer {path}")
            paths[path] = {
                method: operation(path, raw, known[raw["operationId"]], problems)
                for method, raw in item.items()
                if method in METHODS
            }
            made += [(service, one) for one in paths[path].values()]
    _tell_apart(made)
    return paths


def _tell_apart(made: Sequence[tuple[str, Object]]) -> None:
    """Operations that have one name in several services are called after their service too."""
    times = Counter(one["operationId"] for _, one in made)
    for service, one in made:
        name = one["operationId"]
        if times[name] > 1:
            one["operationId"] = f"{service}_{name}"
    if len({one["operationId"] for _, one in made}) < len(made):
        raise Unclear("one service has two routes whose functions have the same name")


def operations(paths: Mapping[str, Object]) -> Iterator[Object]:
    """All operations, in the order of the document."""
    for item in paths.values():
        yield from item.values()


def _tags(paths: Mapping[str, Object]) -> list[Object]:
    used = {tag for one in operations(paths) for tag in one["tags"]}
    if unknown := used - words.TAGS.keys():
        raise Unclear(f"services/documents/words.py does not describe {', '.join(sorted(unknown))}")
    return [
        {"name": name, "description": text} for name, text in words.TAGS.items() if name in used
    ]


def _add_examples(paths: Mapping[str, Object], root: Object) -> None:
    for one in operations(paths):
        bodies = [one.get("requestBody", {}), *one["responses"].values()]
        for body in bodies:
            media = body.get("content", {}).get(JSON)
            if media is not None:
                media["example"] = example(media["schema"], root)
