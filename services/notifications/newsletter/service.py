"""Rules of the issues.

Invariants:
- An act is committed with its row in the log, under the operator's own name.
- An issue begins once: its row is locked, its number is given, its renderings are frozen and its
  recipients are fixed in one transaction, so that of two schedulers one finds it begun.
- Of two operators who change the same version, the second is told.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.errors import FieldError, Invalid
from services.kit.ids import uuid7
from services.notifications.bulk import service as bulk
from services.notifications.newsletter import planning, repository
from services.notifications.newsletter.domain import calendar, checks
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.clicks import Clicked
from services.notifications.newsletter.domain.errors import (
    ChangedMeanwhile,
    NotADraft,
    NotBegun,
    NotPlanned,
    NotReady,
    PictureRefused,
    QuarterTaken,
    UnknownIssue,
    UnknownPicture,
)
from services.notifications.newsletter.domain.issue import Issue, Rendering, Words
from services.notifications.newsletter.domain.pictures import kind_of
from services.notifications.newsletter.planning import Actor
from services.notifications.newsletter.rendering import Scene, letters
from services.notifications.newsletter.repository import StoredPicture

MOST_PICTURES: Final = 40
# "Now" may be a little past when it arrives.
_LATE: Final = timedelta(minutes=5)


# --- Writing --------------------------------------------------------------------------------------


async def create(conn: AsyncConnection, words: Mapping[Locale, Words], who: Actor) -> Issue:
    """A new draft."""
    made = Issue(
        id=uuid7(),
        status="draft",
        version=1,
        words=words,
        created_at=who.now,
        created_by=who.by or "",
    )
    await repository.add(conn, made)
    await _note(conn, made.id, "created", who)
    return made


async def read(conn: AsyncConnection, issue_id: UUID, *, deleted: bool = False) -> Issue:
    """An issue. Raises UnknownIssue, also for a deleted one unless `deleted`."""
    found = await repository.one(conn, issue_id)
    if found is None or (found.deleted_at is not None and not deleted):
        raise UnknownIssue
    return found


async def write(
    conn: AsyncConnection, issue_id: UUID, version: int, words: Mapping[Locale, Words], who: Actor
) -> Issue:
    """Replaces the texts of the languages in `words`. Raises UnknownIssue, ChangedMeanwhile,
    NotADraft."""
    issue = await _to_change(conn, issue_id, version)
    changed = {**issue.words, **words}
    if changed == issue.words:
        return issue
    await _note(conn, issue_id, "written", who, locales=sorted(words))
    return await repository.change(conn, issue_id, words=changed)


async def delete(conn: AsyncConnection, issue_id: UUID, who: Actor) -> None:
    """Takes a draft away; `restore` brings it back. Raises UnknownIssue, and NotADraft also for
    one that is planned."""
    issue = await _locked(conn, issue_id)
    if issue.status != "draft":
        raise NotADraft
    await _note(conn, issue_id, "deleted", who)
    await repository.change(conn, issue_id, deleted_at=who.now)


async def restore(conn: AsyncConnection, issue_id: UUID, who: Actor) -> Issue:
    """Brings a deleted draft back. Raises UnknownIssue."""
    issue = await repository.one(conn, issue_id, lock=True)
    if issue is None:
        raise UnknownIssue
    if issue.deleted_at is None:
        return issue
    await _note(conn, issue_id, "restored", who)
    return await repository.change(conn, issue_id, deleted_at=None)


async def put_picture(
    conn: AsyncConnection, issue_id: UUID, name: str, data: bytes, who: Actor
) -> StoredPicture:
    """Keeps a picture under a name; one of the same name gives way. Raises UnknownIssue,
    NotADraft, PictureRefused."""
    issue = await _locked(conn, issue_id)
    if not issue.open:
        raise NotADraft
    kind = kind_of(data)
    held = await repository.pictures(conn, issue_id)
    if kind is None or (len(held) >= MOST_PICTURES and all(p.name != name for p in held)):
        raise PictureRefused
    await repository.put_picture(conn, issue_id, name, kind, data, by=who.by or "", now=who.now)
    await _note(conn, issue_id, "picture_added", who, name=name)
    return StoredPicture(
        name, kind.digest, kind.media_type, kind.ending, kind.width, kind.height, len(data)
    )


async def drop_picture(conn: AsyncConnection, issue_id: UUID, name: str, who: Actor) -> None:
    """Takes a picture away. Raises UnknownIssue, NotADraft, UnknownPicture."""
    issue = await _locked(conn, issue_id)
    if not issue.open:
        raise NotADraft
    if not await repository.drop_picture(conn, issue_id, name):
        raise UnknownPicture
    await _note(conn, issue_id, "picture_removed", who, name=name)


async def scene_of(conn: AsyncConnection, issue: Issue, now: datetime, zone: ZoneInfo) -> Scene:
    """What the issue is filled with, without the events: its number by the present plan at the
    time at which it will probably go out, and its pictures."""
    at = issue.begun_at
    if at is None:
        at = max((await planning.suggested(conn, issue, now, zone)).moment(zone) or now, now)
    number = issue.number or calendar.expected(
        issue.id, at, await repository.begun(conn), await repository.planned(conn), zone
    )
    stored = await repository.pictures(conn, issue.id)
    return Scene(number, at, {each.name: each for each in stored}, None)


# --- Planning -------------------------------------------------------------------------------------


async def plan(
    conn: AsyncConnection,
    issue_id: UUID,
    version: int,
    at: datetime,
    who: Actor,
    *,
    second: bool = False,
) -> Issue:
    """Gives an issue its date, or another one. Its checks are the caller's.

    Raises UnknownIssue, ChangedMeanwhile, NotADraft, Invalid for a moment that is past, and
    QuarterTaken where another issue has the quarter and no `second` one is wished for.
    """
    if at < who.now - _LATE:
        raise Invalid([FieldError("#/at", "past", "This moment is past.")])
    await repository.alone(conn)
    issue = await _to_change(conn, issue_id, version)
    others = [
        other
        for other in await planning.of_quarter(conn, calendar.quarter_at(at, who.zone), who.zone)
        if other.id != issue_id
    ]
    if others and not second:
        raise QuarterTaken(str(others[0].id))
    act = "postponed" if issue.status == "planned" else "planned"
    await _note(conn, issue_id, act, who, at=at.isoformat(), second=bool(others))
    return await repository.change(
        conn, issue_id, status="planned", planned_at=at, second=bool(others), trouble=None
    )


async def unplan(conn: AsyncConnection, issue_id: UUID, who: Actor) -> Issue:
    """Takes the date back. Raises UnknownIssue, NotADraft, NotPlanned."""
    issue = await _locked(conn, issue_id)
    if not issue.open:
        raise NotADraft
    if issue.status != "planned":
        raise NotPlanned
    await _note(conn, issue_id, "unplanned", who)
    return await repository.change(
        conn, issue_id, status="draft", planned_at=None, second=False, trouble=None
    )


# --- Sending --------------------------------------------------------------------------------------


async def begin(
    conn: AsyncConnection,
    issue: Issue,
    renderings: Mapping[Locale, Rendering],
    number: Number,
    who: Actor,
    links: Sequence[str] = (),
) -> int | None:
    """Begins to send a planned issue as it was rendered; how many get it. `links`: where those of
    its mails lead that are counted.

    None, and nothing is done, where `issue` is not what it was when it was rendered, or where it
    has another number by now: then it is rendered anew. Raises bulk's AlreadySending.
    """
    await repository.alone(conn)
    found = await repository.one(conn, issue.id, lock=True)
    if found is None or found.status != "planned" or found.version != issue.version:
        return None
    if calendar.next_number(await repository.begun(conn), who.now, who.zone) != number:
        return None
    await repository.change(
        conn,
        issue.id,
        status="sending",
        year=number.year,
        number=number.number,
        begun_at=who.now,
        trouble=None,
    )
    await repository.freeze(conn, issue.id, renderings)
    await repository.keep_links(conn, issue.id, links)
    total = await bulk.begin(
        conn, issue.id, letters(renderings), fallback=issue.fallback, now=who.now
    )
    await _note(conn, issue.id, "begun", who, recipients=total)
    return total


async def clicks(conn: AsyncConnection, issue_id: UUID) -> list[Clicked]:
    """How often the links of the issue's mails were followed. Raises UnknownIssue, NotBegun."""
    if (await read(conn, issue_id)).number is None:
        raise NotBegun
    return await repository.clicks(conn, issue_id)


def ready(findings: Sequence[checks.Finding]) -> None:
    """Raises NotReady where an error is among them."""
    bad = checks.errors(findings)
    if bad:
        raise NotReady([as_document(finding) for finding in bad])


def as_document(finding: checks.Finding) -> dict[str, object]:
    """A finding as the API shows it."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "detail": finding.detail,
        "word": finding.word,
        "locale": finding.locale,
        "line": finding.line,
    }


async def in_trouble(conn: AsyncConnection, issue: Issue, why: str, who: Actor) -> None:
    """Keeps why an issue that is due does not begin."""
    found = await repository.one(conn, issue.id, lock=True)
    if found is None or found.status != "planned" or found.trouble == why:
        return
    await _note(conn, issue.id, "held_back", who, why=why)
    await repository.change(conn, issue.id, raise_version=False, trouble=why)


async def stop(conn: AsyncConnection, issue_id: UUID, who: Actor) -> Issue:
    """Holds the sending. Raises UnknownIssue, NotBegun, and bulk's NotSending."""
    return await _steer(conn, issue_id, who, go_on=False)


async def resume(conn: AsyncConnection, issue_id: UUID, who: Actor) -> Issue:
    """Goes on with it. Raises what `stop` raises."""
    return await _steer(conn, issue_id, who, go_on=True)


async def _steer(conn: AsyncConnection, issue_id: UUID, who: Actor, *, go_on: bool) -> Issue:
    issue = await _locked(conn, issue_id)
    if issue.number is None:
        raise NotBegun
    await (bulk.resume if go_on else bulk.stop)(conn, issue_id)
    await _note(conn, issue_id, "resumed" if go_on else "stopped", who)
    return await repository.change(conn, issue_id, status="sending" if go_on else "stopped")


async def resend(
    conn: AsyncConnection, issue_id: UUID, what: Literal["failed", "unknown"], who: Actor
) -> int:
    """Tries again those that failed, or those of which nobody knows; how many. Raises
    UnknownIssue, NotBegun."""
    issue = await _locked(conn, issue_id)
    if issue.number is None:
        raise NotBegun
    again = await bulk.resend(conn, issue_id, [what])
    await _note(conn, issue_id, "resent", who, what=what, recipients=again)
    return again


async def settle(conn: AsyncConnection, issue_id: UUID, who: Actor) -> bool:
    """Whether the issue has gone out, which is kept: nobody of its recipients waits any more."""
    issue = await repository.one(conn, issue_id, lock=True)
    if issue is None or issue.status != "sending":
        return False
    if await bulk.state(conn, issue_id) != "done":
        return False
    await _note(conn, issue_id, "sent", who)
    await repository.change(conn, issue_id, status="sent", sent_at=who.now)
    return True


# --- Of all ---------------------------------------------------------------------------------------


async def _locked(conn: AsyncConnection, issue_id: UUID) -> Issue:
    found = await repository.one(conn, issue_id, lock=True)
    if found is None or found.deleted_at is not None:
        raise UnknownIssue
    return found


async def _to_change(conn: AsyncConnection, issue_id: UUID, version: int) -> Issue:
    issue = await _locked(conn, issue_id)
    if not issue.open:
        raise NotADraft
    if issue.version != version:
        raise ChangedMeanwhile(issue.version)
    return issue


async def _note(
    conn: AsyncConnection, issue_id: UUID, act: str, who: Actor, **details: object
) -> None:
    await repository.note(conn, issue_id, act, by=who.by, now=who.now, **details)
