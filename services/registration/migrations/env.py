"""Alembic's environment of registration."""

from services.kit import migrations
from services.registration.models import metadata

migrations.run(metadata)
