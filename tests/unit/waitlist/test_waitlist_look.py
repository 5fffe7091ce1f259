"""The words of the operators' pages: there in both languages, and a sentence for every case."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import Locale
from services.kit.i18n import extract, read_catalog
from services.kit.ids import uuid7
from services.kit.look import Look
from services.waitlist import desk
from services.waitlist.domain.facts import LineRules, Policy
from services.waitlist.domain.line import Entry, Line
from services.waitlist.domain.model import Actor, Kind, LedgerRow, Reason, Record, State
from services.waitlist.domain.why import Since, Story, WaitsFor, because, missing
from services.waitlist.finding import named, short
from services.waitlist.why import Answer
from tests.support.desks import text_of

HOLES = re.compile(r"%\(\w+\)s|%s")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO = uuid7()
LINE = Line(uuid7(), "kurs", "Kurs", free=2, waiting=9, length=5)
LOOK = Look(desk.HERE, organisation="Stiftung")
LOCALES = get_args(Locale)


def _forms(text: object) -> list[str]:
    return [text] if isinstance(text, str) else [str(form) for form in text or ()]  # type: ignore[attr-defined]


def test_every_text_has_its_german() -> None:
    wanted = {message.id for message in extract(desk.HERE) if message.id}
    catalog = read_catalog(desk.HERE, "de")
    there = {message.id: message.string for message in catalog if message.id}
    assert set(there) == wanted, "run python -m services.kit.i18n services/waitlist"
    for text, german in there.items():
        plain, said = _forms(text), _forms(german)
        assert len(plain) == len(said), text
        assert all(said), text
        assert sorted(HOLES.findall(plain[-1])) == sorted(HOLES.findall(said[-1])), text


def test_templates_hold_no_inline_code() -> None:
    for path in (desk.HERE / "templates").rglob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\s(style|on[a-z]+)=", text), path
        assert "<script" not in text, path
        assert "<style" not in text, path


def said(locale: Locale, source: str, **context: Any) -> str:
    """What a macro says."""
    environment: jinja2.Environment = LOOK._environments[locale]
    imports = (
        '{% import "because.html" as because with context %}'
        '{% import "words.html" as words with context %}'
    )
    html = environment.from_string(imports + source).render(
        moment=lambda at: f"{at:%d.%m. %H:%M}", Kind=Kind, short=short, **context
    )
    return text_of(f"<main>{html}</main>")


def row(kind: Kind, **changes: Any) -> LedgerRow:
    return LedgerRow(1, replace(Record(kind, 2, NOW, Actor.LINE, WHO), **changes))


def answer(line: Line, story: Story) -> Answer:
    waits = story.entry.state is State.WAITING
    place = story.before + 1 if waits else None
    return Answer(line, story, because(line, story, NOW), place, missing(line, story.entry))


LEDGERS = st.lists(
    st.builds(
        row,
        st.sampled_from([Kind.PROMOTED, Kind.OFFERED, Kind.CONFIRMED, Kind.LEFT]),
        reason=st.none() | st.sampled_from(list(Reason)),
        by=st.just("anna"),
        why=st.just("Rampe"),
        seats=st.integers(1, 3),
    ),
    max_size=4,
)
LINES = st.builds(
    lambda policy, ends, **changes: replace(
        LINE, rules=LineRules("offer", policy, 3, ends), **changes
    ),
    policy=st.sampled_from(get_args(Policy)),
    ends=st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
    open=st.booleans(),
    paused=st.booleans(),
    free=st.integers(0, 4),
    passed_by=st.sampled_from([(), (8,), (8, 9), (8, 9, 10)]),
)
STORIES = st.builds(
    lambda state, seats, before, rows, pause, whole: Story(
        Entry(WHO, 7, seats, NOW, 7, state, whole=whole, until=NOW),
        before,
        2 * before,
        rows,
        Since(0, 0, 0, 0, 0),
        pause.record if pause else None,
    ),
    state=st.sampled_from(list(State)),
    seats=st.integers(1, 4),
    before=st.integers(0, 2),
    rows=LEDGERS,
    pause=st.none() | st.just(row(Kind.PAUSED, by="anna", why="Umbau")),
    whole=st.booleans(),
)


@given(line=LINES, story=STORIES, locale=st.sampled_from(LOCALES))
def test_every_case_has_a_title_and_a_sentence(line: Line, story: Story, locale: Locale) -> None:
    found = answer(line, story)
    title = said(locale, "{{ because.title(answer) }}", answer=found)
    sentence = said(locale, "{{ because.sentence(answer) }}", answer=found)
    assert title.endswith(".")
    assert sentence[-1:] in (".", "”", "“"), sentence
    assert "None" not in sentence
    assert "  " not in sentence
    # It says no other number of seats and of parties than the domain's own sentence.
    if found.because.waits_for in (WaitsFor.TURN, WaitsFor.SEATS):
        numbers = set(re.findall(r"\d+", sentence))
        known = {line.free, story.entry.seats, story.before, story.seats_before, 3}
        assert numbers <= {str(one) for one in {*known, len(line.passed_by)}}


@pytest.mark.parametrize(
    ("line", "before", "seats", "english", "german"),
    [
        (
            replace(LINE, free=0),
            4,
            1,
            "4 registrations wait before it (8 places).",
            "Vor ihr warten 4 Anmeldungen (8 Plätze).",
        ),
        (
            replace(LINE, free=1),
            1,
            1,
            "One place is free, and it would fit. One registration waits before it (2 places). "
            "The rule is strict: nobody is passed.",
            "Ein Platz ist frei und würde reichen. Vor ihr wartet eine Anmeldung (2 Plätze). "
            "Es geht streng der Reihe nach: Niemand wird übergangen.",
        ),
        (
            replace(LINE, rules=LineRules("offer", "fill", 2), passed_by=(8, 9)),
            1,
            1,
            "2 places are free, and it would fit. One registration waits before it (2 places). "
            "The first has been passed 2 times, and may not be passed again.",
            "2 Plätze sind frei und würden reichen. Vor ihr wartet eine Anmeldung (2 Plätze). "
            "Die erste wurde schon 2\u2011mal übergangen und darf es nicht noch einmal werden.",
        ),
        (
            replace(LINE, rules=LineRules("offer", "fill", 3), passed_by=(8,)),
            0,
            4,
            "It is first in line. 2 places are free, and its party needs 4. Smaller parties may "
            "pass it; one of 3 has.",
            "Sie ist die Nächste. 2 Plätze sind frei, ihre Gruppe braucht 4. Kleinere Gruppen "
            "dürfen vor; eine von höchstens 3 hat es getan.",
        ),
        (
            LINE,
            0,
            2,
            "It is first in line, enough is free for it, and it was not promoted: that is a "
            "mistake, which `einlass doctor --repair` mends.",
            "Sie steht an erster Stelle, für sie ist genug frei, und sie rückte nicht nach: "
            "Das ist ein Fehler, den `einlass doctor --repair` behebt.",
        ),
    ],
)
def test_who_waits_is_told_for_what(
    line: Line, before: int, seats: int, english: str, german: str
) -> None:
    story = Story(Entry(WHO, 7, seats, NOW, 7), before, 2 * before, (), Since(0, 0, 0, 0, 0))
    found = answer(line, story)
    assert said("en", "{{ because.sentence(answer) }}", answer=found) == english
    assert said("de", "{{ because.sentence(answer) }}", answer=found) == german


@pytest.mark.parametrize("locale", LOCALES)
def test_everything_that_can_happen_has_its_words(locale: Locale) -> None:
    found: dict[str, tuple[Kind, int]] = {}
    for kind in Kind:
        for seats in (1, 2):
            record = row(kind, number=seats, by="anna", why="Rampe", seats=seats).record
            words = said(locale, "{{ words.happened(record) }}", record=record)
            assert words.endswith((".", "!")), (kind, words)
            # No two kinds are told in the same words.
            assert found.setdefault(words, (kind, seats))[0] is kind, words
    reasons = {
        Kind.LEFT: (None, Reason.DECLINED, Reason.EXPIRED, Reason.LAPSED),
        Kind.PROMOTED: (
            Reason.FIRST_IN_LINE,
            Reason.FITS_BEFORE_HEAD,
            Reason.PART_OF_PARTY,
            Reason.BY_HAND,
        ),
        Kind.RETURNED: (Reason.DECLINED, Reason.EXPIRED, Reason.END_MOVED),
        Kind.RELEASED: (Reason.NOBODY_WAITS, Reason.ENDED),
    }
    for kind, several in reasons.items():
        told = {
            said(locale, "{{ words.happened(record) }}", record=row(kind, reason=why).record)
            for why in several
        }
        assert len(told) == len(several), kind


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (Since(0, 0, 0, 0, 0), "While it waited, no place became free for the line."),
        (
            Since(1, 0, 0, 0, 0),
            "While it waited, one place became free for the line. No other registration moved up.",
        ),
        (
            Since(5, 4, 3, 2, 1),
            "While it waited, 5 places became free for the line. 3 other registrations moved up "
            "with 4 places. 2 of them had joined later. One place went back to the public.",
        ),
    ],
)
def test_what_happened_meanwhile(since: Since, told: str) -> None:
    assert said("en", "{{ because.meanwhile(since) }}", since=since) == told


def test_what_was_typed_names_a_registration() -> None:
    whole = "01a21105-a9ae-7427-a895-4b2cf4a55d4c"
    assert short(WHO) == str(WHO)[-12:]
    assert named(f" {whole.upper()}\n") == whole
    assert named(f"https://a/registrations/{whole}/{'x' * 22}?new=1") == whole
    assert named("4B2CF4A55D4C") == "4b2cf4a55d4c"
    for nothing in ("", "4b2cf4a55d4", "4b2cf4a55d4cc", "Müller", whole[:-1], whole + "0"):
        assert named(nothing) is None
