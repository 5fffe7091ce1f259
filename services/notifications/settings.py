"""Settings of notifications (prefix `EINLASS_`), beside those that all services share."""

from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from services.kit.look.settings import LookSettings
from services.notifications.domain.reminders import distances_of

# Not EmailStr, because that refuses host names without a dot, and those are right on one machine.
Mailbox = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+@[A-Za-z0-9.-]+$")]
_MAILBOXES: Final[TypeAdapter[list[str]]] = TypeAdapter(list[Mailbox])
SmtpSecurity = Literal["plain", "starttls", "tls"]


class SmtpServer(BaseModel):
    """An SMTP server as `smtp_url` names it.

    `security`: "plain" never encrypts, nor the password, so it is for a server on the same machine
    or network; "starttls" and "tls" insist, and verify the server's certificate.
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
    `reminders` are the days before an event's first one on which those with a place are reminded
    of it ("7d,1d"), or "none".
    `newsletter_title` is what the newsletter is called. `newsletter_editors`, with commas between
    them, are the addresses that are reminded of a quarter's issue. `newsletter_clicks`: "totals"
    has links of its mails lead over a counter that knows nobody.

    A process that sends newsletters keeps `newsletter_connections`, with `newsletter_handful`
    mails on each at most that a crash can make unknown; another takes its work over after
    `newsletter_lease_seconds`. `newsletter_smtp_urls`: "<url> <weight>, ..." in place of
    `smtp_url`. `newsletter_rate`: mails a second by all processes together, 0 for no limit;
    `newsletter_domain_rates`: "<domain>=<mails a second>, ...". `dkim_selector` and
    `dkim_key_file`: one of each, or as many, with commas. `bounce_address`: where return paths
    lead to; it must take mail for `<local part>+<anything>@`. `bounce_token`: what a server that
    brings bounces by HTTP must show. `bounce_imap_url`: `imap[s]://user:password@host/folder`.
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
    reminders: str = "7d,1d"
    newsletter_title: str = "Newsletter"
    newsletter_editors: str = ""
    newsletter_clicks: Literal["off", "totals"] = "off"
    newsletter_connections: int = Field(default=20, ge=1, le=200)
    newsletter_handful: int = Field(default=8, ge=1, le=8)
    newsletter_lease_seconds: float = Field(default=30, ge=1)
    newsletter_mails_per_connection: int = Field(default=1000, ge=1)
    newsletter_smtp_urls: SecretStr | None = None
    newsletter_rate: float = Field(default=0, ge=0)
    newsletter_domain_rates: str = ""
    dkim_selector: str = ""
    dkim_key_file: str = ""
    bounce_address: Mailbox | None = None
    bounce_token: SecretStr | None = None
    bounce_imap_url: SecretStr | None = None

    @model_validator(mode="after")
    def _lease_outlasts_a_mail(self) -> Self:
        # A mail may take a few time-outs in a row, and half of the lease is kept in reserve.
        if self.mail_lease_seconds < 10 * self.smtp_timeout_seconds:
            raise ValueError("mail_lease_seconds must be ten times smtp_timeout_seconds at least")
        return self

    @field_validator("reminders")
    @classmethod
    def _are_distances(cls, value: str) -> str:
        distances_of(value)
        return value

    @property
    def reminder_distances(self) -> tuple[int, ...]:
        """The days of `reminders`, the farthest first."""
        return distances_of(self.reminders)

    @field_validator("newsletter_editors")
    @classmethod
    def _are_mailboxes(cls, value: str) -> str:
        _MAILBOXES.validate_python(listed(value))
        return value

    @property
    def counts_clicks(self) -> bool:
        """Whether clicks on links of the newsletter's mails are counted, as totals."""
        return self.newsletter_clicks == "totals"

    @property
    def editors(self) -> list[str]:
        """The addresses of `newsletter_editors`."""
        return listed(self.newsletter_editors)

    @property
    def sender_name(self) -> str:
        """The name that mails come from: its own setting, or the organisation's."""
        return self.mail_from_name or self.organisation

    @property
    def smtp(self) -> SmtpServer:
        """The server of `smtp_url`: `smtp://`, `smtp+starttls://` or `smtps://`, with
        `user:password@` where it asks for one. Raises ValueError for anything else."""
        return smtp_server(self.smtp_url)


def listed(value: str) -> list[str]:
    """The parts of a setting that has commas between them; empty ones are none."""
    return [part for part in map(str.strip, value.split(",")) if part]


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
