"""A world for each module that asks for one, and the table of figures at the end.

Tests marked `chaos` take minutes: they run with EINLASS_CHAOS=1, which `make chaos` sets, or where
`-m` asks for them by name.
"""

import os
from collections.abc import Iterator

import pytest

from tests.support.chaos_figures import Figures, table
from tests.support.chaos_world import World, world

pytest.register_assert_rewrite("tests.chaos.invariants")
FOUND: list[Figures] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the long ones out of an ordinary run."""
    if os.environ.get("EINLASS_CHAOS") == "1" or "chaos" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("chaos")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the tests found."""
    if FOUND:
        terminalreporter.section("chaos")
        for line in table(FOUND):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures() -> list[Figures]:
    """Where tests put what they found."""
    return FOUND


@pytest.fixture(scope="module")
def broken(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A world with the proxies that the module's PROXIED names, and its SETTINGS."""
    proxied = getattr(request.module, "PROXIED", ())
    settings = getattr(request.module, "SETTINGS", {})
    with world(tmp_path_factory.mktemp("chaos"), proxied=proxied, settings=settings) as made:
        yield made
