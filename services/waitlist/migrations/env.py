"""Alembic's entry to the waitlist's database."""

from services.kit import migrations

migrations.run(migrations.tables_of("waitlist"))
