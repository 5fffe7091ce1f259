"""What organisers write, made safe for a page.

Invariant: whatever stands in a description, no script, style, picture or frame of it reaches a
reader, and no data can end the element that it is put into.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_TAGS: Final = frozenset(
    [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes={"a": {"href", "title"}, "ol": {"start"}, "th": {"scope"}},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel="noopener noreferrer",
)


@lru_cache(maxsize=512)
def html_of(text: str) -> Markup:
    """Markdown (CommonMark with tables) as safe HTML. Its headings begin at the second level,
    since the page's title is the first, and go down by one level at most."""
    tokens = _MARKDOWN.parse(text)
    _set_levels(tokens)
    raw = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    # Clean in the sense of nh3: only the tags, attributes and addresses named above are left.
    return Markup(_CLEANER.clean(raw))  # noqa: S704


def script_json(data: Mapping[str, Any]) -> Markup:
    """JSON for a `<script>` of a data type. `<`, `>` and `&` are written as escapes, so that
    nothing in it can close the element (HTML, "restrictions for contents of script elements").
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _set_levels(tokens: Sequence[Token]) -> None:
    """Puts headings at the level where they belong on our page, and names columns' heads."""
    used = sorted({token.tag for token in tokens if token.type == "heading_open"})
    levels = {tag: number for number, tag in enumerate(used, start=2)}
    current = 1
    for token in tokens:
        if token.type == "heading_open":
            current = min(levels[token.tag], current + 1)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{current}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
