"""Alembic's environment of registration."""

from services.kit import migrations

migrations.run(migrations.tables_of("registration"))
