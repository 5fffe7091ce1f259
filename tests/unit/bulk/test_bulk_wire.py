"""The SMTP exchange, reply by reply, over a transport that only remembers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from services.notifications.bulk.wire import (
    NO_UTF8,
    NOT_TRIED,
    TAKEN,
    Outcome,
    Ready,
    Refused,
    Unknown,
    Wire,
)

ADA = Ready(b"news@x", b"ada@y", b"Subject: a\r\n\r\nA\r\n")
EVE = Ready(b"news@x", b"eve@y", b"Subject: e\r\n\r\nE\r\n")
HEAD_ADA = b"MAIL FROM:<news@x>\r\nRCPT TO:<ada@y>\r\nDATA\r\n"
HEAD_EVE = HEAD_ADA.replace(b"ada", b"eve")
OK = b"250 OK\r\n"


class Line:
    """A transport."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.protocol: Any = None
        self.ended = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


async def told(
    mails: Sequence[Ready],
    *replies: bytes | Callable[[Wire], None],
    late: float = 60,
    **offers: bool,
) -> tuple[Wire, Line, list[Outcome]]:
    """What becomes of `mails` where the server says `replies`, one after the other."""
    line = Line()
    options = {"pipelining": True, "utf8": True, **offers}
    wire = Wire(cast(asyncio.Transport, line), timeout=60, **options)
    until = asyncio.get_running_loop().time() + late
    exchange = asyncio.create_task(wire.exchange(mails, until))
    await asyncio.sleep(0)
    for reply in replies:
        if callable(reply):
            reply(wire)
        else:
            wire.data_received(reply)
        await asyncio.sleep(0)
    return wire, line, await asyncio.wait_for(exchange, 5)


def lost(wire: Wire) -> None:
    wire.connection_lost(None)


async def test_the_next_envelope_goes_with_the_data() -> None:
    wire, line, outcomes = await told(
        [ADA, EVE], OK + OK + b"354 go\r\n", OK + OK + OK + b"354 go\r\n", OK
    )
    assert outcomes == [TAKEN, TAKEN]
    assert line.written == [
        HEAD_ADA,
        ADA.message + b".\r\n" + HEAD_EVE,
        EVE.message + b".\r\n",
    ]
    assert (wire.mails, wire.open) == (2, True)


async def test_replies_in_pieces_and_with_many_lines() -> None:
    said = b"250-one\r\n250-two\r\n250 three\r\n250 OK\r\n354 go\r\n250 2.0.0 queued\r\n"
    _, _, outcomes = await told([ADA], *(bytes([octet]) for octet in said))
    assert outcomes == [TAKEN]


async def test_without_pipelining_one_by_one() -> None:
    _, line, outcomes = await told(
        [ADA, EVE], OK, b"550 no\r\n", OK, OK, OK, b"354 go\r\n", OK, pipelining=False
    )
    assert outcomes == [Refused(550, "RCPT: no"), TAKEN]
    assert line.written == [
        b"MAIL FROM:<news@x>\r\n",
        b"RCPT TO:<ada@y>\r\n",
        b"RSET\r\n",
        b"MAIL FROM:<news@x>\r\n",
        b"RCPT TO:<eve@y>\r\n",
        b"DATA\r\n",
        EVE.message + b".\r\n",
    ]


async def test_a_recipient_refused_in_a_pipeline() -> None:
    _, line, outcomes = await told(
        [ADA, EVE],
        OK + b"550 5.1.1 <ada@y> unknown\r\n554 no valid recipients\r\n",
        OK,
        OK + OK + b"354 go\r\n",
        OK,
    )
    assert outcomes == [Refused(550, "RCPT: 5.1.1 <address> unknown"), TAKEN]
    assert line.written == [HEAD_ADA, b"RSET\r\n", HEAD_EVE, EVE.message + b".\r\n"]


async def test_a_server_that_wants_data_for_nobody_gets_an_empty_mail() -> None:
    _, line, outcomes = await told(
        [ADA, EVE],
        OK + b"450 later\r\n354 go\r\n",
        b"554 nobody\r\n",
        OK + OK + b"354 go\r\n",
        OK,
    )
    assert outcomes == [Refused(450, "RCPT: later"), TAKEN]
    assert line.written == [HEAD_ADA, b".\r\n", HEAD_EVE, EVE.message + b".\r\n"]


async def test_data_refused_and_the_next_mail_goes_on() -> None:
    _, _, outcomes = await told(
        [ADA, EVE], OK + OK + b"354 go\r\n", b"554 spam\r\n" + OK + OK + b"354 go\r\n", OK
    )
    assert outcomes == [Refused(554, "data: spam"), TAKEN]


@pytest.mark.parametrize(
    ("replies", "first"),
    [
        ((), NOT_TRIED),
        ((OK + OK,), NOT_TRIED),
        ((OK + OK + b"354 go\r\n",), Unknown("connection lost")),
        ((OK + b"550 no\r\n354 go\r\n",), Refused(550, "RCPT: no")),
    ],
)
async def test_a_lost_connection(replies: tuple[bytes, ...], first: Outcome) -> None:
    wire, _, outcomes = await told([ADA, EVE], *replies, lost)
    assert outcomes == [first, NOT_TRIED]
    assert not wire.open


@pytest.mark.parametrize("reply", [b"421 closing\r\n", b"451 busy\r\n", b"550 sender\r\n"])
async def test_no_to_the_sender_is_nobodys(reply: bytes) -> None:
    wire, _, outcomes = await told([ADA, EVE], reply)
    assert outcomes == [NOT_TRIED, NOT_TRIED]
    assert not wire.open
    assert wire.trouble is not None


async def test_421_to_the_data_is_not_taken() -> None:
    wire, _, outcomes = await told([ADA, EVE], OK + OK + b"354 go\r\n", b"421 closing\r\n")
    assert outcomes == [Refused(421, "data: closing"), NOT_TRIED]
    assert not wire.open


@pytest.mark.parametrize("reply", [b"nonsense\r\n", b"999 what\r\n", b"x" * 70_000])
async def test_what_is_no_reply_ends_the_connection(reply: bytes) -> None:
    wire, _, outcomes = await told([ADA], OK + OK + b"354 go\r\n", reply)
    assert isinstance(outcomes[0], Unknown)
    assert not wire.open


async def test_too_late_to_begin_the_data() -> None:
    wire, line, outcomes = await told([ADA], late=-1)
    assert outcomes == [NOT_TRIED]
    assert line.written == []
    assert wire.open


async def test_addresses_beyond_ascii() -> None:
    mail = Ready(b"news@x", "ädä@y".encode(), b"A\r\n", utf8=True)
    _, line, outcomes = await told([mail], OK + OK + b"354 go\r\n", OK)
    assert outcomes == [TAKEN]
    assert line.written[0].startswith(b"MAIL FROM:<news@x> SMTPUTF8\r\n")
    _, line, outcomes = await told([mail, ADA], OK + OK + b"354 go\r\n", OK, utf8=False)
    assert outcomes == [NO_UTF8, TAKEN]


async def test_a_server_that_speaks_unasked_is_left() -> None:
    wire, _, _ = await told([ADA], OK + OK + b"354 go\r\n", OK)
    wire.data_received(b"421 idle\r\n")
    assert not wire.open
    assert await wire.exchange([EVE], 1e9) == [NOT_TRIED]


async def test_silence_ends_the_connection() -> None:
    line = Line()
    wire = Wire(cast(asyncio.Transport, line), pipelining=True, utf8=True, timeout=0.05)
    outcomes = await asyncio.wait_for(wire.exchange([ADA], 1e9), 5)
    assert outcomes == [NOT_TRIED]
    assert line.ended


async def test_cancelled_in_the_middle_drops_the_connection() -> None:
    line = Line()
    wire = Wire(cast(asyncio.Transport, line), pipelining=True, utf8=True, timeout=60)
    task = asyncio.create_task(wire.exchange([ADA], 1e9))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert line.ended
