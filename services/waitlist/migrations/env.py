"""Alembic's entry to the waitlist's database."""

from services.kit import migrations
from services.waitlist.models import metadata

migrations.run(metadata)
