"""The rules of notifications: what is told becomes mails, and what becomes of them is told.

Invariant: one transaction takes a batch of messages and writes the mails that they ask for; one
transaction writes what became of mails and says so on `notifications.v1`, its numbers taken
under the lock of each event's row.
"""

from collections import Counter as Count
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts import topics
from services.contracts.notifications import (
    MailData,
    MailFailed,
    MailFailedData,
    MailSent,
    NotificationsMessage,
)
from services.contracts.registration import RegistrationMessage
from services.kit import outbox
from services.kit.db import after_commit
from services.kit.ids import uuid7
from services.notifications.domain.errors import (
    MailForgotten,
    MailInHand,
    MailNotFound,
    UnknownEvent,
)
from services.notifications.domain.mail import AnyKind, MailStatus
from services.notifications.domain.plan import EventStep, Registrations, plan
from services.notifications.domain.retry import (
    Again,
    GivenUp,
    Outcome,
    Refused,
    Released,
    Sent,
    decide,
)
from services.notifications.domain.standing import AboutSomebody, asks_before, follow
from services.notifications.repository import delivery, ledger, projections
from services.notifications.repository.delivery import Claimed, Finished, Result
from services.notifications.repository.ledger import LedgerRow

WRITTEN = Counter("einlass_notifications_mails_written", "Mails put into the ledger.")
SETTLED = Counter(
    "einlass_notifications_mails_settled", "Mails sent or given up.", ["kind", "status"]
)
LOST = Counter(
    "einlass_notifications_leases_lost", "Results that came after the lease had run out."
)

KEEP_CONTENT_DAYS: Final = 30
MAIL_BELL: Final = "notifications-mail"
"""The name of the wake that is rung when there is a mail to send."""


async def take(
    conn: AsyncConnection, messages: Sequence[RegistrationMessage], on_mail: Callable[[], None]
) -> None:
    """Takes messages in order and writes the mails they ask for; `on_mail` is called after the
    commit where there are any. Raises UnknownEvent, UnknownRegistration."""
    written = 0
    for step in plan(messages):
        match step:
            case Registrations(messages=told):
                written += await _take_registrations(conn, told)
            case EventStep():
                written += await _take_event(conn, step)
    if written:
        WRITTEN.inc(written)
        after_commit(conn, on_mail)


async def _take_registrations(conn: AsyncConnection, told: Sequence[AboutSomebody]) -> int:
    if await projections.unknown_events(conn, {one.event_id for one in told}):
        raise UnknownEvent
    asked = {one.data.registration_id for one in told if asks_before(one)}
    steps = follow(told, await projections.standings(conn, asked) if asked else {})
    await projections.put_participants(conn, steps)
    return await ledger.write(conn, steps)


async def _take_event(conn: AsyncConnection, step: EventStep) -> int:
    former_days = await projections.put_event(conn, step.event_id, step.event, step.at)
    if former_days is None or step.announce is None:
        return 0
    return await ledger.write_to_all(conn, step, former_days)


@dataclass(frozen=True, slots=True)
class Tried:
    """A claimed mail and what came of it. `chance`: see domain.retry.decide."""

    claimed: Claimed
    outcome: Outcome
    chance: float
    message_id: str | None = None


async def settle(conn: AsyncConnection, tried: Sequence[Tried], now: datetime) -> None:
    """Writes outcomes into the ledger and says which mails about events are sent or given up for
    good."""
    finished = await delivery.finish(conn, [_result(one) for one in tried])
    LOST.inc(len(tried) - len(finished))
    settled = [one for one in finished if one.status in ("sent", "failed")]
    for one in settled:
        SETTLED.labels(one.kind, one.status).inc()
    told = [(one.event_id, one) for one in settled if one.event_id is not None]
    if not told:
        return
    seqs = await delivery.count_on(conn, Count(event_id for event_id, _ in told))
    messages: list[NotificationsMessage] = []
    for event_id, one in told:
        messages.append(_message(event_id, one, seqs[event_id], now))
        seqs[event_id] += 1
    await outbox.add(conn, topics.NOTIFICATIONS, messages)


def _result(tried: Tried) -> Result:
    claimed, outcome = tried.claimed, tried.outcome
    match outcome:
        case Sent():
            return Result(claimed.id, claimed.token, "sent", tries=1, message_id=tried.message_id)
        case Released():
            return Result(claimed.id, claimed.token, "pending", tries=0)
        case Refused():
            decision = decide(outcome, claimed.attempts + 1, tried.chance)
            status: MailStatus = "failed" if isinstance(decision, GivenUp) else "pending"
            result = Result(
                claimed.id,
                claimed.token,
                status,
                tries=1,
                smtp_code=outcome.code,
                error=outcome.reason,
                message_id=tried.message_id,
            )
            if isinstance(decision, Again):
                return replace(result, pause=decision.pause)
            return result


def _message(event_id: UUID, one: Finished, seq: int, now: datetime) -> NotificationsMessage:
    told: dict[str, Any] = {
        "mail_id": one.id,
        "registration_id": one.registration_id,
        "kind": one.kind,
        "attempts": one.attempts,
    }
    if one.status == "sent":
        return MailSent(
            id=uuid7(), event_id=event_id, seq=seq, occurred_at=now, data=MailData(**told)
        )
    return MailFailed(
        id=uuid7(),
        event_id=event_id,
        seq=seq,
        occurred_at=now,
        data=MailFailedData(**told, smtp_code=one.smtp_code),
    )


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Part of the ledger. `next_before`: where the next part begins, or None at the end."""

    rows: list[LedgerRow]
    next_before: UUID | None


async def ledger_page(
    conn: AsyncConnection,
    *,
    status: MailStatus | None,
    kind: AnyKind | None,
    event: str | None,
    registration_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> LedgerPage:
    """Mails that match all that is given, newest first; `event` is a slug."""
    rows = await ledger.page(
        conn,
        status=status,
        kind=kind,
        slug=event,
        registration_id=registration_id,
        before=before,
        limit=limit + 1,
    )
    shown = rows[:limit]
    return LedgerPage(shown, shown[-1].id if len(rows) > limit else None)


async def one_mail(conn: AsyncConnection, mail_id: UUID) -> LedgerRow:
    """A mail. Raises MailNotFound."""
    found = await ledger.one(conn, mail_id)
    if found is None:
        raise MailNotFound
    return found


async def resend(conn: AsyncConnection, mail_id: UUID, on_mail: Callable[[], None]) -> LedgerRow:
    """Has a sent or failed mail sent again, as it was. Raises MailNotFound, MailForgotten, and
    MailInHand where it has not come to an end yet."""
    if not await ledger.send_again(conn, mail_id):
        found = await one_mail(conn, mail_id)
        raise MailForgotten if found.forgotten else MailInHand
    after_commit(conn, on_mail)
    return await one_mail(conn, mail_id)


async def forget_old(conn: AsyncConnection) -> int:
    """Erases the content of mails that came to their end long ago: names, addresses and links go,
    the ledger's rows stay. Returns how many."""
    return await ledger.forget(conn, KEEP_CONTENT_DAYS)
