"""Starts a child again that ended unasked, each time a little later."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.local.child import Child

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 30.0
_PROVEN_AFTER: Final = 60.0
_POLL: Final = 0.5


@dataclass(slots=True)
class _Trouble:
    """A child's recent ends. ``since`` and ``due`` are seconds on the monotonic clock."""

    delay: float = _FIRST_DELAY
    since: float = 0.0
    due: float | None = None


class Supervisor:
    """Watches children. One that was ended on purpose is left alone."""

    def __init__(
        self,
        children: Mapping[str, Child],
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = children
        self._log = log
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def watch(self) -> None:
        """Look after the children until interrupted."""
        while True:
            self.look()
            time.sleep(_POLL)

    def look(self) -> None:
        """Look once: note each child that has ended, start each whose delay is over."""
        now = self._clock()
        for child in list(self._children.values()):
            if child.expected and not child.running:
                self._mend(child, self._troubles.setdefault(child.name, _Trouble()), now)

    def _mend(self, child: Child, trouble: _Trouble, now: float) -> None:
        if trouble.due is None:
            if now - trouble.since > _PROVEN_AFTER:
                trouble.delay = _FIRST_DELAY
            trouble.due = now + trouble.delay
            self._log(
                f"{child.name} ended unasked ({child.exit_code}); it is started again in "
                f"{trouble.delay:.0f} s. Its log: {child.log}"
            )
            trouble.delay = min(trouble.delay * 2, _LONGEST_DELAY)
        elif now >= trouble.due:
            trouble.due, trouble.since = None, now
            child.launch()
