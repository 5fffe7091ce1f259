"""Reports of bounces and complaints, as servers send them."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.bulk.domain.bounces import Report, classify, read, refused

PATH: Final = "bounces+n.7.12.1.abcdefgh@einlass.test"
DSN: Final = """\
From: MAILER-DAEMON@mx.test (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
Arrival-Date: Mon, 1 Mar 2027 10:00:00 +0100

Final-Recipient: rfc822; ada@people.test
Action: {action}
Status: {status}
Remote-MTA: dns; mx.people.test
Diagnostic-Code: smtp; {diagnosis}

--b
Content-Type: message/rfc822

Return-Path: <{inner}>
From: news@einlass.test
Subject: mitarbeiten

Hello
--b--
"""
ARF: Final = """\
From: <abusedesk@isp.test>
To: <fbl@einlass.test>
Subject: FW: mitarbeiten
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{path}>

--b
Content-Type: message/rfc822

From: news@einlass.test
Subject: mitarbeiten

Hello
--b--
"""


def dsn(**more: str) -> bytes:
    parts = {
        "to": PATH,
        "action": "failed",
        "status": "5.1.1",
        "diagnosis": "550 5.1.1 no such user",
        "inner": "news@einlass.test",
    }
    return DSN.format(**{**parts, **more}).encode()


def test_a_hard_bounce() -> None:
    report = read(dsn())
    assert report is not None
    assert (report.kind, report.status) == ("hard", "5.1.1")
    assert report.paths[0] == PATH


@pytest.mark.parametrize(
    ("status", "diagnosis", "kind"),
    [
        ("5.1.1", "550 unknown", "hard"),
        ("5.1.10", "550 null mx", "hard"),
        ("5.2.1", "550 disabled", "hard"),
        ("5.2.2", "552 mailbox full", "soft"),
        ("5.7.1", "554 blocked", "soft"),
        ("4.4.7", "expired", "soft"),
        ("5.0.0", "550 5.1.1 unknown user", "hard"),
        ("5.0.0", "554 5.7.1 spam", "soft"),
        ("5.0.0", "no", "soft"),
    ],
)
def test_what_is_hard(status: str, diagnosis: str, kind: str) -> None:
    report = read(dsn(status=status, diagnosis=diagnosis))
    assert report is not None
    assert report.kind == kind


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", ""])
def test_what_is_no_failure(action: str) -> None:
    assert read(dsn(action=action)) is None


def test_the_path_in_what_was_returned() -> None:
    report = read(dsn(to="postmaster@einlass.test", inner=PATH))
    assert report is not None
    assert PATH in report.paths


def test_a_complaint() -> None:
    report = read(ARF.format(kind="abuse", path=PATH).encode())
    assert report == Report("complaint", ("fbl@einlass.test", PATH))
    assert read(ARF.format(kind="not-spam", path=PATH).encode()) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: Out of office\r\n\r\nI am away.",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b--",
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed",
    ],
)
def test_what_is_no_report(raw: bytes) -> None:
    found = read(raw)
    assert found is None or not found.paths


@given(raw=st.binary(max_size=400))
def test_nothing_raises(raw: bytes) -> None:
    read(raw)
    read(dsn().replace(b"Hello", raw))
    read(b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n" + raw)


def test_classes() -> None:
    assert classify(None) == "soft"
    assert classify("5.1.1") == "hard"
    assert classify("5.1.100") == "soft"


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (550, "RCPT: 5.1.1 <address>: no such user", "5.1.1"),
        (550, "RCPT: 5.1.10 null MX", "5.1.10"),
        (553, "RCPT: 5.1.3", "5.1.3"),
        (550, "RCPT: 5.1.0 sender denied", None),
        (550, "RCPT: 5.1.8 bad sender", None),
        (550, "RCPT: 5.1.11 x", None),
        (550, "RCPT: 5.1.1.1 is no host of ours", None),
        (550, "RCPT: 5.2.1 too fast", None),
        (550, "RCPT: 5.7.1 said 5.1.1", None),
        (550, "data: 5.1.1 spam", None),
        (450, "RCPT: 5.1.1 later", None),
        (None, "RCPT: 5.1.1", None),
        (550, "RCPT: no such user", None),
    ],
)
def test_what_is_refused_for_good(code: int | None, reason: str, status: str | None) -> None:
    assert refused(code, reason) == status
