"""Secret links: 128 random bits, kept as a hash to check and sealed to show again.

Invariant: no table holds a token in the clear. A repeated request and a later mail need the
same link once more, so the token is also kept encrypted with the installation's key and bound
to the row it belongs to (docs/decisions/0006).
"""

import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN_BYTES = 16
NONCE_BYTES = 12


class Token(NamedTuple):
    """`clear`: 22 characters of URL-safe base64. `digest`: 32 bytes, SHA-256.
    `sealed`: 44 bytes, AES-256-GCM (nonce, ciphertext, tag)."""

    clear: str
    digest: bytes
    sealed: bytes


class TokenBox:
    """Makes and opens tokens with the installation's 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def issue(self, owner: UUID) -> Token:
        """A new token for the row `owner`."""
        random = secrets.token_bytes(TOKEN_BYTES + NONCE_BYTES)
        raw, nonce = random[:TOKEN_BYTES], random[TOKEN_BYTES:]
        return Token(
            clear=base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
            digest=hashlib.sha256(raw).digest(),
            sealed=nonce + self._aead.encrypt(nonce, raw, owner.bytes),
        )

    def open(self, sealed: bytes, owner: UUID) -> str:
        """The token in the clear. Raises cryptography's InvalidTag for another key or owner."""
        raw = self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.bytes)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def digest(clear: str) -> bytes | None:
    """SHA-256 of the token's bytes, or None where it is no token at all."""
    try:
        raw = base64.urlsafe_b64decode(clear + "=" * (-len(clear) % 4))
    except ValueError:
        return None
    return hashlib.sha256(raw).digest() if len(raw) == TOKEN_BYTES else None


def matches(clear: str, expected: bytes) -> bool:
    """Whether `clear` is the token with this digest, in constant time."""
    found = digest(clear)
    return found is not None and hmac.compare_digest(found, expected)
