"""The words of the subscribers' pages: there in both languages, and no code in a page."""

import re
from pathlib import Path

import pytest

from services.kit.i18n import extract, read_catalog
from services.notifications.subscribers.desk import HERE

HOLES = re.compile(r"%\(\w+\)s|%s")


def _forms(text: object) -> list[str]:
    return [text] if isinstance(text, str) else [str(form) for form in text or ()]  # type: ignore[attr-defined]


def test_every_text_has_its_german() -> None:
    wanted = {message.id for message in extract(HERE) if message.id}
    there = {message.id: message.string for message in read_catalog(HERE, "de") if message.id}
    assert set(there) == wanted, "run python -m services.kit.i18n"
    for text, german in there.items():
        plain, said = _forms(text), _forms(german)
        assert len(plain) == len(said), text
        assert all(said), text
        assert sorted(HOLES.findall(plain[-1])) == sorted(HOLES.findall(said[-1])), text


@pytest.mark.parametrize(
    "path", sorted((HERE / "templates").glob("*.html")), ids=lambda path: path.stem
)
def test_templates_hold_no_inline_code(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"\s(style|on[a-z]+)=", text)
    assert "<script" not in text
    assert "<style" not in text
