"""Cross-site requests: a form of ours can only be sent from a page of ours.

Invariant: an unsafe request passes only when the browser itself says that it came from our own
origin. Browsers say so in `Sec-Fetch-Site` (W3C Fetch Metadata) and in `Origin` (RFC 6454,
Fetch); neither can be set by a page. No token is needed in the form, so pages stay the same for
everybody and a cache may keep them (docs/decisions/0007).
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from services.kit.errors import CrossSite

_OWN: Final = frozenset({"same-origin", "none"})


def check_origin(request: Request) -> None:
    """A dependency for every route that a form is sent to. Raises CrossSite."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in _OWN:
            raise CrossSite
        return
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc != request.headers.get("host"):
        raise CrossSite
