"""Einlass: sign-up, waiting list and mail for events, as three independent services."""

from typing import Final

__version__: Final = "0.1.0"
