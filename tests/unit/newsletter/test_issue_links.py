"""Links are asked, and nobody inside is reached by them."""

import httpx
import pytest

from services.notifications.newsletter.links import Links, is_public
from tests.unit.newsletter.samples import SITE

PUBLIC = "93.184.215.14"


class Web(httpx.AsyncBaseTransport):
    """Answers by path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        match request.url.path:
            case "/gone":
                return httpx.Response(404)
            case "/no-head":
                return httpx.Response(405 if request.method == "HEAD" else 200)
            case "/inside":
                return httpx.Response(302, headers={"location": "http://inside.test/x"})
            case "/metadata":
                return httpx.Response(302, headers={"location": "http://169.254.169.254/latest"})
            case "/file":
                return httpx.Response(302, headers={"location": "file:///etc/passwd"})
            case "/round":
                return httpx.Response(302, headers={"location": "/round"})
            case "/moved":
                return httpx.Response(301, headers={"location": "/here"})
            case "/shy":
                return httpx.Response(403)
            case "/broken":
                return httpx.Response(500)
            case "/slow":
                raise httpx.ReadTimeout("slow")
            case "/refused":
                raise httpx.ConnectError("refused")
        return httpx.Response(200)


async def resolve(host: str, port: int) -> list[str]:
    found = {"inside.test": ["10.0.0.7"], "both.test": [PUBLIC, "127.0.0.1"], "nowhere.test": []}
    if host == "none.test":
        raise OSError
    return found.get(host, [host] if host[0].isdigit() else [PUBLIC])


async def ask(*urls: str) -> tuple[dict[str, str], Web]:
    web = Web()
    return dict(await Links(SITE, resolve, web).ask(urls)), web


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://a.test/", "ok"),
        ("https://a.test/no-head", "ok"),
        ("https://a.test/moved", "ok"),
        ("https://a.test/gone", "gone"),
        ("https://a.test/refused", "gone"),
        ("https://a.test/shy", "unsure"),
        ("https://a.test/broken", "unsure"),
        ("https://a.test/slow", "unsure"),
        ("https://a.test/round", "unsure"),
        ("https://none.test/", "unsure"),
        ("https://inside.test/", "private"),
        ("https://both.test/", "private"),
        ("https://nowhere.test/", "private"),
        ("https://a.test/inside", "private"),
        ("https://a.test/metadata", "private"),
        ("https://a.test/file", "private"),
        ("http://127.0.0.1/", "private"),
        ("http://10.1.2.3:8080/", "private"),
        ("https://a.test:22/", "private"),
        (f"{SITE}/events", "ok"),
        (f"{SITE}/gone", "gone"),
    ],
)
async def test_what_a_link_answers(url: str, answer: str) -> None:
    found, _ = await ask(url)
    assert found == {url: answer}


async def test_the_very_address_that_was_looked_at_is_asked() -> None:
    _, web = await ask("https://user:secret@a.test/x?y=1")
    (request,) = web.asked
    assert request.url.host == PUBLIC
    assert request.headers["host"] == "a.test"
    assert request.extensions["sni_hostname"] == "a.test"
    assert request.url.raw_path == b"/x?y=1"
    assert request.url.userinfo == b""


async def test_nobody_inside_is_asked() -> None:
    _, web = await ask("https://a.test/inside", "https://a.test/metadata", "http://10.0.0.1/")
    assert {request.url.host for request in web.asked} == {PUBLIC}


async def test_another_site_that_begins_like_ours_is_not_ours() -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    found = await Links(SITE, inside, Web()).ask([f"{SITE}.test/", f"{SITE}@a.test/"])
    assert set(found.values()) == {"private"}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
        "nonsense",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)
