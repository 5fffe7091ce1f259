"""Signatures of mails: DKIM (RFC 6376) with RSA-2048 or Ed25519 (RFC 8463), relaxed/relaxed.

Invariants:
- What is signed is what prepared.py writes: canonical header lines and body octets are handed in
  by it, since it knows which parts never change, and this module does not parse mails.
- Both List-Unsubscribe headers are covered, as RFC 8058, 4 asks.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_LEAST_BITS: Final = 2048
_SPACES: Final = re.compile(rb"[ \t]+")
_LINE: Final = 72


class Digest(Protocol):
    """What hashlib's objects do."""

    def copy(self) -> "Digest": ...
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Signer:
    """One key. `domain`: that of the From address, or above it; `selector` names the key's record
    `<selector>._domainkey.<domain>`."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @classmethod
    def load(cls, domain: str, selector: str, file: Path) -> "Signer":
        """Reads a PEM file without a passphrase. Raises OSError, and ValueError for a key that is
        neither Ed25519 nor RSA of 2048 bits or more."""
        key = load_pem_private_key(file.read_bytes(), None)
        if isinstance(key, Ed25519PrivateKey):
            return cls(domain, selector, key)
        if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
            raise ValueError("a DKIM key is Ed25519, or RSA with 2048 bits or more")
        return cls(domain, selector, key)

    def sign(self, names: Sequence[bytes], headers: bytes, body: Digest, at: int) -> bytes:
        """The whole DKIM-Signature header, folded, with its CRLF.

        `headers`: the canonical lines of the headers `names`, in that order, each with its CRLF;
        `body`: SHA-256 over the canonical body; `at`: Unix seconds.
        """
        rsa = isinstance(self.key, RSAPrivateKey)
        head = b"\r\n ".join(
            (
                b"v=1; a=%b; c=relaxed/relaxed; d=%b; s=%b; t=%d;"
                % (
                    b"rsa-sha256" if rsa else b"ed25519-sha256",
                    self.domain.encode(),
                    self.selector.encode(),
                    at,
                ),
                b"h=%b;" % b":\r\n ".join(_rows(names)),
                b"bh=%b;" % base64.b64encode(body.digest()),
                b"b=",
            )
        )
        canonical = relaxed_header(b"DKIM-Signature", head)
        signed = hashlib.sha256(headers + canonical.removesuffix(b"\r\n")).digest()
        if isinstance(self.key, RSAPrivateKey):
            signature = self.key.sign(signed, padding.PKCS1v15(), utils.Prehashed(SHA256()))
        else:
            signature = self.key.sign(signed)
        encoded = base64.b64encode(signature)
        folded = b"\r\n ".join(encoded[i : i + _LINE] for i in range(0, len(encoded), _LINE))
        return b"DKIM-Signature: %b%b\r\n" % (head, folded)


def _rows(names: Iterable[bytes]) -> list[bytes]:
    """Names joined by colons, some to a line."""
    rows: list[bytes] = []
    for name in names:
        if rows and len(rows[-1]) + len(name) < _LINE:
            rows[-1] += b":" + name
        else:
            rows.append(name)
    return rows


def relaxed_header(name: bytes, value: bytes) -> bytes:
    """A header line as RFC 6376, 3.4.2 has it, with its CRLF."""
    unfolded = value.replace(b"\r\n", b"")
    return b"%b:%b\r\n" % (name.strip().lower(), _SPACES.sub(b" ", unfolded).strip(b" \t"))


def relaxed_body(lines: bytes) -> bytes:
    """Whole body lines as RFC 6376, 3.4.4 has them. Empty lines at the end of the body are the
    caller's to leave out."""
    return b"\r\n".join(_SPACES.sub(b" ", line).rstrip(b" \t") for line in lines.split(b"\r\n"))
