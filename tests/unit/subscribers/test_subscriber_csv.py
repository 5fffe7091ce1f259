"""CSV files of subscribers: what is read, and that no cell is a formula."""

import contextlib
import csv
import io
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.subscribers.domain import files
from services.notifications.subscribers.domain.address import look
from services.notifications.subscribers.domain.errors import NotACsvFile
from services.notifications.subscribers.domain.files import Line, Skipped
from services.notifications.subscribers.domain.model import Status, Subscriber

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def subscriber(email: str, status: Status = "active") -> Subscriber:
    address = look(email)
    assert address is not None
    ended = AT if status in ("left", "suppressed") else None
    paused = AT if status == "paused" else None
    return Subscriber(
        id=uuid4(),
        email=address.email,
        locale="en",
        status=status,
        generation=1,
        version=0,
        source="form",
        created_at=AT,
        confirmed_at=AT,
        paused_until=paused,
        ended_at=ended,
        digest=address.digest,
    )


@given(st.tuples(st.sampled_from(["", "=", "+", "-", "@", "\t", "\r"]), st.text()).map("".join))
def test_no_cell_is_a_formula(cell: str) -> None:
    text = files.written([[cell, "x"]])
    [row] = csv.reader(io.StringIO(text, newline=""))
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row[0] in (cell, f"'{cell}")


@pytest.mark.parametrize("local", ["+ada", "-ada", "=ada", "ada", "'ada"])
@pytest.mark.parametrize("status", ["active", "paused", "left", "suppressed"])
def test_what_is_written_is_read_again(local: str, status: Status) -> None:
    one = subscriber(f"{local}@example.org", status)
    text = files.heading() + files.lines([(one, "bounced" if status == "suppressed" else None)])
    [found] = files.read(text, "de")
    assert isinstance(found, Line)
    assert found.address.email == one.email
    assert (found.wish, found.locale) == (status, "en")
    if status == "active":
        assert found.confirmed_at == AT
    if status == "suppressed":
        assert found.reason == "bounced"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("nobody,active,", "invalid"),
        ("a\0b@example.org,active,", "invalid"),
        ("ada@example.org,strange,", "unreadable"),
        ("ada@example.org,active,yesterday", "unreadable"),
        ("ada@example.org,paused,2026-01-01", "unreadable"),
        ("ada@example.org,asked,", "not_confirmed"),
        ("ada@example.org,disabled,", "disabled"),
        ('"ada@example.org\r\nBcc: x@example.org",active,', "invalid"),
    ],
)
def test_lines_that_are_not_taken(row: str, why: str) -> None:
    [found] = files.read(f"email,status,confirmed_at\n{row}\n", "de")
    assert isinstance(found, Skipped)
    assert found.why == why


def test_headings_and_separators() -> None:
    for text in (
        "\ufeffEmail;Name\nada@example.org;Ada\n",
        "name,E-Mail,EMAIL\nAda,x,ada@example.org\n",
        "email\r\n\r\nada@example.org\r\n\r\n",
        "email,locale\nada@example.org\n",
    ):
        [found] = files.read(text, "de")
        assert isinstance(found, Line)
        assert (found.address.email, found.locale, found.wish) == (
            "ada@example.org",
            "de",
            "active",
        )


@pytest.mark.parametrize(
    ("attributes", "locale"),
    [
        ('{"lang": "en"}', "en"),
        ('{"language": "en-GB"}', "en"),
        ('{"locale": "fr"}', "de"),
        ("{}", "de"),
        ("[1]", "de"),
        ("no json", "de"),
        ('{"lang": 7}', "de"),
    ],
)
def test_the_language_in_listmonk_s_attributes(attributes: str, locale: str) -> None:
    cell = attributes.replace('"', '""')
    text = f'uuid,email,attributes,status,created_at\n1,ada@example.org,"{cell}",enabled,\n'
    [found] = files.read(text, "de")
    assert isinstance(found, Line)
    assert found.locale == locale


@pytest.mark.parametrize("text", ["", "\n", "name\nada", '"'])
def test_what_is_no_such_file(text: str) -> None:
    with pytest.raises(NotACsvFile):
        list(files.read(text, "de"))


@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotACsvFile):
        list(files.read(f"email,status,attributes,confirmed_at\n{text}", "de"))
