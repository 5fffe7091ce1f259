"""The rules of subscribing: asking, confirming, leaving, and who is never written to.

Invariants:
- Asking is one INSERT, whatever is known of the address, and changes nobody's subscription. What
  follows from it is done later, for many at once (`take_requests`).
- Nobody gets the newsletter without a consent that is kept, and no suppressed address gets it:
  whoever changes a subscriber holds the row first and looks at the suppression list after that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.db import after_commit
from services.kit.errors import NotFound
from services.notifications.subscribers.domain import address, rules
from services.notifications.subscribers.domain.errors import (
    AddressSuppressed,
    ConfirmationExpired,
    UnknownSubscriber,
)
from services.notifications.subscribers.domain.model import (
    Asking,
    Consent,
    Person,
    Reason,
    Request,
    Source,
    Subscriber,
)
from services.notifications.subscribers.domain.wording import WORDING_VERSION, known, wording
from services.notifications.subscribers.links import Links
from services.notifications.subscribers.repository import asking, mails, people, suppression

ASKED = Counter("einlass_newsletter_requests", "Requests for the newsletter taken.")
MAILED = Counter("einlass_newsletter_confirmations_asked", "Mails that ask to confirm.")
CONFIRMED = Counter("einlass_newsletter_confirmed", "Addresses confirmed.")
SUPPRESSED = Counter("einlass_newsletter_suppressed", "Addresses suppressed.", ["reason"])

BATCH: Final = 200


async def ask(
    conn: AsyncConnection,
    email: str,
    locale: Locale,
    source: Source,
    now: datetime,
    *,
    version: str = WORDING_VERSION,
    subscriber_id: UUID | None = None,
) -> None:
    """Keeps a wish for the newsletter; one INSERT, and the same whether the address is known.

    `version`: of the wording that was shown. `subscriber_id`: who wants it at this address
    instead of theirs. Raises Invalid.
    """
    request = Request(address.read(email), locale, source, known(version), now, subscriber_id)
    await asking.put(conn, request)


async def take_requests(
    conn: AsyncConnection,
    links: Links,
    organisation: str,
    now: datetime,
    on_mail: Callable[[], None],
    limit: int = BATCH,
) -> int:
    """Draws the conclusions from up to `limit` requests; returns how many there were.

    Who gets the newsletter already, is suppressed, or was asked within a day is sent nothing. A
    person may ask for few other addresses a day, and more are passed over.
    """
    count, requests = await asking.take(conn, limit)
    if not count:
        return 0
    ASKED.inc(count)
    wanted = rules.first_of_each(requests)
    movers = [one.subscriber_id for one in wanted if one.subscriber_id is not None]
    if movers:
        since = now - rules.ASK_AGAIN_AFTER
        tired = await asking.tireless(conn, movers, since, rules.ADDRESSES_A_DAY)
        wanted = [one for one in wanted if one.subscriber_id not in tired]
    free = await asking.claim(
        conn, [one.address.digest for one in wanted], now, rules.ASK_AGAIN_AFTER
    )
    due = await _askings(conn, _each_once(wanted, free), organisation, now)
    if due:
        await asking.put_askings(conn, due, now)
        for one in due:
            url = links.confirm(one.subscriber_id, one.version)
            await mails.ask_to_confirm(conn, one, url)
        after_commit(conn, lambda: MAILED.inc(len(due)))
        after_commit(conn, on_mail)
    return count


def _each_once(wanted: Sequence[Request], free: set[bytes]) -> list[Request]:
    """Of those that may be asked, one for each address: a new subscriber before who moves."""
    found: dict[bytes, Request] = {}
    for one in wanted:
        if one.address.digest in free:
            found.setdefault(one.address.digest, one)
    return list(found.values())


async def _askings(
    conn: AsyncConnection, requests: Sequence[Request], organisation: str, now: datetime
) -> list[Asking]:
    """The askings that come of the requests, each with a number of its own."""
    new = [one for one in requests if one.subscriber_id is None]
    movers = {one.subscriber_id: one for one in requests if one.subscriber_id is not None}
    found: list[tuple[Request, UUID, int]] = []
    if new:
        asked = await asking.put_subscribers(conn, new, now)
        for one in new:
            who = asked[one.address.digest]
            found.append((one, who.subscriber_id, who.version))
    if movers:
        versions = await asking.next_versions(conn, list(movers))
        found += [(movers[who], who, version) for who, version in versions.items()]
    return [
        Asking(
            subscriber_id=who,
            version=version,
            purpose="subscribe" if one.subscriber_id is None else "address",
            email=one.address.email,
            locale=one.locale,
            source=one.source,
            wording_version=one.wording_version,
            wording=wording(one.wording_version, one.locale, organisation),
            asked_at=one.asked_at,
            valid_until=now + rules.CONFIRM_WITHIN,
        )
        for one, who, version in found
    ]


async def asked(
    conn: AsyncConnection, links: Links, subscriber_id: UUID, version: int, token: str
) -> Asking:
    """What a link asks to confirm. Raises NotFound, without telling what is wrong with it."""
    right = links.check_confirm(token, subscriber_id, version)
    found = await asking.one(conn, subscriber_id, version)
    if not right or found is None:
        raise NotFound
    return found


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Who confirmed. `new`: this link was not used before."""

    subscriber: Subscriber
    new: bool


async def confirm(
    conn: AsyncConnection, subscriber_id: UUID, version: int, now: datetime
) -> Confirmed:
    """Confirms the address of an asking, once. What follows a second time changes nothing.

    Where another subscriber has the address, that one goes on with it, and whoever wanted to move
    there ends. Raises NotFound, ConfirmationExpired, AddressSuppressed.
    """
    person = await people.lock(conn, subscriber_id)
    found = await asking.one(conn, subscriber_id, version)
    if person is None or found is None:
        raise NotFound
    if found.confirmed_at is not None:
        return Confirmed(await _of_address(conn, found, person), False)
    if not rules.can_be_confirmed(found, now):
        raise ConfirmationExpired
    if found.purpose == "address":
        person = await _move(conn, person, found, now)
    else:
        await _join(conn, person, found, now)
    await asking.confirmed(conn, subscriber_id, version, now)
    after_commit(conn, CONFIRMED.inc)
    return Confirmed(await _known(conn, person.id), True)


async def _of_address(conn: AsyncConnection, found: Asking, person: Subscriber) -> Subscriber:
    """Who has the address of an asking by now."""
    there = address.look(found.email)
    other = await people.of_address(conn, there.digest) if there is not None else None
    return other or person


async def _join(conn: AsyncConnection, person: Subscriber, found: Asking, now: datetime) -> None:
    await _not_suppressed(conn, person.digest)
    await suppression.take_off_left(conn, person.digest)
    await people.activate(conn, person.id, found.locale, now)
    await _agreed(conn, person, found, now)


async def _move(
    conn: AsyncConnection, person: Subscriber, found: Asking, now: datetime
) -> Subscriber:
    """Gives the person the new address; who has it from now on."""
    new = address.look(found.email)
    if new is None or person.status not in ("active", "paused"):
        raise ConfirmationExpired
    other = await people.lock_address(conn, new.digest)
    await _not_suppressed(conn, new.digest)
    await suppression.take_off_left(conn, new.digest)
    if other is not None and other.id != person.id:
        await people.end(conn, person.id, "left", now)
        await people.tell(conn, "moved", person.digest, now, subscriber_id=person.id)
        await people.activate(conn, other.id, found.locale, now)
        await _agreed(conn, other, found, now)
        return other
    await people.move(conn, person.id, new)
    await people.add_consent(conn, person.id, _consent(found, now))
    await people.tell(conn, "address", new.digest, now, subscriber_id=person.id)
    return person


async def _agreed(conn: AsyncConnection, person: Subscriber, found: Asking, now: datetime) -> None:
    await people.add_consent(conn, person.id, _consent(found, now))
    await people.tell(conn, "confirmed", person.digest, now, subscriber_id=person.id)


def _consent(found: Asking, now: datetime) -> Consent:
    return Consent(
        email=found.email,
        locale=found.locale,
        source=found.source,
        wording_version=found.wording_version,
        wording=found.wording,
        asked_at=found.asked_at,
        confirmed_at=now,
    )


async def _not_suppressed(conn: AsyncConnection, digest: bytes) -> None:
    """Raises AddressSuppressed; not for who left, who may come back."""
    there = await suppression.of_address(conn, digest)
    if there is not None and there.reason != "left":
        raise AddressSuppressed


async def suppress(
    conn: AsyncConnection,
    *,
    reason: Reason,
    now: datetime,
    subscriber_id: UUID | None = None,
    generation: int | None = None,
    email: str | None = None,
    by: str | None = None,
    note: str | None = None,
) -> bool:
    """Has nothing sent to an address any more: that of a subscriber, or `email`. Takes effect
    with the transaction, also in the middle of a send.

    `generation`: the subscriber's when the mail that came back was written. Who has changed the
    address since keeps the new one, and the former one is suppressed. `by`: the operator who
    wants it so; `note`: why. True where it is new; a graver reason is, and takes the place of a
    lighter one. Raises UnknownSubscriber, Invalid.
    """
    if subscriber_id is not None:
        digest, person = await _addressed(conn, subscriber_id, generation)
        if digest is None:
            return False
    else:
        await suppression.hold_list(conn)
        digest = address.read(email or "").digest
        person = await people.lock_address(conn, digest)
    there = await suppression.of_address(conn, digest)
    if there is not None and not rules.outweighs(reason, there.reason):
        return False
    await suppression.put(conn, digest, reason, now, by, note)
    if person is not None:
        await people.end(conn, person.id, rules.status_after(reason), now)
    await people.tell(
        conn,
        "left" if reason == "left" else "suppressed",
        digest,
        now,
        subscriber_id=person.id if person is not None else None,
        by=by,
        why=note,
        details={"reason": reason},
    )
    after_commit(conn, SUPPRESSED.labels(reason).inc)
    return True


async def _addressed(
    conn: AsyncConnection, subscriber_id: UUID, generation: int | None
) -> tuple[bytes | None, Subscriber | None]:
    """The address that a subscriber had in `generation`, and who has it now, held. None for an
    address that nothing is known of. Raises UnknownSubscriber."""
    if generation is not None:
        await suppression.hold_list(conn)  # before any row, as imports do
    person = await people.lock(conn, subscriber_id)
    if person is None:
        raise UnknownSubscriber
    if generation is None or generation == person.generation:
        return person.digest, person
    digest = await people.former(conn, subscriber_id, generation)
    if digest is None:
        return None, None
    return digest, await people.lock_address(conn, digest)


async def suppress_many(
    conn: AsyncConnection, notes: Mapping[tuple[UUID, int], str], *, reason: Reason, now: datetime
) -> None:
    """The same for many subscribers as they were in a generation, each with a note, in three
    statements for any number of them; one more each for those who have changed the address since.
    Whoever was erased meanwhile is passed over."""
    await suppression.hold_list(conn)
    there = await people.lock_many(conn, [who for who, _ in notes])
    found = {}
    for (who, generation), note in notes.items():
        person = there.get(who)
        if person is not None and person.generation == generation:
            found[person.digest] = note
        elif person is not None:
            await suppress(
                conn, reason=reason, now=now, subscriber_id=who, generation=generation, note=note
            )
    count = await suppression.put_all(
        conn, found, reason, rules.status_after(reason), rules.lighter(reason), now
    )
    after_commit(conn, lambda: SUPPRESSED.labels(reason).inc(count))


async def person(conn: AsyncConnection, subscriber_id: UUID) -> Person:
    """All that is kept of a subscriber. Raises UnknownSubscriber."""
    found = await people.one(conn, subscriber_id)
    if found is None:
        raise UnknownSubscriber
    return Person(
        subscriber=found,
        consents=tuple(await people.consents(conn, subscriber_id)),
        journal=tuple(await people.journal(conn, subscriber_id)),
        suppression=await suppression.of_address(conn, found.digest),
    )


async def _known(conn: AsyncConnection, subscriber_id: UUID) -> Subscriber:
    found = await people.one(conn, subscriber_id)
    assert found is not None
    return found
