"""Secret links."""

import base64
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from services.kit import tokens
from services.kit.ids import uuid7
from services.kit.tokens import TokenBox

BOX = TokenBox(bytes(32))


@given(st.uuids())
def test_a_token_is_known_by_its_digest_and_opened_again(owner: UUID) -> None:
    token = BOX.issue(owner)
    assert len(token.clear) == 22
    assert (len(token.digest), len(token.sealed)) == (32, 44)
    assert tokens.matches(token.clear, token.digest)
    assert BOX.open(token.sealed, owner) == token.clear
    assert token.clear.encode() not in token.sealed


def test_no_two_are_alike() -> None:
    issued = [BOX.issue(uuid7()) for _ in range(200)]
    assert len({t.clear for t in issued}) == 200
    assert len({t.sealed[:12] for t in issued}) == 200


def test_another_row_or_another_key_does_not_open_it() -> None:
    owner = uuid7()
    token = BOX.issue(owner)
    with pytest.raises(InvalidTag):
        BOX.open(token.sealed, uuid7())
    with pytest.raises(InvalidTag):
        TokenBox(bytes([1] * 32)).open(token.sealed, owner)
    with pytest.raises(InvalidTag):
        BOX.open(token.sealed[:-1] + bytes([token.sealed[-1] ^ 1]), owner)


def test_another_token_does_not_match() -> None:
    one, other = BOX.issue(uuid7()), BOX.issue(uuid7())
    assert not tokens.matches(one.clear, other.digest)


@given(st.text() | st.sampled_from(["", "A" * 21, "A" * 23, "Ä" * 22, "\0", "====", "A" * 10_000]))
def test_what_is_no_token_has_no_digest_and_raises_nothing(text: str) -> None:
    found = tokens.digest(text)
    if found is not None:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        assert len(raw) == 16
    assert not tokens.matches(text, bytes(32))
