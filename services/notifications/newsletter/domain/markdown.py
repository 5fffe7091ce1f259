"""Markdown of an issue, three ways: for a web page, for a mail, and as plain text.

Invariants:
- Whatever stands in a text, no script, style, picture or frame of it reaches a reader.
- Every address is whole: one that begins with "/" is put behind that of the site, since a mail
  has no place of its own.
- An address in plain text stands on a line of its own, and is never broken.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.notifications.newsletter.domain.clicks import Lead, straight

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_TAGS: Final = frozenset(
    {
        *("a", "blockquote", "br", "code", "del", "em", "h3", "h4", "hr", "li", "ol", "p", "pre"),
        *("s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
    }
)
_ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}, "th": {"scope"}}
_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_PAGE: Final = nh3.Cleaner(
    tags=set(_TAGS), attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel="noopener noreferrer"
)
_MAIL: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes={**_ATTRIBUTES, "*": {"style"}},
    url_schemes=_SCHEMES,
    link_rel=None,
)
_WIDTH: Final = 72


@dataclass(frozen=True, slots=True)
class Target:
    """An address that a text leads to. `line` counts from 1."""

    line: int
    url: str


def html(
    text: str, site: str, styles: Mapping[str, str] | None = None, lead: Lead = straight
) -> str:
    """Safe HTML. `site` is the public address without a slash at its end. With `styles`, by tag,
    each element carries its own, since many mail programs drop style sheets. `lead` says where
    the links go.

    Headings begin at the third level, below the block's own.
    """
    tokens = _MARKDOWN.parse(text)
    _set_levels(tokens)
    for block in tokens:
        _set_links(block.children or (), site, lead)
    for token in _all(tokens):
        if styles and token.nesting >= 0 and token.tag in styles:
            token.attrSet("style", styles[token.tag])
    raw = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return (_MAIL if styles else _PAGE).clean(raw)


def absolute(url: str, site: str) -> str:
    """The whole address of a link."""
    return f"{site}{url}" if url.startswith("/") else url


def targets(text: str, line: int) -> list[Target]:
    """Where the text leads to; it begins in `line`."""
    found = []
    for block in _MARKDOWN.parse(text):
        at = line + (block.map[0] if block.map else 0)
        for token in block.children or ():
            if token.type == "link_open":
                found.append(Target(at, str(token.attrGet("href") or "")))
    return found


def pictures(text: str, line: int) -> list[int]:
    """The lines in which a picture stands in the text itself, where none is shown."""
    return [
        line + (block.map[0] if block.map else 0)
        for block in _MARKDOWN.parse(text)
        if any(token.type == "image" for token in block.children or ())
    ]


def _all(tokens: Sequence[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *(token.children or ()))]


def _set_links(tokens: Sequence[Token], site: str, lead: Lead) -> None:
    for at, token in enumerate(tokens):
        if token.type == "link_open":
            href = absolute(str(token.attrGet("href") or ""), site)
            token.attrSet("href", lead(href, _words(tokens[at + 1 :])))


def _words(tokens: Sequence[Token]) -> str:
    """What a link says whose opening token stands before these."""
    inside = takewhile(lambda token: token.type != "link_close", tokens)
    return "".join(token.content for token in inside)


def _set_levels(tokens: Sequence[Token]) -> None:
    used = sorted({token.tag for token in tokens if token.type == "heading_open"})
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h3" if used.index(token.tag) == 0 else "h4"
        elif token.type == "th_open":
            token.attrSet("scope", "col")


def plain(text: str, site: str, lead: Lead = straight) -> str:
    """Plain text of 72 columns; addresses as numbered notes behind it."""
    return _Plain(site, lead).write(_MARKDOWN.parse(text))


@dataclass(slots=True)
class _Plain:
    """Writes one text. `_lists`: for each open list the next number, or None where it has none."""

    site: str
    lead: Lead
    _lines: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _lists: list[int | None] = field(default_factory=list)
    _quotes: int = 0
    _mark: str = ""
    _row: list[str] | None = None

    def write(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            self._take(token)
        if self._notes:
            self._gap()
            self._lines += [f"[{at}] {url}" for at, url in enumerate(self._notes, 1)]
        return "\n".join(self._lines).strip("\n")

    def _take(self, token: Token) -> None:
        match token.type:
            case "inline" if self._row is not None:
                self._row.append(self._inline(token.children or ()).replace("\n", " "))
            case "inline":
                self._paragraph(self._inline(token.children or ()))
            case "paragraph_open" | "heading_open" | "tr_open" if not self._lists:
                if token.type != "tr_open":
                    self._gap()
                self._row = [] if token.type == "tr_open" else None
            case "tr_close":
                self._lines.append(" | ".join(self._row or ()))
                self._row = None
            case "fence" | "code_block":
                self._gap()
                self._lines += [f"    {line}" for line in token.content.splitlines()]
            case "hr":
                self._gap()
                self._lines.append("* * *")
            case _:
                self._nest(token)

    def _nest(self, token: Token) -> None:
        """Into a list, an item or a quotation, and out again."""
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                if not self._lists:
                    self._gap()
                numbered = token.type == "ordered_list_open"
                self._lists.append(int(token.attrGet("start") or 1) if numbered else None)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                number = self._lists[-1]
                self._mark = "- " if number is None else f"{number}. "
                self._lists[-1] = None if number is None else number + 1
            case "table_open":
                self._gap()
            case "blockquote_open":
                self._gap()
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case "tr_open":
                self._row = []

    def _gap(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def _paragraph(self, text: str) -> None:
        quote = "> " * self._quotes
        depth = max(len(self._lists) - 1, 0)
        first = quote + "   " * depth + self._mark
        rest = quote + " " * (len(first) - len(quote))
        if self._lists and not self._mark:
            first = rest = f"{quote}{'   ' * depth}  "
        self._mark = ""
        for line in text.split("\n"):
            self._lines += textwrap.wrap(
                line,
                _WIDTH,
                initial_indent=first,
                subsequent_indent=rest,
                break_long_words=False,
                break_on_hyphens=False,
            )
            first = rest

    def _inline(self, tokens: Sequence[Token]) -> str:
        said: list[str] = []
        href, words = "", 0
        for token in tokens:
            match token.type:
                case "text" | "code_inline":
                    said.append(token.content)
                case "softbreak":
                    said.append(" ")
                case "hardbreak":
                    said.append("\n")
                case "link_open":
                    href, words = absolute(str(token.attrGet("href") or ""), self.site), len(said)
                case "link_close":
                    said.append(self._note(href, "".join(said[words:])))
        return "".join(said)

    def _note(self, url: str, words: str) -> str:
        """The mark behind a link's words; none where they are the address itself."""
        if url.removeprefix("mailto:").removeprefix("tel:") == words:
            return ""
        url = self.lead(url, words).removeprefix("mailto:").removeprefix("tel:")
        if url not in self._notes:
            self._notes.append(url)
        return f" [{self._notes.index(url) + 1}]"
