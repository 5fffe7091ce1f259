"""The envelope every message has: who it is, what it is about, where it stands in line.

Invariant: for one `event_id` and one topic, `seq` starts at 1, has no gap and rises in commit
order, because the producer takes it under the lock of one row (docs/decisions/0002).
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Locale = Literal["de", "en"]
Seats = Annotated[int, Field(ge=1, description="number of seats")]


# Checked where it enters (services/registration/domain/form.py); here it is only carried.
Address = Annotated[str, Field(json_schema_extra={"format": "email"})]


class Wire(BaseModel):
    """Base of all that travels: immutable, and tolerant of fields a newer producer added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Wire):
    """What every message has beside its `type` and `data`.

    `id` is a UUIDv7 and unique per message: consumers know a repeat by it.
    """

    id: UUID
    event_id: UUID
    seq: Annotated[int, Field(ge=1)]
    occurred_at: AwareDatetime
    version: Literal[1] = 1


class Person(Wire):
    """The only place where personal data travels. `manage_url` opens the person's own page, so
    it is a secret of that person."""

    name: str
    email: Address
    locale: Locale
    manage_url: str
