"""The plain-text part of a mail: lines of 72 columns, facts with a hanging indent.

Invariant: an address (URL) is never broken and never sits inside a wrapped line, so that every
mail program finds all of it.
"""

import textwrap
import unicodedata
from collections.abc import Iterable
from typing import Final

WIDTH: Final = 72
_LABEL_GAP: Final = 2


def fact_lines(label: str, lines: Iterable[str], labels: Iterable[str]) -> str:
    """A fact: `label:` and its `lines` in a column that fits all `labels`."""
    column = max(columns(each) for each in labels) + 1 + _LABEL_GAP
    head = f"{label}:" + " " * (column - columns(label) - 1)
    indent = " " * column
    wrapped = [
        textwrap.fill(
            line,
            WIDTH - column,
            subsequent_indent="",
            break_long_words=False,
            break_on_hyphens=False,
        ).replace("\n", f"\n{indent}")
        for line in lines
    ]
    return head + f"\n{indent}".join(wrapped)


def wrap(text: str) -> str:
    """`text` with its paragraphs (one a line) wrapped, at most one blank line in a row, and one
    line end at the end. Lines that fit or begin with a space stay as they are."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if not line.strip():
            if lines and lines[-1]:
                lines.append("")
        elif columns(line) <= WIDTH or line[0] == " " or line == "-- ":
            lines.append(line if line == "-- " else line.rstrip())
        else:
            lines.extend(textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines) + "\n"


def columns(text: str) -> int:
    """How many columns a terminal takes for `text`; East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
