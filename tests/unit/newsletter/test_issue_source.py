"""What an issue is written in: blocks, options, and errors with their lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.newsletter.domain import markdown
from services.notifications.newsletter.domain.source import (
    Article,
    Events,
    Imprint,
    Lead,
    Link,
    Picture,
    Problem,
    Text,
    is_address,
    read,
)
from tests.unit.newsletter.samples import GERMAN, SITE


def test_blocks_in_their_order() -> None:
    found = read(GERMAN)
    assert found.problems == ()
    assert [type(block) for block in found.blocks] == [Lead, Article, Text, Events, Imprint]
    article = found.blocks[1]
    assert isinstance(article, Article)
    assert article.title == "Ein Garten für alle"
    assert article.picture == Picture("garten.jpg", "Zwei Frauen pflanzen einen Apfelbaum")
    assert article.link == Link("https://www.example.com/garten", "Zum Garten")
    assert "samstags" in article.markdown
    assert "picture:" not in article.markdown
    events = found.blocks[3]
    assert isinstance(events, Events)
    assert (events.title, events.count) == ("Was als Nächstes kommt", 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n\n::: led\nx\n:::", Problem(3, "unknown_block", "led")),
        ("::: lead\nx", Problem(1, "not_closed", "lead")),
        ("::: lead\nx\n::: imprint\ny\n:::", Problem(1, "not_closed", "lead")),
        ("x\n:::", Problem(2, "nothing_to_close")),
        ("::: lead\n:::", Problem(1, "block_empty", "lead")),
        ("::: lead Titel\nx\n:::", Problem(1, "no_title_here", "lead")),
        ("::: article\nx\n:::", Problem(1, "title_missing_here")),
        ("::: article T\n:::", Problem(1, "block_empty", "article")),
        ("::: article T\npicture: a.png\n\nx\n:::", Problem(2, "alt_missing", "a.png")),
        ("::: article T\nalt: etwas\npicture: ü.png\nx\n:::", Problem(3, "picture_name", "ü.png")),
        ("::: article T\nalt: etwas\n\nx\n:::", Problem(2, "alt_without_picture")),
        ("::: article T\nlabel: weiter\n\nx\n:::", Problem(2, "label_without_link")),
        (
            "::: article T\nlabel: a\nlink: javascript:x\n\nx\n:::",
            Problem(3, "not_an_address", "javascript:x"),
        ),
        ("::: article T\nlink: \nx\n:::", Problem(2, "option_empty", "link")),
        ("::: article T\nlink: /a\nlink: /b\nx\n:::", Problem(3, "option_twice", "link")),
        ("::: article T\ncount: 3\nx\n:::", Problem(2, "option_not_here", "count")),
        ("::: events\ncount: 0\n:::", Problem(2, "count", "20")),
        ("::: events\ncount: ²\n:::", Problem(2, "count", "20")),
        ("::: events\ncount: 99999999999\n:::", Problem(2, "count", "20")),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: Problem) -> None:
    assert read(text).problems == (problem,)


def test_a_text_with_errors_is_read_all_the_same() -> None:
    found = read("::: led\nTrotzdem.\n:::\n\n::: lead\nUnd das.")
    assert [block.markdown for block in found.blocks] == ["Trotzdem.", "Und das."]


def test_a_word_with_a_colon_is_text_and_no_option() -> None:
    (block,) = read("::: lead\nHinweis: Am Montag ist zu.\n:::").blocks
    assert block.markdown == "Hinweis: Am Montag ist zu."


_LINES = st.sampled_from(
    [
        ":::",
        "::: lead",
        "::: article T",
        "::: events",
        "picture: a",
        "alt: b",
        "",
        "x",
        "::: ?",
        "- y",
    ]
)


@given(st.lists(st.one_of(_LINES, st.text(max_size=20)), max_size=30))
def test_every_text_can_be_read(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = read(text)
    last = len(text.splitlines()) + 1
    assert all(1 <= problem.line <= last for problem in found.problems)
    for block in found.blocks:
        assert 1 <= block.line <= last + 1
        markdown.html(block.markdown, SITE)
        markdown.html(block.markdown, SITE, {"p": "margin:0;"})
        markdown.plain(block.markdown, SITE)
        markdown.targets(block.markdown, block.line)


@given(st.text())
def test_no_address_leads_out_of_its_attribute(url: str) -> None:
    if is_address(url):
        assert not set(url) & set('<>"\\ \n\t')
        assert url.startswith(("/", "http", "mailto:", "tel:", "HTTP", "Http")) or ":" in url


@pytest.mark.parametrize("url", ["https://a.de/x?y=1#z", "/events", "mailto:a@b.de", "tel:+4930"])
def test_addresses(url: str) -> None:
    assert is_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//b.de",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://",
        "https:///x",
        "x",
        "ftp://a",
    ],
)
def test_no_addresses(url: str) -> None:
    assert not is_address(url)


def test_markdown_for_a_mail_carries_its_styles() -> None:
    made = markdown.html("Ein [Link](/events).", SITE, {"p": "margin:0;", "a": "color:#000;"})
    assert made == (
        '<p style="margin:0;">Ein <a href="https://einlass.example.org/events" '
        'style="color:#000;">Link</a>.</p>\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "<img src=x onerror=y>",
        "[x](javascript:y)",
        "![Bild](https://b.de/x.png)",
        '<p style="x">',
    ],
)
def test_nothing_of_an_editor_acts(text: str) -> None:
    for made in (markdown.html(text, SITE), markdown.html(text, SITE, {"p": "margin:0;"})):
        assert "<script" not in made
        assert "<img" not in made
        assert "href" not in made


def test_pictures_in_the_text_are_found() -> None:
    assert markdown.pictures("a\n\n![Bild](x.png)", 4) == [6]


def test_plain_text_of_everything() -> None:
    made = markdown.plain(
        "# Oben\n\nEin **Satz** mit [Link](/events) und [Link](https://b.de) und\nnoch "
        "[einmal](/events), https://c.de\n\n1. eins\n2. zwei\n   - drei\n\n> Zitat\n\n"
        "| a | b |\n|---|---|\n| c | d |\n\n    Code\n\n---\n\n[a@b.de](mailto:a@b.de)",
        SITE,
    )
    assert made.splitlines() == [
        "Oben",
        "",
        "Ein Satz mit Link [1] und Link [2] und noch einmal [1], https://c.de",
        "",
        "1. eins",
        "2. zwei",
        "   - drei",
        "",
        "> Zitat",
        "",
        "a | b",
        "c | d",
        "",
        "    Code",
        "",
        "* * *",
        "",
        "a@b.de",
        "",
        "[1] https://einlass.example.org/events",
        "[2] https://b.de",
    ]


def test_plain_text_never_breaks_an_address() -> None:
    long = "https://b.de/" + "x" * 200
    made = markdown.plain(f"- Ein Punkt mit [Link]({long}) und vielen Wörtern dahinter " * 3, SITE)
    assert long in made.splitlines()[-1]
