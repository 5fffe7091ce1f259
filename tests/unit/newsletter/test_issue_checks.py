"""What the checks find."""

import pytest

from services.notifications.bulk.letter import UNSUBSCRIBE_LINK
from services.notifications.newsletter.domain import checks, source
from services.notifications.newsletter.domain.checks import SENTENCES, WARNINGS, Finding
from services.notifications.newsletter.domain.issue import Rendering, Words
from services.notifications.newsletter.domain.pictures import MOST_BYTES, kind_of
from services.notifications.newsletter.rendering import Press
from services.notifications.newsletter.showing import file_name
from tests.unit.newsletter.samples import GERMAN, SITE, WORDS, issue, scene, settings


def codes(found: list[Finding]) -> set[tuple[str, str | None, int | None]]:
    return {(each.code, each.locale, each.line) for each in found}


def of(words: Words) -> set[tuple[str, str | None, int | None]]:
    found = checks.of_words(issue(words={"de": words}), {"garten.jpg"})
    return codes(found) - {("language_missing", "en", None)}


def test_a_whole_issue_has_nothing_in_its_way() -> None:
    assert checks.of_words(issue(), {"garten.jpg"}) == []
    assert checks.of_renderings(Press(settings()).every(issue(), scene()), UNSUBSCRIBE_LINK) == []


def test_an_empty_one() -> None:
    assert codes(checks.of_words(issue(words={}), ())) == {("nothing_written", None, None)}


def test_what_is_missing() -> None:
    assert of(Words("", "", "", "x")) == {
        ("title_missing", "de", None),
        ("subject_missing", "de", None),
        ("preview_missing", "de", None),
        ("imprint_missing", "de", None),
    }
    assert ("text_missing", "de", None) in of(Words("a", "b", "c", " \n"))


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("garten.jpg", "anderes.jpg"), ("picture_unknown", "de", 10)),
        (("Im Hof", "![x](y.png) Im Hof"), ("picture_in_text", "de", 11)),
        (("(/events)", "(events)"), ("link_unreadable", "de", 11)),
        (("::: imprint", "::: impressum"), ("unknown_block", "de", 23)),
        (("alt: Zwei Frauen pflanzen einen Apfelbaum\n", ""), ("alt_missing", "de", 6)),
    ],
)
def test_errors_tell_their_lines(change: tuple[str, str], finding: tuple[str, str, int]) -> None:
    found = of(Words(WORDS.title, WORDS.subject, WORDS.preview, GERMAN.replace(*change)))
    assert finding in found


def test_size_is_that_of_the_html_part() -> None:
    def rendering(size: int) -> Rendering:
        html = UNSUBSCRIBE_LINK + "ä" * ((size - len(UNSUBSCRIBE_LINK)) // 2)
        return Rendering("", "", "", html, UNSUBSCRIBE_LINK, "")

    def found(size: int) -> list[str]:
        made = checks.of_renderings({"de": rendering(size)}, UNSUBSCRIBE_LINK)
        return [each.code for each in made]

    assert found(80_000) == []
    assert found(95_000) == ["html_large"]
    assert found(102_002) == ["html_too_large"]


def test_without_the_link_to_unsubscribe_nothing_goes() -> None:
    made = Rendering("", "", "", f"<a href='{UNSUBSCRIBE_LINK}'>", "Text ohne", "")
    (found,) = checks.of_renderings({"de": made}, UNSUBSCRIBE_LINK)
    assert (found.code, found.severity) == ("unsubscribe_missing", "error")


def test_links_to_be_asked_are_whole_and_each_once() -> None:
    places = checks.web_targets(issue(), SITE)
    assert places == {
        "https://www.example.com/garten": [("de", 10), ("en", 10)],
        f"{SITE}/events": [("de", 11), ("en", 11)],
    }
    found = checks.of_links(
        {"https://www.example.com/garten": "gone", f"{SITE}/events": "ok"}, places
    )
    assert codes(found) == {("link_gone", "de", 10), ("link_gone", "en", 10)}


def test_every_code_says_something() -> None:
    assert set(SENTENCES) >= WARNINGS
    for code in SENTENCES:
        finding = Finding(code, word="100%")
        assert "%(" not in finding.detail
        assert finding.severity == ("warning" if code in WARNINGS else "error")


def test_programme_is_asked_only_where_it_is_wanted() -> None:
    assert checks.wants_events(issue())
    assert not checks.wants_events(issue(words={"de": Words("a", "b", "c", "Nur Text.")}))
    assert source.read("").blocks == ()


# --- Pictures -------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\xb0\0\0\x03\x20\x08\2\0\0\0"
JPEG = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    b"\xff\xc2\0\x11\x08\x03\x20\x04\xb0\3\1\x22\0\2\x11\1\3\x11\1"
)
WEBP = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xaf\x04\0\x1f\x03\0"


@pytest.mark.parametrize(("data", "ending"), [(PNG, "png"), (JPEG, "jpg"), (WEBP, "webp")])
def test_pictures_are_known_by_what_is_in_them(data: bytes, ending: str) -> None:
    kind = kind_of(data)
    assert kind is not None
    assert (kind.ending, kind.width, kind.height) == (ending, 1200, 800)
    assert len(kind.digest) == 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        PNG[:20],
        JPEG[:24],
        PNG.replace(b"\x04\xb0", b"\xff\xff"),
        PNG + bytes(MOST_BYTES),
    ],
)
def test_what_is_no_picture_of_ours(data: bytes) -> None:
    assert kind_of(data) is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Gärten & Höfe.JPG", "gaerten-hoefe.jpg"),
        (r"C:\Bilder\x.png", "x.png"),
        ("../../etc/passwd", "passwd"),
        (".png", "png"),
        ("", "picture"),
        ("日本.webp", "webp"),
    ],
)
def test_names_of_pictures(file: str, name: str) -> None:
    assert file_name(file) == name
