"""Style sheets, scripts and pictures, served by names that change with what is in them.

Invariant: an address made by `Assets.url` always shows the same bytes, so that a browser may
keep it for a year without asking (RFC 8246). Where two versions of the program run side by side
a page of one may ask the other for a file: it then gets that one's version, which is kept by
nobody.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from starlette.responses import Response

from services.kit.errors import NotFound

PREFIX: Final = "/assets"
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_FIRST: Final = "no-cache"
TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `digest`: the first 12 hexadecimal digits of its SHA-256."""

    body: bytes
    media_type: str
    digest: str


class Assets:
    """Files in memory, by their plain name, such as `style.css`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Raises ValueError for a name whose ending is not in `TYPES`."""
        self._assets = {name: _asset(name, body) for name, body in files.items()}

    def url(self, name: str) -> str:
        """The address of a file: `/assets/style.0123456789ab.css`. Raises KeyError."""
        path = PurePosixPath(name)
        return f"{PREFIX}/{path.stem}.{self._assets[name].digest}{path.suffix}"

    def answer(self, name: str, known: str | None = None) -> Response:
        """A file by any of its names: `style.css`, or with a digest. `known` is the request's
        If-None-Match. Raises NotFound."""
        asked = PurePosixPath(name)
        digest = PurePosixPath(asked.stem).suffix.removeprefix(".")
        asset = self._assets.get(asked.name) or self._assets.get(
            f"{PurePosixPath(asked.stem).stem}{asked.suffix}"
        )
        if asset is None:
            raise NotFound
        current = asset.digest == digest
        headers = {
            "cache-control": FOREVER if current else ASK_FIRST,
            "etag": f'"{asset.digest}"',
        }
        if known == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=headers)


def _asset(name: str, body: bytes) -> Asset:
    ending = PurePosixPath(name).suffix
    if ending not in TYPES:
        raise ValueError(f"{name}: pictures are {', '.join(sorted(TYPES))}")
    return Asset(body, TYPES[ending], hashlib.sha256(body).hexdigest()[:12])
