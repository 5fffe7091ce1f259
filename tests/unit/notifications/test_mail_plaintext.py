"""The plain-text part is as well set as the other."""

from hypothesis import given
from hypothesis import strategies as st

from services.notifications.plaintext import WIDTH, columns, fact_lines, wrap


def test_a_fact_hangs_in_its_column() -> None:
    said = fact_lines("Wo", ["Rathaus", "Münster"], ["Wo", "Kontakt"])
    assert said == "Wo:       Rathaus\n          Münster"


def test_a_long_fact_wraps_in_its_column() -> None:
    said = fact_lines("Wo", ["Wort " * 30], ["Wo", "Kontakt"])
    assert all(line.startswith(("Wo:       W", "          W")) for line in said.splitlines())
    assert all(len(line) <= WIDTH for line in said.splitlines())


def test_paragraphs_wrap_and_addresses_do_not() -> None:
    link = "https://einlass.test/" + "x" * 100
    said = wrap(f"\n\n{'Wort ' * 40}\n\n\n\n{link}\n-- \nStiftung")
    assert link in said.splitlines()
    assert "\n-- \n" in said
    assert "\n\n\n" not in said
    assert said.startswith("Wort Wort")


def test_wide_and_combining_characters_count_as_they_show() -> None:
    assert columns("漢字") == 4
    assert columns("u\u0308") == 1


@given(st.text(st.sampled_from("aü -\n"), max_size=300))
def test_no_word_is_lost(text: str) -> None:
    assert wrap(text).split() == text.split()
