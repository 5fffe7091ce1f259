"""The documents of the whole API, and a page to read them.

Invariant: what is served is what was published with the code (`services.published`), for all
services and byte by byte; the page is made from the same documents. They are the same for
everybody and open to every origin, so that tools elsewhere can load them.
"""

import json
from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services import published
from services.kit import etag
from services.kit.errors import NotFound
from services.registration.markup import html_of
from services.registration.reference import Reference, reference
from services.registration.site import page

router = APIRouter(prefix="/api/v1", include_in_schema=False)

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@cache
def _document(name: str) -> tuple[bytes, str]:
    """A document and its ETag."""
    body = published.read(name)
    return body, etag.of(body)


@cache
def _reference() -> Reference:
    openapi, asyncapi = (
        json.loads(published.read(name)) for name in (published.OPENAPI, published.ASYNCAPI)
    )
    return reference(openapi, asyncapi)


def _served(request: Request, name: str) -> Response:
    body, tag = _document(name)
    headers = {**HEADERS, "ETag": tag}
    if etag.is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """OpenAPI 3.1 of all services."""
    return _served(request, published.OPENAPI)


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> Response:
    """AsyncAPI 3.0 of all topics."""
    return _served(request, published.ASYNCAPI)


@router.get("/schemas/{name}.json")
async def schema(request: Request, name: str) -> Response:
    """JSON Schema 2020-12 of a message, such as `registration.confirmed`."""
    if name not in published.schemas():
        raise NotFound
    return _served(request, f"{published.SCHEMAS}/{name}.json")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The page. It is in English in every language, like the names that it explains."""
    return page(request, "apidocs.html", api=_reference(), html_of=html_of)
