"""Settings of every process that answers pages (prefix `EINLASS_`)."""

from pathlib import Path

from pydantic import field_validator

from services.kit.look.theme import DEFAULT_ACCENT, check_accent
from services.kit.settings import Settings


class LookSettings(Settings):
    """`accent` is the one colour of the pages, `#rrggbb`; a tone that cannot be read on paper and
    on white is refused. `logo_file` is a picture (.svg, .png or .webp, up to 256 KiB) shown in
    place of the organisation's written name."""

    accent: str = DEFAULT_ACCENT
    logo_file: Path | None = None

    @field_validator("accent")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        return check_accent(value)
