"""`einlass doctor`: one examination, with repair or an answer about somebody, and its exit code.

Exit codes: 0 nothing is wrong, 1 something is, 2 it was asked about somebody or something that
there is not.
"""

import json
import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import typer
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from services.doctor import doctor, person, repair, report, sources, watch
from services.doctor.findings import Check, Finding, Unknown, Verdict
from services.doctor.looking import Look
from services.doctor.repair import Mending
from services.doctor.sources import Sources
from services.kit import telemetry
from services.registration import audit as registration

# Mending a line can free seats in registration, and mending seats is heard by the line.
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked. `patience`: seconds that messages on their way are given."""

    event: str | None = None
    person: UUID | None = None
    repair: bool = False
    as_json: bool = False
    patience: float = doctor.PATIENCE_SECONDS


def run(asked: Asked) -> int:
    """Examines, prints, and returns the exit code."""
    # What is printed may be JSON, which no log line may break.
    telemetry.configure("doctor", "look", "CRITICAL")
    logging.disable(logging.CRITICAL)
    found, wrong = sources.read()
    if found is None:
        rest = [Unknown(c, "settings", "the settings are incomplete") for c in Check]
        _print(asked, Verdict(wrong, [u for u in rest if u.check is not Check.SETTINGS]))
        return 1
    return uvloop.run(_run(found, wrong, asked))


def keep_watch(seconds: float, patience: float, host: str, port: int) -> int:
    """Examines again and again until SIGTERM."""
    found, wrong = sources.read()
    if found is None:
        for one in wrong:
            typer.echo(f"{one.subject}: {one.words}", err=True)
        return 1
    telemetry.configure("doctor", "watch", "INFO")
    uvloop.run(watch.run(found, seconds, patience, host, port))
    return 0


async def _run(found: Sources, wrong: list[Finding], asked: Asked) -> int:
    try:
        if asked.person is not None:
            return await _person(found, asked, asked.person)
        event_id = None
        if asked.event is not None:
            event_id = await registration.id_of(found.registration, asked.event)
            if event_id is None:
                typer.echo(f"There is no event {asked.event}.", err=True)
                return 2
        return await _examine(found, wrong, asked, event_id)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        typer.echo(f"The database could not be asked ({type(error).__name__}).", err=True)
        return 1
    finally:
        await found.close()


async def _examine(
    found: Sources, wrong: list[Finding], asked: Asked, event_id: UUID | None
) -> int:
    mended: list[Mending] = []
    verdict, look = await doctor.examine(found, event_id, asked.patience)
    for _ in range(_ROUNDS if asked.repair else 0):
        done = await mend(found, verdict)
        mended += done
        if not done:
            break
        verdict, look = await doctor.examine(found, event_id, asked.patience)
    verdict = Verdict([*wrong, *verdict.findings], verdict.unknown)
    _print(asked, verdict, mended, look if event_id is not None else None)
    return 0 if verdict.healthy else 1


async def mend(found: Sources, verdict: Verdict) -> list[Mending]:
    """Mends what counters can mend: lines first, since registration's held seats follow them."""
    done = await repair.lines(found, verdict.findings)
    if done:
        return done
    return await repair.counters(found, verdict.findings)


async def _person(found: Sources, asked: Asked, registration_id: UUID) -> int:
    case = await person.case(found, registration_id)
    if case is None:
        typer.echo(f"There is no registration {registration_id}.", err=True)
        return 2
    answer = person.explain(case)
    typer.echo(json.dumps({"answer": answer}, indent=2) if asked.as_json else "\n".join(answer))
    return 0


def _print(
    asked: Asked, verdict: Verdict, mended: list[Mending] | None = None, look: Look | None = None
) -> None:
    if asked.as_json:
        typer.echo(json.dumps(report.as_json(verdict, mended or []), indent=2))
        return
    if look is not None and look.registration is not None:
        for seen in look.registration.events:
            typer.echo("\n".join([*report.event(look, seen), ""]))
    for one in mended or []:
        typer.echo(f"{'mended' if one.done else 'not mended':<12}{one.subject}: {one.words}")
    typer.echo("\n".join(report.table(verdict, details=asked.event is not None)))
