"""Addresses, links, pauses and wordings: what holds without a database."""

import email as parser
import email.policy
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from services.contracts.envelope import Locale
from services.kit.errors import Invalid
from services.kit.ratelimit import network_of
from services.notifications.subscribers.domain import address, rules
from services.notifications.subscribers.domain.model import Reason, Request, Source
from services.notifications.subscribers.domain.wording import WORDING_VERSION, known, wording
from services.notifications.subscribers.links import Links

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
LINKS = Links(bytes(32), "https://einlass.example.org")
REASONS: tuple[Reason, ...] = ("left", "bounced", "operator", "complained")

BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028", "%0d%0a", "\t", " "]
TAILS = ["Bcc: victim@example.org", "\r\nSubject: x", ",victim@example.org", ">", "<v@example.org>"]


@st.composite
def bad_addresses(draw: st.DrawFn) -> str:
    """An address with something in it that might become a header of its own, or another
    recipient."""
    local = draw(st.sampled_from(["ada", "a.b", "ä", '"a b"', ""]))
    domain = draw(st.sampled_from(["example.org", "bücher.example.org", "[127.0.0.1]", ""]))
    cut = draw(st.sampled_from(BREAKS))
    tail = draw(st.sampled_from(TAILS))
    whole = f"{local}@{domain}"
    at = draw(st.integers(0, len(whole)))
    return whole[:at] + cut + tail + whole[at:]


@given(st.one_of(bad_addresses(), st.text(max_size=60), st.emails()))
@example("ada@example.org\r\nBcc: victim@example.org")
@example("ada@example.org\n")
@example("=?utf-8?q?ada=0D=0ABcc=3A_v?=@example.org")
def test_an_address_is_one_recipient_and_no_header_more(text: str) -> None:
    found = address.look(text)
    if found is None:
        with pytest.raises(Invalid):
            address.read(text)
        return
    for said in (found.email, found.key):
        assert said.isprintable()
        assert not set(said) & set(' \t\r\n,;<>"()')
        assert said.count("@") == 1
    head = f"To: {found.email}\r\nSubject: x\r\n\r\nbody"
    mail = parser.message_from_string(head, policy=email.policy.default)
    assert [name for name, _ in mail.items()] == ["To", "Subject"]
    assert len(mail["To"].addresses) <= 1


@given(st.one_of(bad_addresses(), st.emails(), st.emails().map(lambda one: f"  {one}\n")))
@example("a" * 64 + "@example.org")
@example("a" * 65 + "@example.org")
@example("a@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 60 + ".org")
@example("ada@bücher.example.org")
@example("ada@localhost")
@example("@example.org")
def test_the_short_way_says_what_the_library_says(text: str) -> None:
    try:
        said = validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        said = None
    found = address.look(text)
    assert (found.email if found is not None else None) == (None if "=?" in text else said)


@pytest.mark.parametrize(
    "spellings",
    [
        ["ada@example.org", " ADA@Example.ORG ", "Ada@EXAMPLE.org\n"],
        ["ada@bücher.example.org", "ada@xn--bcher-kva.example.org", "ADA@BÜCHER.example.org"],
    ],
)
def test_one_address_in_many_spellings(spellings: list[str]) -> None:
    assert len({address.read(text).digest for text in spellings}) == 1


def test_what_is_wrong_with_an_address() -> None:
    for text, code in (("  ", "missing"), ("ada", "not_an_address"), ("a@b", "not_an_address")):
        with pytest.raises(Invalid) as told:
            address.read(text)
        [error] = told.value.errors
        assert (error.pointer, error.code) == ("#/email", code)


@given(st.uuids(), st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_a_link_is_for_one_purpose_one_person_and_one_number(
    who: UUID, number: int, other: int
) -> None:
    own = LINKS.own(who, number).rsplit("/", 1)[1]
    confirm = LINKS.confirm(who, number).rsplit("/", 1)[1]
    assert len(own) == len(confirm) == 22
    assert LINKS.check_own(own, who, number)
    assert LINKS.check_confirm(confirm, who, number)
    assert not LINKS.check_own(confirm, who, number)
    assert not LINKS.check_confirm(own, who, number)
    assert LINKS.check_own(own, who, other) == (number == other)
    assert not LINKS.check_own(own, uuid4(), number)
    assert not Links(b"1" * 32, "").check_own(own, who, number)


@given(st.text())
def test_no_other_token_fits(token: str) -> None:
    who = UUID(int=7)
    right = LINKS.own(who, 1).rsplit("/", 1)[1]
    assert LINKS.check_own(token, who, 1) == (token == right)


def test_where_links_lead() -> None:
    who = UUID("01970000-0000-7000-8000-000000000001")
    own = LINKS.own(who, 1)
    assert own.startswith(f"https://einlass.example.org/newsletter/s/{who}/")
    assert LINKS.unsubscribe(who, 1) == f"{own}/unsubscribe"
    start = f"https://einlass.example.org/newsletter/confirm/{who}/3/"
    assert LINKS.confirm(who, 3).startswith(start)


def request(email: str, source: Source = "form", who: UUID | None = None) -> Request:
    return Request(address.read(email), "de", source, WORDING_VERSION, NOW, who)


def test_the_first_of_each_address_and_the_last_of_each_person() -> None:
    ada, eva = uuid4(), uuid4()
    asked = [
        request("a@example.org"),
        request("A@example.org", "api"),
        request("x@example.org", "own_page", ada),
        request("b@example.org"),
        request("y@example.org", "own_page", ada),
        request("z@example.org", "own_page", eva),
    ]
    found = rules.first_of_each(asked)
    assert found == [asked[0], asked[3], asked[4], asked[5]]


@pytest.mark.parametrize(
    ("now", "wish", "until"),
    [
        (NOW, "3", date(2027, 2, 2)),
        (NOW, "6", date(2027, 5, 2)),
        (datetime(2026, 11, 30, 12, tzinfo=UTC), "3", date(2027, 2, 28)),
        (datetime(2027, 11, 30, 12, tzinfo=UTC), "3", date(2028, 2, 29)),
        (datetime(2026, 9, 30, 12, tzinfo=UTC), "3", date(2026, 12, 30)),
        # In Berlin the next day has begun already.
        (datetime(2026, 10, 31, 23, 30, tzinfo=UTC), "3", date(2027, 2, 1)),
    ],
)
def test_a_pause_of_months(now: datetime, wish: str, until: date) -> None:
    found = rules.pause_until(wish, "", now, BERLIN)
    assert found.date() == until
    assert (found.hour, found.minute, found.tzinfo) == (0, 0, BERLIN)


def test_a_pause_until_a_day() -> None:
    assert rules.pause_until("day", "2026-11-03", NOW, BERLIN) == datetime(
        2026, 11, 2, 23, tzinfo=UTC
    )
    for day, code in (
        ("2026-11-02", "past"),
        ("1999-01-01", "past"),
        ("2028-01-01", "too_far"),
        ("tomorrow", "not_a_date"),
        ("", "not_a_date"),
    ):
        with pytest.raises(Invalid) as told:
            rules.pause_until("day", day, NOW, BERLIN)
        assert told.value.errors[0].code == code


@given(st.sampled_from(["3", "6", "9", "", "day"]), st.text(max_size=12))
def test_a_pause_ends_within_a_year_or_is_refused(wish: str, day: str) -> None:
    try:
        until = rules.pause_until(wish, day, NOW, BERLIN)
    except Invalid:
        return
    assert NOW < until <= NOW + rules.LONGEST_PAUSE + timedelta(days=1)


def test_reasons_have_an_order() -> None:
    for place, reason in enumerate(REASONS):
        for other_place, other in enumerate(REASONS):
            assert rules.outweighs(reason, other) == (place > other_place)
    assert rules.status_after("left") == "left"
    assert {rules.status_after(reason) for reason in REASONS[1:]} == {"suppressed"}


@pytest.mark.parametrize("locale", ["de", "en"])
def test_wordings_name_who_sends(locale: Locale) -> None:
    said = wording(known("something else"), locale, "Stiftung")
    assert "Stiftung" in said
    assert "{" not in said


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("testclient", "unknown"),
    ],
)
def test_networks(client: str, network: str) -> None:
    assert network_of(client) == network
