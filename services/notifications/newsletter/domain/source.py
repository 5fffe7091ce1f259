"""What an issue is written in: Markdown, and a few blocks in fences of three colons.

    ::: lead
    What this issue is about.
    :::

    ::: article Summer in the park
    picture: park.jpg
    alt: Children at the fountain
    link: https://example.org/park
    label: To the programme

    The text, in Markdown.
    :::

    ::: events What comes next
    count: 5
    :::

    ::: imprint
    Who is responsible, and where to write.
    :::

Options stand at the head of a block, one a line, up to the first line that is none. What stands
outside of all blocks is running text. docs/newsletter.md is for those who write.

Invariant: every text can be read. What is wrong with it is a `Problem` with its line, and the
rest of the text is read all the same, so that a preview shows as much as there is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

EVENTS_SHOWN: Final = 5
MOST_EVENTS: Final = 20

_OPEN: Final = re.compile(r":::[ \t]*([^\s:]+)[ \t]*(.*?)[ \t]*")
_CLOSE: Final = re.compile(r":::[ \t]*")
_OPTION: Final = re.compile(r"([a-z]+):(?:[ \t]+(.*?))?[ \t]*")
_PICTURE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "lead": frozenset(),
    "article": frozenset({"picture", "alt", "link", "label"}),
    "events": frozenset({"count"}),
    "imprint": frozenset(),
}
_ALL_OPTIONS: Final = frozenset().union(*_OPTIONS.values())


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in `line` (from 1). `code` is stable; `word` is what it is about."""

    line: int
    code: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the issue, by its name."""

    name: str
    alt: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where an article leads; without a `label` the language's own words are used."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Text:
    """Running text. `line`: where its Markdown begins."""

    line: int
    markdown: str


@dataclass(frozen=True, slots=True)
class Lead:
    """What the issue is about, in larger type."""

    line: int
    markdown: str


@dataclass(frozen=True, slots=True)
class Article:
    """A piece with its title, and perhaps a picture and where to read on."""

    line: int
    title: str
    markdown: str
    picture: Picture | None = None
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """The events that come next, filled in when the issue goes out."""

    line: int
    title: str
    markdown: str
    count: int = EVENTS_SHOWN


@dataclass(frozen=True, slots=True)
class Imprint:
    """Small print at the end."""

    line: int
    markdown: str


Block: TypeAlias = Text | Lead | Article | Events | Imprint


@dataclass(frozen=True, slots=True)
class Source:
    """A text as it was read."""

    blocks: Sequence[Block]
    problems: Sequence[Problem]

    @property
    def pictures(self) -> list[tuple[int, Picture]]:
        """The pictures that are named, each with the line of its block."""
        articles = [block for block in self.blocks if isinstance(block, Article)]
        return [(block.line, block.picture) for block in articles if block.picture is not None]


@dataclass(slots=True)
class _Fence:
    """A block that is being read. `line`: that of its fence."""

    line: int
    kind: str
    title: str
    body: list[str]


def read(text: str) -> Source:
    """The blocks of a text, in order, and what is wrong with it."""
    return _Reader().read(text)


class _Reader:
    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._problems: list[Problem] = []
        self._fence: _Fence | None = None
        self._loose: list[str] = []

    def read(self, text: str) -> Source:
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if _CLOSE.fullmatch(line):
                self._close(number)
            elif match := _OPEN.fullmatch(line):
                self._open(number, match[1], match[2])
            elif self._fence is not None:
                self._fence.body.append(line)
            else:
                self._loose.append(line)
        self._end(len(lines) + 1)
        return Source(tuple(self._blocks), tuple(sorted(self._problems, key=lambda p: p.line)))

    def _open(self, number: int, kind: str, title: str) -> None:
        self._end(number)
        if kind not in _OPTIONS:
            self._problems.append(Problem(number, "unknown_block", kind))
        self._fence = _Fence(number, kind, title, [])

    def _close(self, number: int) -> None:
        if self._fence is None:
            self._problems.append(Problem(number, "nothing_to_close"))
            self._end_text(number)
        else:
            self._end_fence(self._fence)

    def _end(self, number: int) -> None:
        """What is open ends before the line `number`."""
        if self._fence is not None:
            self._problems.append(Problem(self._fence.line, "not_closed", self._fence.kind))
            self._end_fence(self._fence)
        else:
            self._end_text(number)

    def _end_text(self, number: int) -> None:
        lines, self._loose = self._loose, []
        if any(line.strip() for line in lines):
            self._blocks.append(Text(number - len(lines), "\n".join(lines)))

    def _end_fence(self, fence: _Fence) -> None:
        self._fence = None
        make = _MAKERS.get(fence.kind)
        if make is None:
            self._blocks.append(Text(fence.line + 1, "\n".join(fence.body)))
            return
        options = self._options(fence)
        line = fence.line + 1 + len(options)
        markdown = "\n".join(fence.body[len(options) :])
        given = _Given(fence, line, markdown, dict(options.values()), self._problems)
        given.lines = {name: at for at, (name, _) in options.items()}
        self._blocks.append(make(given))

    def _options(self, fence: _Fence) -> dict[int, tuple[str, str]]:
        """The options at the head of a block, by their lines."""
        found: dict[int, tuple[str, str]] = {}
        for number, line in enumerate(fence.body, fence.line + 1):
            match = _OPTION.fullmatch(line)
            if match is None or match[1] not in _ALL_OPTIONS:
                break
            name, value = match[1], match[2] or ""
            if name not in _OPTIONS[fence.kind]:
                self._problems.append(Problem(number, "option_not_here", name))
            elif any(name == other for other, _ in found.values()):
                self._problems.append(Problem(number, "option_twice", name))
            elif not value:
                self._problems.append(Problem(number, "option_empty", name))
            found[number] = (name, value)
        return found


class _Given:
    """What stands in a block. `line`: where its Markdown begins."""

    def __init__(
        self,
        fence: _Fence,
        line: int,
        markdown: str,
        options: Mapping[str, str],
        problems: list[Problem],
    ) -> None:
        self.fence, self.line, self.markdown, self.options = fence, line, markdown, options
        self.lines: Mapping[str, int] = {}
        self._problems = problems

    def wrong(self, code: str, word: str = "", option: str = "") -> None:
        self._problems.append(Problem(self.lines.get(option, self.fence.line), code, word))


def _words(given: _Given) -> None:
    """Of blocks that are nothing but a text."""
    if given.fence.title:
        given.wrong("no_title_here", given.fence.kind)
    if not given.markdown.strip():
        given.wrong("block_empty", given.fence.kind)


def _lead(given: _Given) -> Block:
    _words(given)
    return Lead(given.line, given.markdown)


def _imprint(given: _Given) -> Block:
    _words(given)
    # An address is written in lines, and they are meant (CommonMark, "hard line breaks").
    lines = [f"{line}  " if line.strip() else "" for line in given.markdown.split("\n")]
    return Imprint(given.line, "\n".join(lines))


def _article(given: _Given) -> Block:
    if not given.fence.title:
        given.wrong("title_missing_here")
    if not given.markdown.strip():
        given.wrong("block_empty", "article")
    return Article(
        given.line, given.fence.title, given.markdown, _picture_of(given), _link_of(given)
    )


def _picture_of(given: _Given) -> Picture | None:
    name, alt = given.options.get("picture", ""), given.options.get("alt", "")
    if not name:
        if alt:
            given.wrong("alt_without_picture", option="alt")
        return None
    if not _PICTURE_NAME.fullmatch(name):
        given.wrong("picture_name", name, "picture")
    elif not alt:
        given.wrong("alt_missing", name, "picture")
    return Picture(name, alt)


def _link_of(given: _Given) -> Link | None:
    url, label = given.options.get("link", ""), given.options.get("label", "")
    if not url:
        if label:
            given.wrong("label_without_link", option="label")
        return None
    if not is_address(url):
        given.wrong("not_an_address", url, "link")
        return None
    return Link(url, label)


def _events(given: _Given) -> Block:
    count, shown = given.options.get("count", ""), EVENTS_SHOWN
    if count:
        if count.isascii() and count.isdecimal() and 1 <= int(count[:4]) <= MOST_EVENTS:
            shown = int(count[:4])
        else:
            given.wrong("count", str(MOST_EVENTS), "count")
    return Events(given.line, given.fence.title, given.markdown, shown)


_MAKERS: Final[Mapping[str, Callable[[_Given], Block]]] = {
    "lead": _lead,
    "article": _article,
    "events": _events,
    "imprint": _imprint,
}


def is_address(url: str) -> bool:
    """Whether a link can lead there: http, https, mailto or tel, or a path of our own site."""
    if any(ord(character) <= 32 or character in '<>"\\' for character in url):
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(host)
    return parts.scheme in ("mailto", "tel") and bool(parts.path)
