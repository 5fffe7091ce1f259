"""Who operates, in the tests of the API."""

import base64
from typing import Final

from fastapi import FastAPI

from services.kit.operators import Operator
from services.notifications.app import create_app
from services.notifications.settings import NotificationsSettings

OPERATORS: Final = {
    "viewer-token": Operator("vera", "viewer"),
    "editor-token": Operator("edda", "editor"),
    "another-token": Operator("emil", "editor"),
}
VIEWER: Final = {"Authorization": "Bearer viewer-token"}
EDITOR: Final = {"Authorization": "Bearer editor-token"}
ANOTHER_EDITOR: Final = {"Authorization": "Bearer another-token"}


def application(database_url: str) -> FastAPI:
    """The application, with these operators known; `state.rung` says how often it rang for
    mails."""
    app = create_app(
        NotificationsSettings(
            database_url=database_url,
            redis_url="redis://127.0.0.1:1",
            kafka_bootstrap="127.0.0.1:1",
            public_url="https://einlass.test",
            secret_key=base64.urlsafe_b64encode(bytes(32)).decode(),
        )
    )

    async def introspection(token: str) -> Operator | None:
        return OPERATORS.get(token)

    app.state.introspection = introspection
    app.state.rung = []
    app.state.on_mail = lambda: app.state.rung.append(1)
    return app
