"""The gateway sends each path to its service, keeps the inside inside, and lets events flow."""

import contextlib
import http.client
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from deploy.local import plan
from deploy.local.child import Child
from deploy.local.plan import HOST, ROOT, SERVICES, Elsewhere, Ports, StackError
from deploy.local.servers import gateway

pytestmark = pytest.mark.stack


class Upstream(ThreadingHTTPServer):
    """Stands for a service's api: tells its name and what it was asked."""

    daemon_threads = True

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.go_on = threading.Event()
        super().__init__((HOST, port), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def close(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Upstream)
        self.send_response(200)
        if self.path == "/api/v1/stream":
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.server.go_on.wait(10)
            self.wfile.write(b"data: second\n\n")
            self.close_connection = True
            return
        body = f"{self.server.name} {self.headers.get('X-Forwarded-For')}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests' output is for failures."""


@dataclass
class Site:
    ports: Ports
    client: httpx.Client
    upstreams: dict[str, Upstream] = field(default_factory=dict)

    def open(self, service: str) -> None:
        self.upstreams[service] = Upstream(service, self.ports.api(service))

    def close(self, service: str) -> None:
        self.upstreams.pop(service).close()


def _free_ports() -> Ports:
    for first in range(23000, 30000, 30):
        ports = Ports(first)
        with contextlib.suppress(StackError):
            plan.check_ports(ports, Elsewhere.of({}), services=True)
            return ports
    raise AssertionError("no ports are free")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home: Path = tmp_path_factory.mktemp("gateway")
    ports = _free_ports()
    program = gateway.program(home, ports, os.environ)
    child = Child(program, home / "gateway.log", ROOT, lambda _entry: None)
    base = f"http://{HOST}:{ports.gateway}"
    with httpx.Client(base_url=base, timeout=15, trust_env=False) as client:
        found = Site(ports, client)
        try:
            child.start()
            for service in SERVICES:
                found.open(service)
            yield found
        finally:
            child.kill()
            for service in list(found.upstreams):
                found.close(service)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "registration"),
        ("/events", "registration"),
        ("/events/newsletter", "registration"),
        ("/api/v1/events", "registration"),
        ("/api/v1/admin/events", "registration"),
        ("/admin", "registration"),
        ("/admin/login", "registration"),
        ("/admin/logout", "registration"),
        ("/admin/waitlists", "registration"),
        ("/newsletters", "registration"),
        ("/api/v1/admin/mailboxes", "registration"),
        ("/newsletter", "notifications"),
        ("/newsletter/2026/1", "notifications"),
        ("/api/v1/newsletter/subscriptions", "notifications"),
        ("/api/v1/admin/newsletter", "notifications"),
        ("/api/v1/admin/mail", "notifications"),
        ("/api/v1/admin/mail/7", "notifications"),
        ("/api/v1/admin/waitlist", "waitlist"),
        ("/api/v1/admin/waitlist/some-event", "waitlist"),
        ("/admin/waitlist", "waitlist"),
        ("/admin/waitlist/some-event", "waitlist"),
    ],
)
def test_each_path_goes_to_its_service(site: Site, path: str, service: str) -> None:
    assert site.client.get(path).text.split()[0] == service


@pytest.mark.parametrize(
    "path",
    [
        "/readyz",
        "/metrics",
        "/internal",
        "/internal/introspection",
        "//internal/x",
        "/events/../internal/x",
        "/%69nternal/x",
    ],
)
def test_the_inside_is_not_reached_from_outside(site: Site, path: str) -> None:
    # Beneath httpx, which would tidy the path up.
    connection = http.client.HTTPConnection(HOST, site.ports.gateway, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        assert connection.getresponse().status == 404


def test_the_gateway_answers_for_its_own_health(site: Site) -> None:
    assert site.client.get("/healthz").text == "ok"


def test_a_client_cannot_choose_the_address_it_is_counted_under(site: Site) -> None:
    answer = site.client.get("/events", headers={"X-Forwarded-For": "203.0.113.7"})

    assert answer.text.split()[1] == HOST


def test_a_body_far_too_large_is_refused(site: Site) -> None:
    assert site.client.post("/api/v1/events", content=b"x" * 2_000_000).status_code == 413


def test_an_event_arrives_while_the_stream_goes_on(site: Site) -> None:
    with site.client.stream("GET", "/api/v1/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: first"
        site.upstreams["registration"].go_on.set()
        assert [line for line in lines if line] == ["data: second"]


def test_a_request_waits_for_a_service_that_is_being_started_again(site: Site) -> None:
    site.close("waitlist")
    returning = threading.Timer(1.0, site.open, args=["waitlist"])
    returning.start()

    answer = site.client.post("/api/v1/admin/waitlist", content=b"{}")

    returning.join()
    assert answer.status_code == 200
