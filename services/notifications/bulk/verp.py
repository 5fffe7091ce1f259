"""Return paths that tell which mail came back (VERP).

Invariant: only who has the installation's key can make one, so nobody can have another person's
address suppressed by writing to a made-up return path.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_INFO: Final = b"einlass return paths"
_MAC_BYTES: Final = 5
# Servers may turn letters small or large on the way, so they mean nothing here.
_FORM: Final = re.compile(
    r"(?i)^(?P<local>.+)\+n\.(?P<send>\d{1,10})\.(?P<n>\d{1,10})\.(?P<generation>\d{1,10})"
    r"\.(?P<mac>\w{8})$"
)


@dataclass(frozen=True, slots=True)
class Returned:
    """The mail that a return path is of: the send's number and the recipient's in it, and the
    recipient's generation, which tells to which of their addresses it went."""

    send: int
    n: int
    generation: int


class ReturnPaths:
    """Makes and reads return paths below `address`. `key`: the installation's 32 bytes."""

    def __init__(self, key: bytes, address: str) -> None:
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO)
        self._key = derived.derive(key)
        self._local, _, self._domain = address.rpartition("@")

    def make(self, send: int, n: int, generation: int) -> str:
        """The return path of one mail."""
        mac = self._mac(send, n, generation)
        return f"{self._local}+n.{send}.{n}.{generation}.{mac}@{self._domain}"

    def read(self, address: str) -> Returned | None:
        """The mail that a return path is of, or None where it is none of ours."""
        local, _, domain = address.strip().rpartition("@")
        found = _FORM.match(local)
        if found is None or domain.lower() != self._domain.lower():
            return None
        if found["local"].lower() != self._local.lower():
            return None
        said = int(found["send"]), int(found["n"]), int(found["generation"])
        given = found["mac"].lower().encode("utf-8", "replace")
        right = hmac.compare_digest(given, self._mac(*said).encode())
        return Returned(*said) if right else None

    def _mac(self, send: int, n: int, generation: int) -> str:
        said = b"%d|%d|%d" % (send, n, generation)
        digest = hmac.digest(self._key, said, "sha256")[:_MAC_BYTES]
        return base64.b32encode(digest).decode().lower()
