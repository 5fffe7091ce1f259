"""Signatures: checked by a verifier written from RFC 6376 alone, which shares no code with ours."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from hypothesis import given, settings

from services.notifications.bulk.dkim import Signer, relaxed_body, relaxed_header
from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.bulk.prepared import Prepared, Recipient
from tests.unit.bulk.test_bulk_prepared import AT, TEXTS, WHO, sending

RSA: Final = rsa.generate_private_key(65537, 2048)
ED: Final = Ed25519PrivateKey.generate()
LETTER: Final = Letter(
    "mitarbeiten 1/2027 – ein langer Titel, der gefaltet wird, weil er nicht in eine Zeile geht",
    f'<p>Hallo   Welt </p>\n<a href="{OWN_LINK}">x</a> <a href="{UNSUBSCRIBE_LINK}">y</a>\n\n',
    f"Hallo  \t Welt \n.\n{OWN_LINK}\n{UNSUBSCRIBE_LINK}\n\n\n",
)


def signed(*signers: Signer, letter: Letter = LETTER) -> bytes:
    prepared = Prepared(letter, "de", sending(signers=signers))
    return prepared.compose(Recipient(3, WHO, "ada@people.test", 1), AT).message


def verify(message: bytes, algorithm: str, check: Callable[[bytes, bytes], object]) -> list[str]:
    """Raises InvalidSignature or AssertionError; returns the names that are covered."""
    head, _, body = message.partition(b"\r\n\r\n")
    headers = re.split(rb"\r\n(?![ \t])", head)
    [signature] = [
        h for h in headers if h.startswith(b"DKIM-Signature:") and algorithm.encode() in h
    ]
    tags = {
        name.strip().decode(): re.sub(rb"\s", b"", value)
        for name, _, value in (
            tag.partition(b"=") for tag in signature.partition(b":")[2].split(b";")
        )
    }
    lines = [re.sub(rb"[ \t]+", b" ", one).rstrip(b" ") for one in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    canonical_body = b"".join(line + b"\r\n" for line in lines)
    digest = base64.b64encode(hashlib.sha256(canonical_body).digest())
    assert tags["bh"] == digest
    names = tags["h"].decode().split(":")
    data = b""
    for name in names:
        [line] = [h for h in headers if h.lower().startswith(name.lower().encode() + b":")]
        data += relax(line) + b"\r\n"
    data += relax(re.sub(rb"\bb=[^;]*$", b"b=", signature))
    check(base64.b64decode(tags["b"]), data)
    return names


def relax(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b""))
    return name.strip().lower() + b":" + unfolded.strip()


def by_rsa(signature: bytes, data: bytes) -> None:
    RSA.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


def by_ed(signature: bytes, data: bytes) -> None:
    # RFC 8463, 3: the SHA-256 of the data is what is signed.
    ED.public_key().verify(signature, hashlib.sha256(data).digest())


BOTH: Final = (Signer("einlass.test", "r", RSA), Signer("einlass.test", "e", ED))


def test_both_kinds_of_keys() -> None:
    message = signed(*BOTH)
    for names in (
        verify(message, "rsa-sha256", by_rsa),
        verify(message, "ed25519-sha256", by_ed),
    ):
        assert {"From", "To", "Subject", "Date", "Message-ID", "Reply-To"} <= set(names)
        assert {"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id"} <= set(names)
        assert {"MIME-Version", "Content-Type"} <= set(names)


@settings(deadline=None)
@given(text=TEXTS, html=TEXTS)
def test_any_letter(text: str, html: str) -> None:
    verify(signed(BOTH[1], letter=Letter("x", html, text)), "ed25519-sha256", by_ed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"/unsubscribe>", b"/elsewhere>"),
        (b"One-Click", b"No-Click"),
        (b"ada@people.test", b"eve@people.test"),
        (b"Hallo", b"Hullo"),
    ],
)
def test_a_changed_mail_does_not_pass(before: bytes, after: bytes) -> None:
    message = signed(*BOTH)
    assert before in message
    with pytest.raises((InvalidSignature, AssertionError)):
        verify(message.replace(before, after), "ed25519-sha256", by_ed)


def test_what_relaxed_means() -> None:
    """The example of RFC 6376, 3.4.5."""
    assert relaxed_header(b"A", b" X") == b"a:X\r\n"
    assert relaxed_header(b"B ", b" Y\t\r\n\tZ  ") == b"b:Y Z\r\n"
    assert relaxed_body(b" C \r\nD \t E\r\n") == b" C\r\nD E\r\n"


def test_keys_that_are_refused(tmp_path: Path) -> None:
    def load(key: PrivateKeyTypes) -> Signer:
        file = tmp_path / "key.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Signer.load("einlass.test", "s", file)

    assert load(RSA).sign([b"To"], b"to:x\r\n", hashlib.sha256(), 1)
    assert load(ED).selector == "s"
    refused: Sequence[PrivateKeyTypes] = [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256R1()),
    ]
    for key in refused:
        with pytest.raises(ValueError, match="DKIM"):
            load(key)
