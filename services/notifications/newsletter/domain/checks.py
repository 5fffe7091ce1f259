"""The checks before an issue goes out.

Invariant: an error keeps an issue from being planned and from being sent, a warning does not.
What cannot be known for sure (a server that does not like to be asked) is a warning.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from services.contracts.envelope import Locale
from services.kit.ical import one_line
from services.notifications.newsletter.domain import markdown, source
from services.notifications.newsletter.domain.issue import PREFERRED, Issue, Rendering, Words
from services.notifications.newsletter.domain.markdown import Target
from services.notifications.newsletter.domain.source import Article, Events, Source

CLIPPED_BYTES: Final = 102_000
"""Gmail shows the first 102 kB of a mail's HTML and hides the rest, with the link to
unsubscribe."""
CLOSE_BYTES: Final = 90_000
LONG_SUBJECT: Final = 70
"""Characters; most mailboxes show fewer."""

Severity = Literal["error", "warning"]
Answer = Literal["ok", "gone", "unsure", "private"]
"""What became of asking a link: it answers, it does not exist, nobody can say, or it leads into
a network that is not public."""


def _(text: str) -> str:
    """Marks a sentence for translation."""
    return text


SENTENCES: Final[Mapping[str, str]] = {
    "nothing_written": _("Nothing is written yet."),
    "language_missing": _("This language is not written; its readers get another one."),
    "title_missing": _("The title is missing."),
    "subject_missing": _("The subject is missing."),
    "subject_long": _("The subject is long; most mailboxes cut it off."),
    "preview_missing": _("The preview text is missing; mailboxes show the first words instead."),
    "text_missing": _("The text is missing."),
    "imprint_missing": _("There is no imprint."),
    "unknown_block": _("There is no block “%(word)s”. Blocks are lead, article, events, imprint."),
    "not_closed": _("The block “%(word)s” is not closed. A line of three colons closes it."),
    "nothing_to_close": _("Three colons close a block here, but none is open."),
    "option_not_here": _("The option “%(word)s” does not belong to this block."),
    "option_twice": _("The option “%(word)s” stands here twice."),
    "option_empty": _("The option “%(word)s” is empty."),
    "no_title_here": _("The block “%(word)s” has no title of its own."),
    "block_empty": _("The block “%(word)s” has no text."),
    "title_missing_here": _("The article has no title. It stands behind the word article."),
    "picture_name": _("“%(word)s” is not the name of a picture."),
    "alt_missing": _("The picture “%(word)s” has no alt text. It says what can be seen."),
    "alt_without_picture": _("There is an alt text, but no picture."),
    "label_without_link": _("There are words for a link, but no link."),
    "not_an_address": _("“%(word)s” is not an address. It begins with https:// or with /."),
    "count": _("count is a number from 1 to %(word)s."),
    "picture_unknown": _("There is no picture “%(word)s” in this issue."),
    "picture_in_text": _("Pictures belong into an article, as the option picture."),
    "link_unreadable": _("“%(word)s” is not an address. It begins with https:// or with /."),
    "link_gone": _("%(word)s does not answer, or there is nothing at this address."),
    "link_unsure": _("%(word)s cannot be checked from here. Please open it yourself."),
    "link_private": _("%(word)s leads into a network that readers cannot reach."),
    "html_too_large": _("The mail has %(word)s kB; Gmail hides what is beyond 102 kB."),
    "html_large": _("The mail has %(word)s kB; from 102 kB on Gmail hides the rest."),
    "unsubscribe_missing": _("The link to unsubscribe is missing."),
    "no_events": _("No event is coming up, so the block of the events stays out."),
    "programme_away": _("The programme of events does not answer at the moment."),
}
"""What each code says, in English."""

WARNINGS: Final = frozenset(
    {
        "language_missing",
        "subject_long",
        "preview_missing",
        "imprint_missing",
        "link_unsure",
        "html_large",
        "no_events",
        "programme_away",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found. `line` counts in the language's source; `word` is what it is
    about."""

    code: str
    locale: Locale | None = None
    line: int | None = None
    word: str = ""

    @property
    def severity(self) -> Severity:
        """Whether it keeps the issue back."""
        return "warning" if self.code in WARNINGS else "error"

    @property
    def detail(self) -> str:
        """The sentence, in English."""
        return said(SENTENCES[self.code], self.word)


def said(sentence: str, word: str) -> str:
    """A sentence with its word put in."""
    return sentence % {"word": word} if "%(word)s" in sentence else sentence


def errors(findings: Sequence[Finding]) -> list[Finding]:
    """Those that keep the issue back."""
    return [finding for finding in findings if finding.severity == "error"]


def of_words(issue: Issue, pictures: Collection[str]) -> list[Finding]:
    """What can be said of the texts alone. `pictures`: the names of those that the issue has."""
    if not issue.locales:
        return [Finding("nothing_written")]
    found: list[Finding] = []
    for locale in PREFERRED:
        words = issue.words.get(locale, Words())
        if words.empty:
            found.append(Finding("language_missing", locale))
            continue
        found += _of_language(locale, words, pictures)
    return found


def _of_language(locale: Locale, words: Words, pictures: Collection[str]) -> list[Finding]:
    read = source.read(words.source)
    found: list[Finding] = []
    if not words.title.strip():
        found.append(Finding("title_missing", locale))
    if not words.subject.strip():
        found.append(Finding("subject_missing", locale))
    elif len(one_line(words.subject)) > LONG_SUBJECT:
        found.append(Finding("subject_long", locale))
    if not words.preview.strip():
        found.append(Finding("preview_missing", locale))
    if not read.blocks:
        found.append(Finding("text_missing", locale))
    elif not any(isinstance(block, source.Imprint) for block in read.blocks):
        found.append(Finding("imprint_missing", locale))
    found += [Finding(p.code, locale, p.line, p.word) for p in read.problems]
    found += [
        Finding("picture_unknown", locale, line, picture.name)
        for line, picture in read.pictures
        if picture.name not in pictures
    ]
    for block in read.blocks:
        found += [
            Finding("picture_in_text", locale, line)
            for line in markdown.pictures(block.markdown, block.line)
        ]
    found += [
        Finding("link_unreadable", locale, target.line, target.url)
        for target in targets(read)
        if not source.is_address(target.url)
    ]
    return found


def targets(read: Source) -> list[Target]:
    """Where a text leads to, with the lines."""
    found: list[Target] = []
    for block in read.blocks:
        if isinstance(block, Article) and block.link is not None:
            found.append(Target(block.line, block.link.url))
        found += markdown.targets(block.markdown, block.line)
    return found


def web_targets(issue: Issue, site: str) -> dict[str, list[tuple[Locale, int]]]:
    """The addresses that can be asked whether they answer, each with where it stands."""
    found: dict[str, list[tuple[Locale, int]]] = {}
    for locale in issue.locales:
        for target in targets(source.read(issue.words[locale].source)):
            url = markdown.absolute(target.url, site)
            if source.is_address(url) and urlsplit(url).scheme in ("http", "https"):
                found.setdefault(url, []).append((locale, target.line))
    return found


def of_links(
    answers: Mapping[str, Answer], places: Mapping[str, list[tuple[Locale, int]]]
) -> list[Finding]:
    """What the links answered."""
    return [
        Finding(f"link_{answer}", locale, line, url)
        for url, answer in answers.items()
        if answer != "ok"
        for locale, line in places[url]
    ]


def wants_events(issue: Issue) -> bool:
    """Whether the programme has to be asked."""
    return any(
        isinstance(block, Events)
        for locale in issue.locales
        for block in source.read(issue.words[locale].source).blocks
    )


def of_renderings(renderings: Mapping[Locale, Rendering], unsubscribe: str) -> list[Finding]:
    """What is to be said of the mails. `unsubscribe`: the stand-in for the personal link."""
    found: list[Finding] = []
    for locale, rendering in renderings.items():
        size = len(rendering.html.encode())
        kilobytes = str(-(-size // 1000))
        if size >= CLIPPED_BYTES:
            found.append(Finding("html_too_large", locale, word=kilobytes))
        elif size >= CLOSE_BYTES:
            found.append(Finding("html_large", locale, word=kilobytes))
        if unsubscribe not in rendering.html or unsubscribe not in rendering.text:
            found.append(Finding("unsubscribe_missing", locale))
    return found
