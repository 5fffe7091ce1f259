"""How a send stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

SendState: TypeAlias = Literal["running", "stopped", "done"]
DeliveryStatus: TypeAlias = Literal["pending", "sent", "failed", "unknown", "suppressed"]
Bounce: TypeAlias = Literal["hard", "soft", "complaint"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of recipients. `pending` + `sent` + `failed` + `unknown` + `suppressed` = `total`.

    `bounced`: of those `sent`, whose mail came back for good, and of those `failed`, whose address
    the server did not know. `complained`: of those `sent`, who complained.
    `left_after`: how many of the recipients have left since the send began.
    """

    total: int
    pending: int
    sent: int
    failed: int
    unknown: int
    suppressed: int
    bounced: int
    complained: int
    left_after: int
    state: SendState
    begun_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A recipient who may not have got the issue, and why. `email` is None where the subscriber
    was erased. `error` names no address."""

    n: int
    subscriber_id: UUID
    email: str | None
    status: DeliveryStatus
    attempts: int
    smtp_code: int | None
    error: str | None
    bounce: Bounce | None
    at: datetime | None
