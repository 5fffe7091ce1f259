"""What of a route is not in its OpenAPI: the function's name, and the role that it asks for."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from services.kit import operators
from services.kit.operators import RANK, Role


@dataclass(frozen=True, slots=True)
class Route:
    """`name`: of the function. `role`: the least that an operator needs, or None where the route
    is not for operators."""

    name: str
    role: Role | None


def routes(app: FastAPI) -> Mapping[str, Route]:
    """The routes of an application by the operation id that FastAPI gives them."""
    found = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            roles = sorted(_roles(context.dependant), key=RANK.__getitem__)
            name = context.name or ""
            found[context.unique_id] = Route(name, roles[-1] if roles else None)
    return found


def _roles(dependant: Dependant) -> Iterator[Role]:
    """The roles of all `operators.require(role)` among the dependencies."""
    for one in dependant.dependencies:
        if one.call is not None and _is_made_by_require(one.call):
            yield inspect.getclosurevars(one.call).nonlocals["role"]
        yield from _roles(one)


def _is_made_by_require(call: object) -> bool:
    name = getattr(call, "__qualname__", "")
    return inspect.isfunction(call) and (
        call.__module__ == operators.__name__
        and name.startswith(f"{operators.require.__qualname__}.")
    )
