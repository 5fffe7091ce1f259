"""Settings of notifications (prefix `EINLASS_`), beside those that all services share."""

from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from services.kit.look.settings import LookSettings

# Not EmailStr, because that refuses host names without a dot, and those are right on one machine.
Mailbox = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+@[A-Za-z0-9.-]+$")]
SmtpSecurity = Literal["plain", "starttls", "tls"]


class SmtpServer(BaseModel):
    """An SMTP server as `smtp_url` names it.

    `security`: "plain" uses STARTTLS where the server offers it and does without where it does
    not; "starttls" and "tls" insist.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    security: SmtpSecurity
    user: str | None = None
    password: SecretStr | None = None


class NotificationsSettings(LookSettings):
    """What the processes of notifications know.

    `database_url` is read from `EINLASS_NOTIFICATIONS_DATABASE_URL`. `mail_from` must be an
    address that the SMTP server accepts as sender and that somebody reads, unless
    `mail_reply_to` names another. `smtp_connections` are kept per delivery role. A mail that a
    process has claimed and not finished after `mail_lease_seconds` is sent by another.
    """

    model_config = SettingsConfigDict(populate_by_name=True)

    database_url: str = Field(validation_alias="EINLASS_NOTIFICATIONS_DATABASE_URL", repr=False)
    mail_from: Mailbox = "einlass@localhost"
    mail_from_name: str = ""
    mail_reply_to: Mailbox | None = None
    smtp_connections: int = Field(default=4, ge=1, le=64)
    smtp_timeout_seconds: float = Field(default=30, gt=0)
    smtp_mails_per_connection: int = Field(default=200, ge=1)
    mail_batch: int = Field(default=50, ge=1, le=1000)
    mail_lease_seconds: float = Field(default=300, ge=1)

    @model_validator(mode="after")
    def _lease_outlasts_a_mail(self) -> Self:
        # A mail may take a few time-outs in a row, and half of the lease is kept in reserve.
        if self.mail_lease_seconds < 10 * self.smtp_timeout_seconds:
            raise ValueError("mail_lease_seconds must be ten times smtp_timeout_seconds at least")
        return self

    @property
    def sender_name(self) -> str:
        """The name that mails come from: its own setting, or the organisation's."""
        return self.mail_from_name or self.organisation

    @property
    def smtp(self) -> SmtpServer:
        """The server of `smtp_url`: `smtp://`, `smtp+starttls://` or `smtps://`, with
        `user:password@` where it asks for one. Raises ValueError for anything else."""
        return smtp_server(self.smtp_url)


def smtp_server(url: str) -> SmtpServer:
    """The server that a URL names. User and password are percent-encoded in it.

    Raises ValueError, without the URL, since that may hold a password.
    """
    securities: dict[str, tuple[SmtpSecurity, int]] = {
        "smtp": ("plain", 25),
        "smtp+starttls": ("starttls", 587),
        "smtps": ("tls", 465),
    }
    parts = urlsplit(url)
    if parts.scheme not in securities or not parts.hostname:
        raise ValueError("an SMTP URL starts with smtp://, smtp+starttls:// or smtps://")
    security, port = securities[parts.scheme]
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or port,
        security=security,
        user=unquote(parts.username) if parts.username else None,
        password=SecretStr(unquote(parts.password)) if parts.password else None,
    )
