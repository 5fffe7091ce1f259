"""Pauses, weights and rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.bulk.domain import backoff
from services.notifications.bulk.domain.backoff import DomainPeace
from services.notifications.bulk.role import read_rates
from services.notifications.bulk.servers import read_urls


@given(attempts=st.integers(1, 100), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_limit(attempts: int, chance: float) -> None:
    pause = backoff.pause(attempts, chance)
    spread = 1 + backoff.JITTER
    assert backoff.FIRST_PAUSE * (2 - spread) <= pause <= backoff.LONGEST_PAUSE * spread
    assert backoff.pause(attempts + 1, 0.5) >= backoff.pause(attempts, 0.5)


def test_what_is_given_up() -> None:
    assert backoff.for_good(550, 1)
    assert backoff.for_good(None, 1)
    assert not backoff.for_good(451, backoff.MOST_ATTEMPTS - 1)
    assert backoff.for_good(451, backoff.MOST_ATTEMPTS)


def test_a_domain_is_left_in_peace_longer_each_time() -> None:
    peace = DomainPeace()
    for _ in range(backoff.PATIENCE - 1):
        peace.refused(100.0)
    assert peace.until == 0
    peace.refused(100.0)
    first = peace.until - 100
    assert first == backoff.FIRST_DOMAIN_PAUSE.total_seconds()
    peace.refused(100.5)  # on the line with the others
    assert peace.until == 100 + first
    peace.refused(200.0)
    assert peace.until - 200 == 2 * first
    peace.took()
    assert (peace.refusals, peace.until) == (0, 0)


def test_servers_and_weights() -> None:
    found = read_urls("smtp://a.test 3, smtps://ada:p%40ss@b.test:466")
    assert [(s.host, s.port, s.security, weight) for s, weight in found] == [
        ("a.test", 25, "plain", 3.0),
        ("b.test", 466, "tls", 1.0),
    ]
    for wrong in ("", "http://a.test", "smtp://a.test x", "smtp://a.test 0", "smtp://a -1"):
        with pytest.raises(ValueError, match=r"server|SMTP") as raised:
            read_urls(wrong)
        assert "a.test" not in str(raised.value)


def test_rates_of_domains() -> None:
    assert read_rates(" GMail.com = 20, gmx.de=0.5 ") == {"gmail.com": 20.0, "gmx.de": 0.5}
    assert read_rates("") == {}
    for wrong in ("gmail.com", "gmail.com=x", "gmail.com=0", "gmail.com=inf"):
        with pytest.raises(ValueError, match="rate"):
            read_rates(wrong)
