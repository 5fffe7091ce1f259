"""Expected failures of the waitlist.

EinlassError
└── UnknownLine     404 unknown_event
"""

from services.kit.errors import EinlassError


class UnknownLine(EinlassError):
    """There is no event of this name."""

    status, code = 404, "unknown_event"
