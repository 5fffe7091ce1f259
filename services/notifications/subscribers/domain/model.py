"""What is known of a subscriber."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.contracts.envelope import Locale
from services.notifications.subscribers.domain.address import Address

Status = Literal["asked", "active", "paused", "left", "suppressed"]
Source = Literal["form", "api", "event", "own_page", "import", "operator"]
"""Where somebody asked: the form, the API, the box at an event's sign-up, their own page (anew, or
for another address); or how they came here without asking: an import."""
Reason = Literal["left", "bounced", "complained", "operator"]
Purpose = Literal["subscribe", "address"]
Kind = Literal[
    "asked",
    "confirmed",
    "imported",
    "language",
    "address_asked",
    "address",
    "paused",
    "resumed",
    "left",
    "moved",
    "returned",
    "suppressed",
    "released",
    "erased",
]


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asked for the newsletter. `subscriber_id`: who wants it at this address instead of
    theirs."""

    address: Address
    locale: Locale
    source: Source
    wording_version: str
    asked_at: datetime
    subscriber_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whoever gets the newsletter, asked for it, or got it once. `version`: of the last asking;
    `generation`: of the links to the own page."""

    id: UUID
    email: str
    locale: Locale
    status: Status
    generation: int
    version: int
    source: Source
    created_at: datetime
    confirmed_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Asking:
    """A mail that asks to confirm `email`. From `valid_until` on its link does nothing."""

    subscriber_id: UUID
    version: int
    purpose: Purpose
    email: str
    locale: Locale
    source: Source
    wording_version: str
    wording: str
    asked_at: datetime
    valid_until: datetime
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent, as evidence. An import has no wording of ours; `by` vouches for it."""

    email: str
    locale: Locale
    source: Source
    wording_version: str | None
    wording: str | None
    asked_at: datetime | None
    confirmed_at: datetime
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the journal. `by` is an operator, and None for the person or the system."""

    at: datetime
    kind: Kind
    by: str | None = None
    why: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that no import brings back. `id` rises with time. `email` and `subscriber_id`
    are None where the address is known by its hash alone."""

    id: int
    reason: Reason
    at: datetime
    by: str | None
    why: str | None
    email: str | None
    subscriber_id: UUID | None


@dataclass(frozen=True, slots=True)
class Person:
    """All that is kept of one subscriber, oldest first."""

    subscriber: Subscriber
    consents: tuple[Consent, ...]
    journal: tuple[Record, ...]
    suppression: Suppression | None
