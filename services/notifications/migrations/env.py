"""Alembic's entry to the notifications database."""

from services.kit import migrations

migrations.run(migrations.tables_of("notifications"))
