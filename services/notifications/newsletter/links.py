"""Asking whether the links of an issue answer.

Invariants:
- Nothing is asked that lies in a network of ours: every address that a host has must be a public
  one, the connection goes to just the address that was looked at (so that a second look-up cannot
  lead elsewhere), and each redirect is looked at anew. Only the site's own public address is
  asked as it is.
- Nothing of an answer but its status is read, and nothing of a reader is sent.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from services.notifications.newsletter.domain.checks import Answer

AT_ONCE: Final = 8
MOST: Final = 100
TIMEOUT_SECONDS: Final = 6.0
ALL_SECONDS: Final = 25.0
_HOPS: Final = 4
_GONE: Final = frozenset({404, 410})
_NO_HEAD: Final = frozenset({400, 403, 404, 405, 406, 410, 501})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = frozenset({80, 443, 8080, 8443})

Resolve = Callable[[str, int], Awaitable[list[str]]]


class PrivateNetworkError(Exception):
    """An address is not one that everybody can reach."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet (IANA special-purpose registries), also
    where it is one of version 4 written in version 6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Links:
    """Asks links. `site`: the public address of the installation; `transport` is for tests."""

    site: str
    resolve: Resolve = resolve
    transport: httpx.AsyncBaseTransport | None = None

    async def ask(self, urls: Collection[str]) -> Mapping[str, Answer]:
        """What became of each, of the first MOST; what takes too long is unsure."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            transport=self.transport,
            trust_env=False,
            headers={"User-Agent": "Einlass link check"},
        ) as client:

            async def one(url: str) -> Answer:
                async with slots:
                    return await self._answer(client, url)

            asked = list(urls)[:MOST]
            tasks = {url: asyncio.create_task(one(url)) for url in asked}
            if tasks:
                await asyncio.wait(tasks.values(), timeout=ALL_SECONDS)
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            return {
                url: "unsure" if task.cancelled() else task.result() for url, task in tasks.items()
            }

    async def _answer(self, client: httpx.AsyncClient, url: str) -> Answer:
        try:
            status = await self._status(client, "HEAD", url)
            if status in _NO_HEAD:
                status = await self._status(client, "GET", url)
        except PrivateNetworkError:
            return "private"
        except (httpx.ConnectError, socket.gaierror):
            return "gone"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            return "unsure"
        if status in _GONE:
            return "gone"
        return "ok" if status < 400 else "unsure"

    async def _status(self, client: httpx.AsyncClient, method: str, url: str) -> int:
        """The status at the end of the redirects."""
        for _ in range(_HOPS):
            request = await self._request(client, method, url)
            answer = await client.send(request, stream=True, follow_redirects=False)
            await answer.aclose()
            where = answer.headers.get("location")
            if answer.status_code not in _REDIRECTS or not where:
                return answer.status_code
            url = urljoin(url, where)
        return 508

    async def _request(self, client: httpx.AsyncClient, method: str, url: str) -> httpx.Request:
        """A request to the very address that was found to be public. Raises PrivateNetworkError,
        OSError, httpx.InvalidURL."""
        if url == self.site or url.startswith((f"{self.site}/", f"{self.site}?")):
            return client.build_request(method, url)
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme not in ("http", "https") or not host or port not in _PORTS:
            raise PrivateNetworkError
        addresses = await self.resolve(host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            raise PrivateNetworkError
        request = client.build_request(method, url)
        pinned = request.url.copy_with(host=addresses[0], username="", password="")
        return httpx.Request(
            method,
            pinned,
            headers=request.headers,
            extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode()},
        )
