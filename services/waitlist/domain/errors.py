"""Expected failures of the waitlist.

EinlassError
├── UnknownLine     404 unknown_event
├── UnknownEntry    404 unknown_entry
├── LineClosed      409 line_closed
├── LineOver        409 line_over
├── AlreadyPaused   409 already_paused
├── NotPaused       409 not_paused
└── NotWaiting      409 not_waiting     (`state`: where the entry stands)
"""

from services.kit.errors import EinlassError


class UnknownLine(EinlassError):
    """There is no event of this name."""

    status, code = 404, "unknown_event"


class UnknownEntry(EinlassError):
    """This registration never stood in the line of this event."""

    status, code = 404, "unknown_entry"


class LineClosed(EinlassError):
    """The event is called off; its line is closed for good."""

    status, code = 409, "line_closed"


class LineOver(EinlassError):
    """The line's end has come; nobody moves up any more."""

    status, code = 409, "line_over"


class AlreadyPaused(EinlassError):
    """The line is paused already."""

    status, code = 409, "already_paused"


class NotPaused(EinlassError):
    """The line is not paused."""

    status, code = 409, "not_paused"


class NotWaiting(EinlassError):
    """This party does not wait in line at the moment."""

    status, code = 409, "not_waiting"

    def __init__(self, state: str) -> None:
        """`state`: where the entry stands."""
        super().__init__(state=state)
