"""Every stable error code, from the classes of the errors.

Invariant: one code has one status and one meaning over all services.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import services
from services.documents import Unclear
from services.documents.apps import SERVICES
from services.kit import problem
from services.kit.errors import EinlassError, FieldError, Invalid, TooManyRequests
from services.kit.openapi import sentence
from services.notifications.newsletter.domain.errors import (
    ChangedMeanwhile,
    NotReady,
    QuarterTaken,
)
from services.registration.domain.errors import CapacityTooLow
from services.waitlist.domain.errors import NotWaiting

SAMPLES: Final[Sequence[EinlassError]] = (
    Invalid([FieldError("#/email", "missing", "Field required")]),
    TooManyRequests(retry_after=30),
    CapacityTooLow(must_go=3),
    NotWaiting(state="confirmed"),
    ChangedMeanwhile(version=4),
    QuarterTaken(issue="0199d4c2-5e1f-7a90-b3d7-6f2c8e4a1b95"),
    NotReady(findings=[]),
)
"""Errors that say more than their sentence; the others are made as they are."""

RETRY: Final = frozenset({429, 503})
"""What comes with Retry-After (RFC 9110, 10.2.3)."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code, the HTTP status that it comes with, the sentence for the person, and a problem
    document as an example. `service`: whose it is, or "" where any service may say it."""

    code: str
    status: int
    detail: str
    service: str
    example: Mapping[str, Any]


@cache
def codes() -> Mapping[str, Code]:
    """All codes that an answer of the API may have, in the order of status and name.

    Raises Unclear where one code would have two meanings.
    """
    found: dict[str, Code] = {}
    for code in sorted(_all(), key=lambda c: (c.status, c.code)):
        other = found.setdefault(code.code, code)
        if (other.status, other.service) != (code.status, code.service):
            raise Unclear(
                f"the error code {code.code!r} means two things: "
                f"{other.status} {other.detail!r} and {code.status} {code.detail!r}"
            )
    return found


def modules() -> Iterator[str]:
    """The modules in which errors are: one in each service, and in each package within it."""
    here = Path(services.__path__[0])
    for service in SERVICES:
        for path in sorted(here.glob(f"{service}/**/domain/errors.py")):
            yield ".".join((services.__name__, *path.relative_to(here).with_suffix("").parts))


def _all() -> Iterator[Code]:
    for name in modules():
        import_module(name)
    for kind in _tree(EinlassError):
        # A class of status 500 is raised where no person waits, in a consumer; whatever reaches
        # a person with that status is the base class.
        if kind is EinlassError or (kind.status != 500 and kind.in_api):
            yield _code(kind)
    yield _code(type(problem.known(405)))


def _tree(kind: type[EinlassError]) -> Iterator[type[EinlassError]]:
    yield kind
    for child in kind.__subclasses__():
        # problem.known makes classes of the framework's statuses as it goes.
        if child.__module__.startswith("services.") and child.__module__ != problem.__name__:
            yield from _tree(child)


def _code(kind: type[EinlassError]) -> Code:
    samples: dict[type[EinlassError], EinlassError] = {type(one): one for one in SAMPLES}
    answer = problem.of_error(samples.get(kind) or kind())
    _, service, *_ = kind.__module__.split(".")
    return Code(
        code=kind.code,
        status=kind.status,
        detail=sentence(kind),
        service=service if service in SERVICES else "",
        example=json.loads(bytes(answer.body)),
    )
