"""Connections that are begun by aiosmtplib, with TLS and login, and taken over."""

import base64
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.kit.clock import SystemClock
from services.kit.db import Database
from services.notifications.bulk.delivery import Delivery
from services.notifications.bulk.letters import Library
from services.notifications.bulk.servers import Servers, read_urls
from tests.integration.bulk.people import IDENTITY, LINKS, begin, done, many, running
from tests.support.newsletter_sink import Sink


@pytest.fixture
def server_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for loopback that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_tls_and_login(db: Database, server_side: ssl.SSLContext, scheme: str) -> None:
    server = Sink(tls=server_side) if scheme == "smtps" else Sink(starttls=server_side)
    async with server as sink:
        addresses = await many(db, 200)
        issue = await begin(db)
        url = f"{scheme}://ada:p%40ss@127.0.0.1:{sink.port}"
        servers = Servers(read_urls(url), name="einlass.test", timeout=10)
        role = Delivery(
            db=db,
            library=Library(IDENTITY, LINKS),
            servers=servers,
            clock=SystemClock(),
            connections=4,
        )
        async with running(role):
            assert await done(db, issue) == {"sent": 200}
        assert sorted(sink.recipients) == sorted(addresses)
        assert set(sink.logins) == {base64.b64encode(b"\0ada\0p@ss").decode()}
