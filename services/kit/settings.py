"""Settings that every service shares, from the environment (prefix `EINLASS_`).

Invariant: no secret has a default; a process without one does not start.
"""

import base64
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.clock import Clock, RehearsalClock, SystemClock


class Settings(BaseSettings):
    """What all processes of all services know.

    `secret_key`: 32 bytes, URL-safe base64, the same for every process of one installation.
    `instance_id`: a name that stays over restarts of one process and that no other process of
    its kind has at the same time; with it Kafka gives a restarted consumer its partitions back
    at once (KIP-345) instead of after the session's 30 s. `clock_file`: for rehearsals alone, see
    kit.clock.RehearsalClock.
    """

    model_config = SettingsConfigDict(
        env_prefix="EINLASS_",
        extra="ignore",
        env_ignore_empty=True,
        # What is wrong is told by its name; the value may be a secret, or stand beside one.
        hide_input_in_errors=True,
    )

    redis_url: str = Field(repr=False)
    kafka_bootstrap: str
    public_url: str
    secret_key: SecretStr
    smtp_url: str = Field(default="smtp://127.0.0.1:25", repr=False)
    registration_internal_url: str = "http://127.0.0.1:8091"
    timezone: str = "Europe/Berlin"
    organisation: str = "Einlass"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    instance_id: str | None = None
    rate_limits: Literal["on", "off"] = "on"
    rate_limit_scale: float = Field(default=1, gt=0)
    db_pool: int = 10
    trusted_proxies: str = "127.0.0.1"
    clock_file: Path | None = None

    @field_validator("secret_key")
    @classmethod
    def _is_32_bytes(cls, value: SecretStr) -> SecretStr:
        if len(base64.urlsafe_b64decode(value.get_secret_value())) != 32:
            raise ValueError("must be 32 bytes in URL-safe base64")
        return value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def clock(self) -> Clock:
        """The clock that all rules of this process go by."""
        return RehearsalClock(self.clock_file) if self.clock_file else SystemClock()

    @property
    def key(self) -> bytes:
        """The 32 bytes of `secret_key`."""
        return base64.urlsafe_b64decode(self.secret_key.get_secret_value())

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which events take place."""
        return ZoneInfo(self.timezone)
