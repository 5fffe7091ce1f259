"""Texts come in the reader's language, and nothing goes missing on the way."""

from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Message

import services
from services.contracts.envelope import Locale
from services.kit import i18n
from services.kit.i18n import LOCALES, Translations, negotiate

SERVICES = sorted(
    path.parent for path in Path(services.__file__).parent.glob("**/locale") if any(path.iterdir())
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9,en;q=0.8,de;q=0.7", "en"),
        ("fr, de;q=0.5", "de"),
        ("en;q=0.3, de;q=0.6", "de"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("de;q=much", "en"),
        (";;;,,,", "en"),
    ],
)
def test_the_browsers_wish(header: str | None, expected: str) -> None:
    assert negotiate(header) == expected


def test_languages_say_their_own_name() -> None:
    assert [i18n.display_name(locale) for locale in ("de", "en")] == ["Deutsch", "English"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != i18n.SOURCE])
def test_every_text_is_translated_and_none_is_left_over(service: Path, locale: Locale) -> None:
    asked, given = i18n.extract(service), i18n.read_catalog(service, locale)
    missing = [m.id for m in asked if m.id and not _translated(given.get(m.id, m.context))]
    assert missing == []
    assert [m.id for m in given if m.id and asked.get(m.id, m.context) is None] == []
    assert [m.id for m in given if m.id and any(True for _ in m.check(given))] == []


def _translated(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    said = message.string
    return all(said) if isinstance(said, tuple | list) else bool(said)


def a_service(tmp_path: Path) -> Path:
    service = tmp_path / "tryout"
    (service / "templates").mkdir(parents=True)
    (service / "code.py").write_text('print(_("Hello"))\n')
    (service / "templates" / "page.html").write_text(
        '{{ ngettext("%(num)s place", "%(num)s places", n) }} '
        "{% trans name=name %}For {{ name }}{% endtrans %}"
    )
    return service


def test_a_catalog_is_kept_up_to_date(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    i18n.update(service)
    path = service / "locale" / "de.po"
    path.write_text(
        path.read_text().replace(
            '"For %(name)s"\nmsgstr ""', '"For %(name)s"\nmsgstr "Für %(name)s"'
        )
    )
    first = path.read_text()
    i18n.update(service)
    assert path.read_text() == first
    (service / "code.py").write_text("")
    i18n.update(service)
    assert "Hello" not in path.read_text()
    assert "Für %(name)s" in path.read_text()


def test_templates_speak_every_language_and_escape(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    i18n.update(service)
    path = service / "locale" / "de.po"
    text = path.read_text()
    text = text.replace('"For %(name)s"\nmsgstr ""', '"For %(name)s"\nmsgstr "Für <b>%(name)s</b>"')
    text = text.replace('msgstr[0] ""', 'msgstr[0] "%(num)s Platz"')
    text = text.replace('msgstr[1] ""', 'msgstr[1] "%(num)s Plätze"')
    path.write_text(text)
    loader = jinja2.FileSystemLoader(service / "templates")
    made = Translations.load(service).environments(loader, autoescape=True)
    said = {
        locale: made[locale].get_template("page.html").render(n=2, name="<i>") for locale in LOCALES
    }
    assert said == {
        "de": "2 Plätze Für <b>&lt;i&gt;</b>",
        "en": "2 places For &lt;i&gt;",
    }
    with pytest.raises(jinja2.UndefinedError):
        made["de"].get_template("page.html").render(n=1)
