"""The look: readable in every accent, kept for a year, translated, and without inline code."""

import re
from itertools import product
from pathlib import Path

import pytest

from services.kit.errors import NotFound
from services.kit.i18n import extract, read_catalog
from services.kit.look import HERE, Look, theme
from services.kit.look.assets import Assets
from services.registration import site
from services.registration.domain.form import TERMS_VERSION
from services.registration.terms import Terms
from tests.support.pages import settings

HOLES = re.compile(r"%\(\w+\)s|%s")
TOKENS = (HERE / "style" / "10-tokens.css").read_text()


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert theme.contrast("#123456", "#123456") == pytest.approx(1)


def test_every_accent_that_passes_can_be_read_everywhere() -> None:
    steps = ("00", "33", "66", "99", "cc", "ff")
    passed = 0
    for parts in product(steps, repeat=3):
        accent = "#" + "".join(parts)
        try:
            theme.check_accent(accent)
        except ValueError:
            continue
        passed += 1
        for tones, paper in (
            (theme.light_tones(accent), theme.PAPER),
            (theme.dark_tones(accent), theme.PAPER_DARK),
        ):
            assert theme.contrast(tones.accent, paper) >= theme.AA
            assert theme.contrast(tones.on_accent, tones.accent) >= theme.AA
            assert theme.contrast(tones.on_accent, tones.strong) >= theme.AA
    assert passed > 50


@pytest.mark.parametrize(
    ("accent", "told"),
    [("#ffcc00", "choose a darker tone"), ("blue", "not a colour"), ("#0b5563;}", "not a colour")],
)
def test_an_accent_that_cannot_be_read_does_not_start(accent: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        settings(accent=accent)


def test_the_papers_that_are_checked_are_those_of_the_style_sheet() -> None:
    assert re.findall(r"--paper: (#\w+);", TOKENS) == [theme.PAPER, theme.PAPER_DARK]


def test_ink_can_be_read_on_every_ground() -> None:
    light, dark = TOKENS.split("@media (prefers-color-scheme: dark)")
    for tokens in (light, dark):
        value = dict(re.findall(r"--([\w-]+): (#\w{6});", tokens))
        for ground in ("paper", "sheet"):
            for ink in ("ink", "ink-soft", "bad"):
                assert theme.contrast(value[ink], value[ground]) >= theme.AA
            assert theme.contrast(value["edge"], value[ground]) >= 3
        assert theme.contrast(value["ink"], value["bad-soft"]) >= theme.AA
        for lamp in ("green", "yellow", "red"):
            lit = TOKENS.partition(f"--lamp-{lamp}: ")[2][:7]
            assert theme.contrast(lit, value["signal-box"]) >= 3


def test_a_file_is_kept_for_good_only_by_the_name_of_what_is_in_it() -> None:
    assets = Assets({"style.css": b"a{}", "light.js": b"1"})
    url = assets.url("style.css")
    assert re.fullmatch(r"/assets/style\.[0-9a-f]{12}\.css", url)
    found = assets.answer(url.rpartition("/")[2])
    assert found.body == b"a{}"
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.headers["content-type"] == "text/css; charset=utf-8"
    for other in ("style.css", "style.000000000000.css"):
        assert assets.answer(other).headers["cache-control"] == "no-cache"
    assert assets.answer("style.css", found.headers["etag"]).status_code == 304
    with pytest.raises(NotFound):
        assets.answer("../settings.py")


def test_a_logo_stands_in_for_the_name_and_must_be_a_picture(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    look = Look(site.HERE, organisation="Stiftung", logo_file=logo)
    assert look.assets.answer("logo.svg").media_type == "image/svg+xml"
    with pytest.raises(ValueError, match="pictures are"):
        Look(site.HERE, organisation="Stiftung", logo_file=Path(__file__))
    logo.write_bytes(b" " * 300_000)
    with pytest.raises(ValueError, match="larger than 256 KiB"):
        Look(site.HERE, organisation="Stiftung", logo_file=logo)


def _forms(text: object) -> list[str]:
    """The forms of a text in the numbers that it has."""
    return [text] if isinstance(text, str) else [str(form) for form in text or ()]  # type: ignore[attr-defined]


def test_every_text_has_its_german() -> None:
    wanted = {message.id for message in extract(site.HERE) if message.id}
    catalog = read_catalog(site.HERE, "de")
    there = {message.id: message.string for message in catalog if message.id}
    assert set(there) == wanted, "run python -m services.kit.i18n services/registration"
    for text, german in there.items():
        plain, said = _forms(text), _forms(german)
        assert len(plain) == len(said), text
        assert all(said), text
        assert HOLES.findall(plain[-1]) == HOLES.findall(said[-1]), text


def test_templates_hold_no_inline_code() -> None:
    for folder in (HERE / "templates", site.HERE / "templates"):
        for path in folder.rglob("*.html"):
            text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
            assert not re.search(r"\s(style|on[a-z]+)=", text), path
            for tag in re.findall(r"<script[^>]*>", text):
                assert "src=" in tag or "application/ld+json" in tag, path
            assert "<style" not in text, path


def test_the_terms_are_there_in_both_languages() -> None:
    folder = site.HERE / "templates" / "terms"
    terms = Terms(folder)
    assert terms.current == TERMS_VERSION
    assert "verbindlich" in (terms.text(TERMS_VERSION, "de") or "")
    assert "binding" in (terms.text(TERMS_VERSION, "en") or "")
    assert terms.text("1999-01", "de") is None


def test_terms_that_are_missing_do_not_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        Terms(tmp_path)
