"""docker-compose.yml as Compose reads it: merged, and with its variables put in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.local.plan import ROOT

FILE: Final = ROOT / "docker-compose.yml"
DOCKER: Final = ROOT / "deploy" / "docker"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class MissingVariable(Exception):
    """A variable that must be set is not; the message is the file's own."""


class _Loader(yaml.SafeLoader):
    """Knows the two tags with which an override replaces instead of merging."""


def _reset(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    return None


def _override(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("!reset", _reset)
_Loader.add_constructor("!override", _override)


def load(path: Path = FILE, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file's content; with its variables put in where `environ` is given.

    Raises MissingVariable where one that it asks for is not set.
    """
    found = yaml.load(path.read_text(), _Loader)
    assert isinstance(found, dict)
    return found if environ is None else _filled(found, environ)


def read_env(path: Path) -> dict[str, str]:
    """The variables of a .env file without quotes, as `deploy/docker/init-env` writes it."""
    lines = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, equals, value in lines if equals}


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """`text` with `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `${NAME:+other}`.

    Raises MissingVariable for `:?` where the variable is not set or empty.
    """
    done, at = "", 0
    while (dollar := text.find("$", at)) >= 0:
        done += text[at:dollar]
        if text.startswith("$$", dollar):
            done, at = f"{done}$", dollar + 2
        elif text.startswith("${", dollar):
            at = _closing(text, dollar + 2) + 1
            done += _braced(text[dollar + 2 : at - 1], environ)
        else:
            name = _NAME.match(text, dollar + 1)
            assert name, f"a lone dollar sign in {text!r}"
            done, at = done + environ.get(name[0], ""), name.end()
    return done + text[at:]


def _closing(text: str, at: int) -> int:
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1


def _braced(inner: str, environ: Mapping[str, str]) -> str:
    name = _NAME.match(inner)
    assert name, f"no name in {inner!r}"
    value, operator = environ.get(name[0], ""), inner[name.end() : name.end() + 2]
    rest = inner[name.end() + 2 :]
    match operator:
        case "":
            return value
        case ":-":
            return value or interpolate(rest, environ)
        case ":+":
            return interpolate(rest, environ) if value else ""
        case ":?":
            if not value:
                raise MissingVariable(f"{name[0]}: {rest}")
            return value
    raise AssertionError(f"an operator that this project does not use: {inner!r}")


def _filled(found: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(found, dict):
        return {key: _filled(value, environ) for key, value in found.items()}
    if isinstance(found, list):
        return [_filled(value, environ) for value in found]
    return interpolate(found, environ) if isinstance(found, str) else found
