"""The look that all public pages share: one style sheet, one skeleton, the light's signal.

Invariant: the skeleton holds no word and no business term; a service extends
`look/base.html` and says everything in its own catalog. Nothing is fetched from elsewhere, and
there is no inline script or style (the Content-Security-Policy of `kit.guard`).

The style sheet is `style/*.css` in the order of their names. Its tokens stand in
`style/10-tokens.css`; those of the accent come from the operator's colour (`kit.look.theme`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2

from services.contracts.envelope import Locale
from services.kit.i18n import LOCALES, Translations, display_name
from services.kit.look import theme
from services.kit.look.assets import Assets

HERE: Final = Path(__file__).parent
LOGO_BYTES: Final = 256 * 1024


class Look:
    """Templates of one service in every language, and the files that they point to."""

    def __init__(
        self,
        service: Path,
        *,
        organisation: str,
        accent: str = theme.DEFAULT_ACCENT,
        logo_file: Path | None = None,
    ) -> None:
        """Reads `<service>/templates` and `<service>/locale`.

        `logo_file` is a picture of at most 256 KiB (.svg, .png or .webp) that stands in for the
        organisation's written name. Raises ValueError for an accent that cannot be read
        (`theme.check_accent`) or a logo that does not fit, OSError where a file is missing.
        """
        files = {"theme.css": theme.stylesheet(accent).encode(), **_own_files()}
        logo = None
        if logo_file is not None:
            logo = f"logo{logo_file.suffix.lower()}"
            files[logo] = _logo(logo_file)
        self.assets = Assets(files)
        self.languages = [(other, display_name(other)) for other in LOCALES]
        self._texts = Translations.load(service)
        self._environments = self._texts.environments(
            jinja2.ChoiceLoader(
                [
                    jinja2.FileSystemLoader(service / "templates"),
                    jinja2.PrefixLoader({"look": jinja2.FileSystemLoader(HERE / "templates")}),
                ]
            ),
            autoescape=True,
            auto_reload=False,
        )
        for locale, environment in self._environments.items():
            environment.globals.update(
                asset=self.assets.url,
                organisation=organisation,
                logo=logo,
                locale=locale,
            )

    def gettext(self, locale: Locale) -> Callable[[str], str]:
        """The service's texts in a language, for words that code says."""
        return self._texts[locale].gettext

    def render(self, template: str, locale: Locale, context: Mapping[str, Any]) -> str:
        """A page as HTML. Raises jinja2's errors, also for a name that `context` lacks."""
        return self._environments[locale].get_template(template).render(context)


def _own_files() -> dict[str, bytes]:
    """The style sheet, the scripts and the pictures of this package."""
    style = b"\n".join(path.read_bytes() for path in sorted((HERE / "style").glob("*.css")))
    others = {path.name: path.read_bytes() for path in sorted((HERE / "assets").iterdir())}
    return {"style.css": style, **others}


def _logo(path: Path) -> bytes:
    body = path.read_bytes()
    if len(body) > LOGO_BYTES:
        raise ValueError(f"the logo {path.name} is larger than {LOGO_BYTES // 1024} KiB")
    return body
