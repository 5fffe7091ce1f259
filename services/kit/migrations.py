"""Alembic for one service: `services/<service>/migrations/env.py` calls `run`."""

import asyncio
import importlib
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from services.kit.db import async_url

# The tables of kit.outbox, kit.relay and kit.consumer as every service's first version has them.
MESSAGE_TABLES_1: Final = (
    """
    CREATE TABLE dead_letter (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        consumer TEXT NOT NULL,
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        "offset" BIGINT NOT NULL,
        payload BYTEA NOT NULL,
        error TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        replayed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_dead_letter PRIMARY KEY (id),
        CONSTRAINT uq_dead_letter_consumer_topic_partition_offset
            UNIQUE (consumer, topic, partition, "offset")
    )
    """,
    """
    CREATE TABLE inbox (
        consumer TEXT NOT NULL,
        message_id UUID NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_inbox PRIMARY KEY (consumer, message_id)
    )
    """,
    """
    CREATE INDEX ix_inbox_received_at ON inbox (received_at)
    """,
    """
    CREATE TABLE inbox_seq (
        consumer TEXT NOT NULL,
        event_id UUID NOT NULL,
        last_seq BIGINT NOT NULL,
        CONSTRAINT pk_inbox_seq PRIMARY KEY (consumer, event_id)
    )
    """,
    """
    CREATE TABLE outbox (
        shard SMALLINT NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        topic TEXT NOT NULL,
        key BYTEA NOT NULL,
        payload BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_outbox PRIMARY KEY (shard, id)
    )
    """,
    """
    CREATE TABLE outbox_shard (
        shard SMALLINT NOT NULL,
        owner UUID,
        epoch BIGINT DEFAULT '0' NOT NULL,
        leased_until TIMESTAMP WITH TIME ZONE,
        cursor BIGINT DEFAULT '0' NOT NULL,
        CONSTRAINT pk_outbox_shard PRIMARY KEY (shard)
    )
    """,
    """
    CREATE TABLE relay (
        owner UUID NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_relay PRIMARY KEY (owner)
    )
    """,
)


def tables_of(service: str) -> sa.MetaData:
    """All tables of a service: those of its `models`, and of the packages in it."""
    package = importlib.import_module(f"services.{service}")
    for path in sorted(Path(package.__path__[0]).glob("*/models.py")):
        importlib.import_module(f"services.{service}.{path.parent.name}.models")
    metadata: sa.MetaData = importlib.import_module(f"services.{service}.models").metadata
    return metadata


def config(service: str, url: str) -> Config:
    """Alembic's configuration for the service's own database."""
    found = Config()
    place = Path(__file__).parent.parent / service / "migrations"
    found.set_main_option("script_location", str(place))
    found.attributes["url"] = url
    return found


def upgrade(service: str, url: str) -> None:
    """Brings the service's database to the newest version. Raises SQLAlchemyError."""
    command.upgrade(config(service, url), "head")


def _configured(connection: sa.Connection, metadata: sa.MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        # Two `einlass migrate` at once: the second waits and finds nothing to do.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7226746)"))
        context.run_migrations()


def run(metadata: sa.MetaData) -> None:
    """Runs the migrations that Alembic asks for; the body of an `env.py`."""

    async def connected() -> None:
        engine = create_async_engine(async_url(context.config.attributes["url"]))
        async with engine.connect() as connection:
            await connection.run_sync(_configured, metadata)
            await connection.commit()
        await engine.dispose()

    asyncio.run(connected())
