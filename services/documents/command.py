"""`einlass contracts`: writes the documents, or sees that they are written.

Invariant: a change that would break readers is never written. The baseline is what readers rely
on: the messages as of the last version that was given out. It moves on with the version's
number, and only after the new messages were found to keep what the old ones promised.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import typer

from services import __version__, published
from services.documents import Unclear, asyncapi, openapi
from services.documents.apps import applications
from services.documents.evolution import Change, changes
from services.documents.schemas import schemas

DIFF_LINES: Final = 80
"""Enough to see what it is about; the whole is one `git diff` away once it is written."""


def run(check: bool, folder: Path = published.HERE) -> int:
    """Writes the documents into `folder`; with `check`, only compares. Prints what it found and
    returns the exit code: 0 where all is well, 1 for a drift, for a change that breaks readers and
    where the code says two things."""
    old = _baseline(folder)
    found = list(changes(old["topics"], _topics()))
    breaking = [one for one in found if one.kind == "breaking"]
    if breaking:
        _say("This would break those who read the messages (docs/api.md):", breaking)
        return 1
    if found:
        _say("Bring readers up to date before writers (docs/api.md):", found)
    try:
        made = documents(old)
    except Unclear as error:
        typer.echo(f"No document can be made: {error}")
        return 1
    return _compare(folder, made) if check else _write(folder, made)


def _write(folder: Path, made: Mapping[str, str]) -> int:
    for path in _stale(folder, made):
        path.unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    typer.echo(f"{len(made)} documents are written")
    return 0


def documents(old: Mapping[str, Any]) -> dict[str, str]:
    """All documents by their path. The baseline stays `old` within one version."""
    fresh = {"version": __version__, "topics": _topics()}
    return {
        published.OPENAPI: _text(openapi.document(applications())),
        published.ASYNCAPI: _text(asyncapi.document()),
        **{f"{published.SCHEMAS}/{name}.json": _text(schema) for _, name, schema in schemas()},
        published.BASELINE: _text(old if old["version"] == __version__ else fresh),
    }


def _topics() -> dict[str, dict[str, Any]]:
    topics: dict[str, dict[str, Any]] = {}
    for topic, name, schema in schemas():
        topics.setdefault(topic.name, {})[name] = schema
    return topics


def _baseline(folder: Path) -> dict[str, Any]:
    path = folder / published.BASELINE
    if not path.exists():
        return {"version": None, "topics": {}}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _stale(folder: Path, made: Mapping[str, str]) -> list[Path]:
    """Documents of messages that are no more."""
    there = (folder / published.SCHEMAS).glob("*.json")
    return [path for path in there if f"{published.SCHEMAS}/{path.name}" not in made]


def _compare(folder: Path, made: Mapping[str, str]) -> int:
    drift = [f"{path.name} is of a message that is no more" for path in _stale(folder, made)]
    for name, text in made.items():
        path = folder / name
        written = path.read_text("utf-8") if path.exists() else ""
        if written != text:
            drift += _diff(name, written, text)
    for line in drift:
        typer.echo(line)
    if drift:
        typer.echo("The written contracts are not those of the code. Run: make contracts")
        return 1
    typer.echo(f"{len(made)} documents are those of the code")
    return 0


def _diff(name: str, written: str, text: str) -> Iterator[str]:
    lines = list(
        difflib.unified_diff(
            written.splitlines(),
            text.splitlines(),
            f"{name} (written)",
            f"{name} (code)",
            "",
            "",
            3,
            "",
        )
    )
    yield from islice(lines, DIFF_LINES)
    if len(lines) > DIFF_LINES:
        yield f"... and {len(lines) - DIFF_LINES} lines more"


def _say(title: str, found: list[Change]) -> None:
    typer.echo(title)
    for one in found:
        typer.echo(f"  {one}")
