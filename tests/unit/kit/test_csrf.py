"""Forms come from our own pages."""

import pytest
from starlette.requests import Request

from services.kit.csrf import check_origin
from services.kit.errors import CrossSite


def request(**headers: str) -> Request:
    named = {"host": "anmeldung.example.org", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "https://anmeldung.example.org"},
        # A browser that tells both: the newer, exact word counts.
        {"sec_fetch_site": "same-origin", "origin": "null"},
    ],
)
def test_our_own_pages_may_send(headers: dict[str, str]) -> None:
    check_origin(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "https://anmeldung.example.org"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://boese.example.net"},
        {"origin": "https://anmeldung.example.org.boese.example.net"},
        {"origin": "https://anmeldung.example.org:8443"},
        {"origin": "https://boese.example.net/anmeldung.example.org"},
        {"referer": "https://anmeldung.example.org/events/a"},
    ],
)
def test_nobody_else_may(headers: dict[str, str]) -> None:
    with pytest.raises(CrossSite):
        check_origin(request(**headers))
