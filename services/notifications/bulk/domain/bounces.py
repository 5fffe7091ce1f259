"""What a mail that came back says: delivery reports (RFC 3464) and complaints (RFC 5965).

Invariants:
- Pure, and never raises: whatever was sent to us is either understood or None.
- A report counts only with a return path that this installation made (verp.py), so that nobody
  can write one about somebody else. Where that stands is all that is believed of a mail.
- Only what says that the address itself is no good is hard; a full mailbox, a policy or a server
  in trouble is soft.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import compat32
from typing import Any, Final, TypeAlias

from services.notifications.bulk.domain.progress import Bounce

SOFT_LIMIT: Final = 3
"""So many soft bounces within `SOFT_WITHIN` are taken for a hard one."""
SOFT_WITHIN: Final = timedelta(days=400)
"""A year and some days, since a newsletter may come only each quarter."""

_HARD: Final = re.compile(r"5\.1\.(0|1|2|3|6|10)|5\.2\.1")
# 5.1.0 is not among them: it is said of senders as well, and a mistake of ours must not suppress
# everybody. Nor 5.2.1, which large hosts also say to who sends too fast.
_REFUSED: Final = re.compile(r"RCPT: (5\.1\.(?:1|2|3|6|10))(?![.\d])")
_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_ADDRESSES: Final = re.compile(r"[^\s<>,;\"]+@[^\s<>,;\"]+")
_WHERE: Final = ("to", "delivered-to", "x-original-to", "envelope-to", "cc")
_MOST_PARTS: Final = 50

Mail: TypeAlias = "Message[Any, Any]"


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail told. `paths`: addresses that may be the return path of the mail that came
    back; `status`: as RFC 3463 has it, where one was named."""

    kind: Bounce
    paths: tuple[str, ...]
    status: str | None = None


def read(raw: bytes) -> Report | None:
    """The report in a mail; None where it is none, or one of delay or success."""
    try:
        mail = message_from_bytes(raw, policy=compat32)
        parts = [part for part, _ in zip(mail.walk(), range(_MOST_PARTS), strict=False)]
        feedback = _part(parts, "message/feedback-report")
        if feedback is not None:
            fields = _fields(feedback)
            if fields.get("feedback-type", "abuse").lower() == "not-spam":
                return None
            return Report("complaint", _paths(parts, fields))
        delivery = _part(parts, "message/delivery-status")
        if delivery is None:
            return None
        return _delivery(parts, delivery)
    except (MessageError, ValueError, LookupError, AttributeError, TypeError):
        return None


def classify(status: str | None) -> Bounce:
    """Whether a failure is the address's own."""
    return "hard" if status is not None and _HARD.fullmatch(status) else "soft"


def refused(code: int | None, reason: str) -> str | None:
    """The status (RFC 3463) with which a server said to RCPT that there is no such address; None
    for any other refusal. `reason`: as the wire tells it, a step and then what the server said,
    which begins with the status (RFC 2034, 4)."""
    found = _REFUSED.match(reason) if code is not None and code >= 500 else None
    return found[1] if found is not None else None


def _delivery(parts: list[Mail], delivery: Mail) -> Report | None:
    fields = _fields(delivery)
    if fields.get("action", "").lower() != "failed":
        return None
    status = _STATUS.search(fields.get("status", ""))
    said = _STATUS.search(fields.get("diagnostic-code", ""))
    found = status[1] if status else None
    # Many servers say 5.0.0 and tell more in the diagnosis.
    if said is not None and (found is None or found.endswith(".0.0")):
        found = said[1]
    return Report(classify(found), _paths(parts, fields), found)


def _part(parts: list[Mail], kind: str) -> "Mail | None":
    return next((part for part in parts if part.get_content_type() == kind), None)


def _fields(part: Mail) -> dict[str, str]:
    """All fields of a report, the first of each name over all its groups."""
    payload = part.get_payload()
    fields: dict[str, str] = {}
    for group in payload if isinstance(payload, list) else ():
        if isinstance(group, Message):
            for name, value in group.items():
                fields.setdefault(name.lower(), " ".join(str(value).split()))
    return fields


def _paths(parts: list[Mail], fields: dict[str, str]) -> tuple[str, ...]:
    """Every address that a return path of ours may be, once each."""

    def said() -> Iterator[str]:
        for name in _WHERE:
            yield from map(str, parts[0].get_all(name, []))
        yield fields.get("original-mail-from", "")
        for part in parts[1:]:
            yield from map(str, part.get_all("return-path", []))

    find: Callable[[str], list[str]] = _ADDRESSES.findall
    return tuple(dict.fromkeys(address for line in said() for address in find(line)))
