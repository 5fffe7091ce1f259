"""What holds for asking, confirming and pausing.

Invariant: everything takes the time and changes nothing.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.errors import FieldError, Invalid
from services.notifications.subscribers.domain.model import Asking, Reason, Request, Status

CONFIRM_WITHIN: Final = timedelta(hours=48)
ASK_AGAIN_AFTER: Final = timedelta(hours=24)
"""An address is sent one mail that asks to confirm within this time, whoever asks."""
ADDRESSES_A_DAY: Final = 3
"""So many other addresses may a subscriber ask for within a day."""
PAUSES: Final = (3, 6)
LONGEST_PAUSE: Final = timedelta(days=366)
FORGET_ASKED_AFTER: Final = timedelta(days=30)
"""Who never confirmed is forgotten after this time."""


def first_of_each(requests: Iterable[Request]) -> list[Request]:
    """Of requests in their order, the first for each address, and of those who want another
    address each only their last."""
    last: dict[UUID, Request] = {}
    first: dict[str, Request] = {}
    for one in requests:
        if one.subscriber_id is not None:
            last[one.subscriber_id] = one
        else:
            first.setdefault(one.address.key, one)
    return [*first.values(), *last.values()]


def can_be_confirmed(asking: Asking, now: datetime) -> bool:
    """Whether the link still does something."""
    return asking.confirmed_at is None and now < asking.valid_until


def status_after(reason: Reason) -> Status:
    """What a suppression for this reason makes of a subscriber."""
    return "left" if reason == "left" else "suppressed"


def outweighs(reason: Reason, former: Reason) -> bool:
    """Whether a reason takes the place of a former one: whoever left may come back by
    themselves, and of the others a complaint is the gravest."""
    order: dict[Reason, int] = {"left": 0, "bounced": 1, "operator": 2, "complained": 3}
    return order[reason] > order[former]


def lighter(reason: Reason) -> list[Reason]:
    """The reasons that this one takes the place of."""
    return [former for former in get_args(Reason) if outweighs(reason, former)]


def pause_until(wish: str, day: str, now: datetime, zone: ZoneInfo) -> datetime:
    """When a pause ends: at the beginning of a day, so many months on (`wish` "3" or "6") or
    of `day`, a date as ISO 8601 writes it. Raises Invalid."""
    today = now.astimezone(zone).date()
    if wish in [str(months) for months in PAUSES]:
        return _begin(_months_on(today, int(wish)), zone)
    try:
        until = date.fromisoformat(day.strip())
    except ValueError:
        raise _bad("not_a_date", "Please give a date.") from None
    if until <= today:
        raise _bad("past", "Please give a day in the future.")
    if until > today + LONGEST_PAUSE:
        raise _bad("too_far", "A pause lasts one year at most.")
    return _begin(until, zone)


def _months_on(day: date, months: int) -> date:
    """The same day of a later month, or the last of that month."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _bad(code: str, detail: str) -> Invalid:
    return Invalid([FieldError("#/until", code, detail)])
