"""Settings of registration (prefix `EINLASS_`), beside those that all services share."""

from pydantic import AliasChoices, Field

from services.kit.look.settings import LookSettings


class RegistrationSettings(LookSettings):
    """What the processes of registration know.

    `database_url` is read from `EINLASS_REGISTRATION_DATABASE_URL`.
    """

    database_url: str = Field(
        validation_alias=AliasChoices("database_url", "EINLASS_REGISTRATION_DATABASE_URL")
    )
