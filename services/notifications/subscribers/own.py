"""What people do with their subscription by their own link.

Invariant: whoever has the link of the present generation may act, and nobody else; a wrong link
is not told from one of somebody who is not there. Each act holds the row, and a second time it
changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.errors import NotFound
from services.notifications.subscribers import service
from services.notifications.subscribers.domain import address, rules
from services.notifications.subscribers.domain.errors import (
    AddressSuppressed,
    AddressUnchanged,
    NotSubscribed,
    TooManyAddresses,
)
from services.notifications.subscribers.domain.model import Consent, Subscriber
from services.notifications.subscribers.domain.wording import WORDING_VERSION, wording
from services.notifications.subscribers.links import Links
from services.notifications.subscribers.repository import asking, people, suppression

Way = Literal["one_click", "own_page"]


async def look(conn: AsyncConnection, links: Links, subscriber_id: UUID, token: str) -> Subscriber:
    """Whose link it is. Raises NotFound."""
    return _checked(await people.one(conn, subscriber_id), links, subscriber_id, token)


async def hold(conn: AsyncConnection, links: Links, subscriber_id: UUID, token: str) -> Subscriber:
    """The same, held until the end of the transaction. Raises NotFound."""
    return _checked(await people.lock(conn, subscriber_id), links, subscriber_id, token)


def _checked(found: Subscriber | None, links: Links, subscriber_id: UUID, token: str) -> Subscriber:
    generation = found.generation if found is not None else 1
    right = links.check_own(token, subscriber_id, generation)
    if found is None or not right or found.status == "asked":
        raise NotFound
    return found


async def leave(conn: AsyncConnection, who: Subscriber, way: Way, now: datetime) -> None:
    """Ends the subscription. Whoever left or is suppressed stays so."""
    if who.status not in ("active", "paused"):
        return
    await people.end(conn, who.id, "left", now)
    there = await suppression.of_address(conn, who.digest)
    if there is None:
        await suppression.put(conn, who.digest, "left", now, None, None)
    await _tell(conn, "left", who, now, {"way": way})


async def come_back(
    conn: AsyncConnection, who: Subscriber, organisation: str, now: datetime
) -> None:
    """Subscribes again whoever left. The link came to the address, so it needs no other mail; the
    wording beside the button is kept with the consent. Raises AddressSuppressed."""
    if who.status in ("active", "paused"):
        return
    there = await suppression.of_address(conn, who.digest)
    if who.status == "suppressed" or (there is not None and there.reason != "left"):
        raise AddressSuppressed
    await suppression.take_off_left(conn, who.digest)
    await people.activate(conn, who.id, who.locale, now)
    await people.add_consent(
        conn,
        who.id,
        Consent(
            email=who.email,
            locale=who.locale,
            source="own_page",
            wording_version=WORDING_VERSION,
            wording=wording(WORDING_VERSION, who.locale, organisation),
            asked_at=now,
            confirmed_at=now,
        ),
    )
    await _tell(conn, "returned", who, now)


async def pause(conn: AsyncConnection, who: Subscriber, until: datetime, now: datetime) -> None:
    """Has nothing sent until then. Raises NotSubscribed."""
    _subscribed(who)
    await people.pause(conn, who.id, until)
    await _tell(conn, "paused", who, now, {"until": until.isoformat()})


async def go_on(conn: AsyncConnection, who: Subscriber, now: datetime) -> None:
    """Ends a pause. Raises NotSubscribed."""
    _subscribed(who)
    if who.status == "paused":
        await people.resume(conn, who.id)
        await _tell(conn, "resumed", who, now, {"way": "own_page"})


async def speak(conn: AsyncConnection, who: Subscriber, locale: Locale, now: datetime) -> None:
    """Changes the language of the issues. Raises NotSubscribed."""
    _subscribed(who)
    if who.locale != locale:
        await people.set_language(conn, who.id, locale)
        await _tell(conn, "language", who, now, {"language": locale})


async def move(conn: AsyncConnection, who: Subscriber, email: str, now: datetime) -> None:
    """Asks for the newsletter at another address, which has to be confirmed there; until then the
    present one stays. Raises Invalid, NotSubscribed, AddressUnchanged, TooManyAddresses."""
    _subscribed(who)
    new = address.read(email)
    if new.digest == who.digest:
        raise AddressUnchanged
    since = now - rules.ASK_AGAIN_AFTER
    if await asking.tireless(conn, [who.id], since, rules.ADDRESSES_A_DAY):
        raise TooManyAddresses
    await service.ask(conn, email, who.locale, "own_page", now, subscriber_id=who.id)


def _subscribed(who: Subscriber) -> None:
    if who.status not in ("active", "paused"):
        raise NotSubscribed


async def _tell(
    conn: AsyncConnection,
    kind: Any,
    who: Subscriber,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    await people.tell(conn, kind, who.digest, now, subscriber_id=who.id, details=details)
