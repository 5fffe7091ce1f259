"""What goes out: the mail's two parts and the page."""

import pytest

from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK
from services.notifications.newsletter.domain.issue import Words
from services.notifications.newsletter.domain.source import Article, read
from services.notifications.newsletter.rendering import Press, letters, without_person
from tests.unit.newsletter.samples import EVENTS, GERMAN, SITE, WORDS, issue, scene, settings

PRESS = Press(settings())


@pytest.mark.parametrize("locale", ["de", "en"])
def test_all_three_say_the_same(locale: str) -> None:
    made = PRESS.every(issue(), scene())[locale]  # type: ignore[index]
    for part in (made.html, made.text, made.web):
        for said in ("Ein Garten für alle", "samstags", "Zum Garten", "Obstbäume schneiden"):
            assert said in part
        assert "Dritte" not in part  # two were asked for
        assert "https://www.example.com/garten" in part
    for part in (made.html, made.text):
        assert OWN_LINK in part
        assert UNSUBSCRIBE_LINK in part
        assert f"{SITE}/newsletter/2027/1" in part
    assert "Bienen <und> Blumen" in made.text
    assert "Bienen &lt;und&gt; Blumen" in made.web
    assert "Bienen &lt;und&gt; Blumen" in made.html
    assert "Stadt &amp; Land" in made.html
    assert "@@" not in made.html


def test_the_same_every_time() -> None:
    assert Press(settings()).every(issue(), scene()) == PRESS.every(issue(), scene())


def test_lights_stand_with_their_words() -> None:
    made = PRESS.every(issue(), scene())["de"]
    assert f'src="{SITE}/newsletter/lights/green.png"' in made.html
    assert "Genügend Plätze" in made.html
    assert "Ausgebucht, Warteliste offen" in made.text
    assert 'src="/newsletter/lights/red.png"' in made.web
    assert "Stand: Dienstag, 2. März 2027, 10:00 Uhr." in made.text


def test_pictures_are_ours_and_have_their_words() -> None:
    made = PRESS.every(issue(), scene())["de"]
    assert 'alt="Zwei Frauen pflanzen einen Apfelbaum"' in made.html
    assert f'src="{SITE}/newsletter/pictures/0123456789abcdef0123.jpg"' in made.html
    assert made.html.count("<img") == 3


def test_a_picture_that_is_missing_is_left_out() -> None:
    words = Words("T", "T", "", GERMAN.replace("garten.jpg", "anderes.jpg"))
    assert "anderes" not in PRESS.one(words, "de", scene()).html


def test_without_events_their_block_stays_out() -> None:
    made = PRESS.every(issue(), scene(()))["de"]
    for part in (made.html, made.text, made.web):
        assert "Was als Nächstes kommt" not in part


def test_an_away_programme_is_told() -> None:
    made = PRESS.every(issue(), scene(None))["de"]
    for part in (made.html, made.text, made.web):
        assert "Das Programm antwortet gerade nicht." in part


def test_the_light_of_an_event_without_one() -> None:
    assert (
        "Die Anmeldung ist noch nicht offen" in PRESS.every(issue(), scene(EVENTS[2:]))["de"].text
    )


def test_titles_are_one_line_and_escaped() -> None:
    words = Words("Ein\nTitel <b>", "Be\r\ntreff", "Vor & schau", "::: article A <i>\nx\n:::")
    made = PRESS.one(words, "de", scene())
    assert (made.title, made.subject) == ("Ein Titel <b>", "Be treff")
    assert "Ein Titel &lt;b&gt;" in made.html
    assert "A &lt;i&gt;" in made.html
    assert "A &lt;i&gt;" in made.web


def test_what_looks_like_a_template_is_text() -> None:
    words = Words(
        "{{ 7 * 7 }}", "{% x %}", "", "::: lead\n{{ organisation }} </mj-text> @@0@@\n:::"
    )
    made = PRESS.one(words, "de", scene())
    assert made.title == "{{ 7 * 7 }}"
    assert "{{ organisation }} &lt;/mj-text&gt; @@0@@" in made.html


def test_lines_of_the_plain_text_fit() -> None:
    text = PRESS.every(issue(), scene())["de"].text
    assert all(len(line) <= 72 or "://" in line or "@" in line for line in text.splitlines())
    assert "\n-- \n" in text


def test_letters_and_what_goes_to_nobody_in_particular() -> None:
    made = PRESS.every(issue(), scene())
    letter = letters(made)["de"]
    assert (letter.subject, letter.html) == (WORDS.subject, made["de"].html)
    trial = without_person(letter.html, SITE)
    assert "link.invalid" not in trial
    assert f'href="{SITE}/newsletter"' in trial


def test_an_article_without_extras() -> None:
    (block,) = read("::: article Nur ein Titel\nText\n:::").blocks
    assert isinstance(block, Article)
    made = PRESS.one(Words("T", "T", "", "::: article Nur ein Titel\nText\n:::"), "de", scene())
    assert "Weiterlesen" not in made.html
