"""The links of a subscriber: to their own page, to leave at once, and to confirm.

Invariants:
- No token is kept, but in the mail that it stands in. It is made of the installation's key, of
  what the link is for, of whose it is and of a number, and is made again to check it.
- A higher generation makes all earlier links to a person's own page invalid. Each link to confirm
  is for one asking alone.
"""

import base64
import hmac
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN_BYTES: Final = 16
_INFO: Final = b"einlass newsletter links"
_OWN: Final = b"own"
_CONFIRM: Final = b"confirm"


class Links:
    """Makes and checks links. `key`: the installation's 32 bytes; `public_url` without a slash at
    its end."""

    def __init__(self, key: bytes, public_url: str) -> None:
        # RFC 5869: what is made of this key for another purpose fits nowhere here.
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO)
        self._key = derived.derive(key)
        self._at = f"{public_url}/newsletter"

    def own(self, subscriber_id: UUID, generation: int) -> str:
        """To the person's own page."""
        token = self._token(_OWN, subscriber_id, generation)
        return f"{self._at}/s/{subscriber_id}/{token}"

    def unsubscribe(self, subscriber_id: UUID, generation: int) -> str:
        """What List-Unsubscribe names: a POST there leaves at once (RFC 8058), and a GET shows a
        page with a button."""
        return f"{self.own(subscriber_id, generation)}/unsubscribe"

    def confirm(self, subscriber_id: UUID, version: int) -> str:
        """To the page that confirms the asking of this number."""
        token = self._token(_CONFIRM, subscriber_id, version)
        return f"{self._at}/confirm/{subscriber_id}/{version}/{token}"

    def check_own(self, token: str, subscriber_id: UUID, generation: int) -> bool:
        """Whether `token` stands in the link to this person's page; in constant time."""
        return self._check(token, _OWN, subscriber_id, generation)

    def check_confirm(self, token: str, subscriber_id: UUID, version: int) -> bool:
        """Whether `token` stands in the link of this asking; in constant time."""
        return self._check(token, _CONFIRM, subscriber_id, version)

    def _check(self, token: str, purpose: bytes, subscriber_id: UUID, number: int) -> bool:
        expected = self._token(purpose, subscriber_id, number)
        return hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode())

    def _token(self, purpose: bytes, subscriber_id: UUID, number: int) -> str:
        """22 characters: the first 16 bytes of HMAC-SHA256, as URL-safe base64 without padding."""
        said = b"%b|%b|%d" % (purpose, subscriber_id.hex.encode(), number)
        digest = hmac.digest(self._key, said, "sha256")[:TOKEN_BYTES]
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
