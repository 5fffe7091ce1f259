"""A plain loop over aiosmtplib, to set beside newsletters: what most programs do.

``python -m benchmarks.newsletter_process built|prepared <port> <mails>`` answers with one line of
JSON: seconds, and processor seconds of its own. `built`: an EmailMessage for each recipient.
`prepared`: the octets that newsletters are made of, filled in for each recipient.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final
from uuid import uuid4

import aiosmtplib
import uvloop

from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.bulk.prepared import Prepared, Recipient, Sending
from services.notifications.mailer import Identity
from services.notifications.mime import Mailbox
from services.notifications.subscribers.links import Links

CONNECTIONS: Final = 20
_WORDS: Final = "Ein Rundbrief über Beteiligung, Ehrenamt und was in der Nachbarschaft geschieht. "
# Ten kilobytes as a mail.
LETTER: Final = Letter(
    subject="mitarbeiten 1/2027",
    html=f"<html><body>{''.join(f'<p>{_WORDS}</p>' for _ in range(70))}"
    f'<a href="{OWN_LINK}">Ihre Seite</a> <a href="{UNSUBSCRIBE_LINK}">Abmelden</a></body></html>',
    text=f"{_WORDS}\n" * 28 + f"{OWN_LINK}\n{UNSUBSCRIBE_LINK}\n",
)
IDENTITY: Final = Identity(
    "Stiftung", Mailbox("Stiftung", "news@einlass.test"), None, "einlass.test", "#1f5a96"
)
LINKS: Final = Links(bytes(32), "https://einlass.test")


def address(number: int) -> str:
    """A recipient's."""
    return f"person{number}@people.test"


def build(number: int) -> bytes:
    """A mail by the standard library, from its parts."""
    who = uuid4()
    own, leave = LINKS.own(who, 1), LINKS.unsubscribe(who, 1)
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = "Stiftung <news@einlass.test>", address(number)
    mail["Subject"], mail["Message-ID"] = LETTER.subject, f"<{who}@einlass.test>"
    mail["List-Unsubscribe"] = f"<{leave}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"

    def linked(text: str) -> str:
        return text.replace(OWN_LINK, own).replace(UNSUBSCRIBE_LINK, leave)

    mail.set_content(linked(LETTER.text))
    mail.add_alternative(linked(LETTER.html), subtype="html")
    return mail.as_bytes()


def prepare() -> Callable[[int], bytes]:
    """What fills one mail in."""
    prepared = Prepared(LETTER, "de", Sending(uuid4(), 1, IDENTITY, LINKS))

    def fill(number: int) -> bytes:
        to = Recipient(number, uuid4(), address(number), 1)
        return prepared.compose(to, datetime.now(UTC)).message

    return fill


async def _send(port: int, numbers: Iterator[int], make: Callable[[int], bytes]) -> None:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    for number in numbers:
        await client.sendmail("news@einlass.test", [address(number)], make(number))
    await client.quit()


async def _main(what: str, port: int, mails: int) -> None:
    make = {"built": lambda: build, "prepared": prepare}[what]()
    numbers = iter(range(mails))
    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_send(port, numbers, make) for _ in range(CONNECTIONS)))
    print(
        json.dumps(
            {"seconds": time.perf_counter() - began, "processor": time.process_time() - used}
        )
    )


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
