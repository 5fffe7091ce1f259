"""`einlass` without the lock on an event's seats; only test_crowd.py runs it."""

from services import cli
from services.registration.repository import seats

seats.LOCK = ""  # type: ignore[misc]

if __name__ == "__main__":
    cli.main()
