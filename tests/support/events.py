"""Events to try, and people who try them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4


def event(**changes: Any) -> dict[str, Any]:
    """An upcoming event of 3 places, published, with a slug of its own."""
    day = (datetime.now(UTC) + timedelta(days=40)).date()
    return {
        "slug": f"probe-{uuid4().hex[:10]}",
        "title": "Wie wir Quartiere gemeinsam planen",
        "summary": "Ein Seminar.",
        "description": "Ein **Seminar**.",
        "days": [{"date": day.isoformat()}, {"date": (day + timedelta(days=1)).isoformat()}],
        "place": "Rathaus, Münster",
        "capacity": 3,
        "few_left": {"seats": 1},
        "status": "published",
        **changes,
    }


def person(number: int, domain: str, **changes: Any) -> dict[str, Any]:
    """A sign-up of one person, for the public API."""
    return {
        "name": f"Gast {number}",
        "email": f"gast-{number}@{domain}",
        "seats": 1,
        "terms_accepted": True,
        "locale": "de",
        **changes,
    }


def domain() -> str:
    """A mail domain of one test's own."""
    return f"d{uuid4().hex[:10]}.example.org"
