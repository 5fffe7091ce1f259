"""The terms (AGB), one text per version and language; a sign-up keeps the version it agreed to.

Invariant: a version that was ever agreed to can still be read. Texts stand in
`templates/terms/<version>.<language>.md` and are not changed; new terms are a new version.
"""

import re
from pathlib import Path
from typing import Final

from markupsafe import Markup

from services.contracts.envelope import Locale
from services.kit.i18n import LOCALES
from services.registration.domain.form import TERMS_VERSION
from services.registration.markup import html_of

_NAME: Final = re.compile(r"(\d{4}-\d{2})\.([a-z]{2})\.md")


class Terms:
    """All versions of the terms, in memory."""

    def __init__(self, folder: Path) -> None:
        """Reads all texts. Raises ValueError where one is missing in a language, or the version
        that sign-ups agree to is missing altogether."""
        texts: dict[tuple[str, str], str] = {}
        for path in folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                texts[match[1], match[2]] = path.read_text(encoding="utf-8")
        for version in {TERMS_VERSION, *(version for version, _ in texts)}:
            for locale in LOCALES:
                if (version, locale) not in texts:
                    raise ValueError(f"the terms {version} are missing in {locale!r}")
        self._texts = texts

    @property
    def current(self) -> str:
        """The version that a sign-up agrees to now."""
        return TERMS_VERSION

    def text(self, version: str, locale: Locale) -> Markup | None:
        """A version as safe HTML, or None where there is no such version."""
        found = self._texts.get((version, locale))
        return html_of(found) if found is not None else None
