"""An e-mail address: as it is written to, and as it is compared.

Invariant: an Address has no white space, no control character and exactly one recipient, so that
it can stand in a header and in an SMTP command as it is.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from services.kit.errors import FieldError, Invalid

MAX_ADDRESS: Final = 254
# A dot-atom in ASCII (RFC 5322, 3.2.3), as nearly all local parts are.
_PLAIN: Final = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """`email`: as the person writes it, normalised. `key`: in lower case, the domain in ASCII
    (RFC 5891), the same for all ways to write one address. `digest`: SHA-256 of the key."""

    email: str
    key: str
    digest: bytes


def read(text: str) -> Address:
    """The address in `text`. Raises Invalid with a pointer to `email`.

    Addresses are taken by the rules of PyPI email-validator, without asking the DNS.
    """
    found = look(text)
    if found is not None:
        return found
    if not text.strip():
        raise Invalid([FieldError("#/email", "missing", "Please give your e-mail address.")])
    raise Invalid(
        [
            FieldError(
                "#/email",
                "not_an_address",
                "This is not a valid e-mail address. It looks like name@example.org.",
            )
        ]
    )


def look(text: str) -> Address | None:
    """The address in `text`, or None where there is none.

    Nor is one that a mail program might decode to something else: an encoded word (RFC 2047, 5)
    has no place in an address, and some readers decode it there all the same.
    """
    if "=?" in text:
        return None
    local, _, domain = text.strip().rpartition("@")
    try:
        if _PLAIN.fullmatch(local) and len(domain) < MAX_ADDRESS - len(local):
            there = _domain(domain)
            return _made(f"{local}@{there.domain}", local, there.ascii_domain)
        found = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError:
        return None
    return _made(found.normalized, found.local_part, found.ascii_domain)


def _made(email: str, local: str, domain: str) -> Address:
    key = f"{local.casefold()}@{domain.lower()}"
    return Address(email, key, digest(key))


@lru_cache(maxsize=10_000)
def _domain(domain: str) -> ValidatedEmail:
    """Most addresses have a plain local part at a domain that was seen before; the library's
    answer for these is known without asking it for each. Raises EmailNotValidError."""
    return validate_email(f"x@{domain}", check_deliverability=False)


def digest(key: str) -> bytes:
    """What stands for an address where it need not be read: SHA-256 of the key."""
    return hashlib.sha256(key.encode()).digest()
