"""Settings of the waitlist's processes."""

from pydantic import Field

from services.kit.look.settings import LookSettings


class WaitlistSettings(LookSettings):
    """`database_url`: `postgresql://user:password@host:port/database`, from
    `EINLASS_WAITLIST_DATABASE_URL`."""

    database_url: str = Field(validation_alias="EINLASS_WAITLIST_DATABASE_URL", repr=False)
