"""Alembic's entry to the notifications database."""

from services.kit import migrations
from services.notifications.models import metadata

migrations.run(metadata)
