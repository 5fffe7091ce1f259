"""Text that PostgreSQL keeps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.text import can_be_kept

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(characters),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(characters), inner),
    max_leaves=10,
)


@given(json_data)
def test_what_is_utf_8_without_nul_can_be_kept(value: object) -> None:
    assert can_be_kept(value)
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("bad", ["\0", "a\0b", "\ud800", "x\udfff"])
def test_what_is_not_cannot_wherever_it_stands(bad: str) -> None:
    for value in (bad, [bad], {"a": bad}, {bad: 1}, {"a": [{"b": [1, {"c": bad}]}]}):
        assert not can_be_kept(value)


def test_data_as_deep_as_a_request_can_send_it_is_looked_through() -> None:
    deep: object = "\0"
    for _ in range(60_000):
        deep = [deep]
    assert not can_be_kept(deep)
