"""The three applications, made to be looked at and not to be run.

Invariant: nothing is connected and nothing is listened to; the settings are of nowhere, and no
document depends on them.
"""

import base64
import importlib
import secrets
from typing import Final

from fastapi import FastAPI

SERVICES: Final = ("registration", "waitlist", "notifications")
"""Registration first: it is what most readers come for, and order is kept in the document."""


def applications() -> dict[str, FastAPI]:
    """The application of every service, by the service's name. Raises pydantic's
    ValidationError where a service asks for a setting that is not known here."""
    return {name: _application(name) for name in SERVICES}


def _application(service: str) -> FastAPI:
    settings = importlib.import_module(f"services.{service}.settings")
    made = getattr(settings, f"{service.capitalize()}Settings")(
        redis_url="redis://localhost:6379",
        kafka_bootstrap="localhost:9092",
        public_url="http://localhost",
        secret_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        **{f"EINLASS_{service.upper()}_DATABASE_URL": "postgresql://localhost/none"},
    )
    app: FastAPI = importlib.import_module(f"services.{service}.app").create_app(made)
    return app
