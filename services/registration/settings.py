"""Settings of registration (prefix `EINLASS_`), beside those that all services share."""

from pathlib import Path

from pydantic import AliasChoices, Field, field_validator

from services.kit.look.theme import DEFAULT_ACCENT, check_accent
from services.kit.settings import Settings


class RegistrationSettings(Settings):
    """What the processes of registration know.

    `database_url` is read from `EINLASS_REGISTRATION_DATABASE_URL`. `accent` is the one colour
    of the public pages, `#rrggbb`; a tone that cannot be read on paper and on white is refused.
    `logo_file` is a picture (.svg, .png or .webp, up to 256 KiB) shown in place of the
    organisation's written name.
    """

    database_url: str = Field(
        validation_alias=AliasChoices("database_url", "EINLASS_REGISTRATION_DATABASE_URL")
    )
    accent: str = DEFAULT_ACCENT
    logo_file: Path | None = None

    @field_validator("accent")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        return check_accent(value)
