"""Texts in the reader's language: gettext catalogs, one per service and language.

Invariant: the message ids are the English texts, so English needs no catalog and a missing
translation falls back to plain English, never to a code. Catalogs are kept as `locale/<lang>.po`
and compiled in memory at start; no compiled file is in the repository.

`python -m services.kit.i18n services/<service>` brings a service's catalogs up to date with its
templates and code.
"""

import io
import os
import sys
from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any, Final, get_args

import jinja2
from babel.core import Locale as BabelLocale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from services.contracts.envelope import Locale

SOURCE: Final[Locale] = "en"
LOCALES: Final[tuple[Locale, ...]] = get_args(Locale)
_TEMPLATES: Final = ("html", "mjml", "txt", "svg", "xml")
_METHODS: Final = [
    ("**.py", "python"),
    *((f"templates/**.{ending}", "jinja2") for ending in _TEMPLATES),
]
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    f"templates/**.{ending}": {"trimmed": "true", "silent": "false"} for ending in _TEMPLATES
}


class Translations:
    """The texts of one service in every language."""

    def __init__(self, catalogs: Mapping[Locale, NullTranslations]) -> None:
        self._catalogs = dict(catalogs)

    @classmethod
    def load(cls, service: Path) -> "Translations":
        """Reads `<service>/locale/<lang>.po` for every language but English.

        Raises FileNotFoundError where a catalog is missing, and babel's PoFileError where one
        cannot be read.
        """
        catalogs: dict[Locale, NullTranslations] = {SOURCE: NullTranslations()}
        for locale in LOCALES:
            if locale != SOURCE:
                compiled = io.BytesIO()
                write_mo(compiled, read_catalog(service, locale))
                compiled.seek(0)
                catalogs[locale] = GNUTranslations(compiled)
        return cls(catalogs)

    def __getitem__(self, locale: Locale) -> NullTranslations:
        """The catalog of one language, with `gettext`, `ngettext` and `pgettext`."""
        return self._catalogs[locale]

    def environments(
        self, loader: jinja2.BaseLoader, **options: Any
    ) -> dict[Locale, jinja2.Environment]:
        """A Jinja2 environment per language, with `_()`, `ngettext()` and `{% trans %}`.

        `options` are those of `jinja2.Environment`. An undefined name is an error. With
        autoescape on, what is put into a translated text is escaped.
        """
        return {locale: self._environment(locale, loader, options) for locale in LOCALES}

    def _environment(
        self, locale: Locale, loader: jinja2.BaseLoader, options: Mapping[str, Any]
    ) -> jinja2.Environment:
        made = jinja2.Environment(  # noqa: S701 - what to escape is the caller's option
            loader=loader,
            **{
                "undefined": jinja2.StrictUndefined,
                "extensions": ["jinja2.ext.i18n"],
                "trim_blocks": True,
                "lstrip_blocks": True,
                **options,
            },
        )
        made.policies["ext.i18n.trimmed"] = True
        # The extension adds this method to the environment when it is loaded.
        made.install_gettext_translations(self[locale], newstyle=True)  # type: ignore[attr-defined]
        return made


def negotiate(accept_language: str | None) -> Locale:
    """The best language for an Accept-Language header (RFC 9110, 12.5.4); English if none fits.

    A header that cannot be read counts as none.
    """
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate((accept_language or "").split(",")):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        weight = _weight(parameters)
        if tag and weight > 0:
            wishes.append((-weight, place, tag.lower()))
    for _, _, tag in sorted(wishes):
        for locale in LOCALES:
            if tag == locale or tag.startswith(f"{locale}-"):
                return locale
        if tag == "*":
            return SOURCE
    return SOURCE


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@cache
def display_name(locale: Locale) -> str:
    """A language's own name: "Deutsch"."""
    return (BabelLocale.parse(locale).get_display_name(locale) or locale).capitalize()


def read_catalog(service: Path, locale: Locale) -> Catalog:
    """A service's catalog as it stands in its `.po` file."""
    with (service / "locale" / f"{locale}.po").open("rb") as file:
        return read_po(file, locale=locale)


def extract(service: Path) -> Catalog:
    """All texts that a service's code and templates ask for, without translations, and without
    those of packages in it that have catalogs of their own."""
    found = Catalog(charset="utf-8")

    def wanted(folder: str | os.PathLike[str]) -> bool:
        name = Path(folder).name
        return not name.startswith((".", "_")) and not (Path(folder) / "locale").is_dir()

    for name, line, text, comments, context in extract_from_dir(
        service, method_map=_METHODS, options_map=_OPTIONS, directory_filter=wanted
    ):
        found.add(text, None, [(name, line)], auto_comments=comments, context=context)
    return found


def _new(service: Path, locale: Locale) -> Catalog:
    return Catalog(
        locale=locale,
        header_comment=f"# The texts of services/{service.name} in the language {locale!r}.",
        project="Einlass",
        version="1",
        msgid_bugs_address="none",
        last_translator="none",
        language_team="none",
        fuzzy=False,
    )


def update(service: Path) -> None:
    """Writes what `extract` finds into each of a service's catalogs and keeps translations."""
    template = extract(service)
    for locale in LOCALES:
        if locale == SOURCE:
            continue
        path = service / "locale" / f"{locale}.po"
        catalog = read_catalog(service, locale) if path.exists() else _new(service, locale)
        # The date in the header would make a difference where there is none.
        template.creation_date = catalog.creation_date
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        path.parent.mkdir(exist_ok=True)
        written = io.BytesIO()
        write_po(written, catalog, width=98, include_lineno=False)
        path.write_bytes(written.getvalue())


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        update(Path(argument))
