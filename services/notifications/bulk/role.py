"""The role "newsletter" as the settings describe it: composition and nothing else."""

import asyncio
from datetime import timedelta
from pathlib import Path

from services.kit.db import Database
from services.kit.roles import Role
from services.notifications.bulk.delivery import Delivery
from services.notifications.bulk.dkim import Signer
from services.notifications.bulk.letters import Library
from services.notifications.bulk.mailbox import Bounces
from services.notifications.bulk.servers import Servers, read_urls
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.mailer import Identity
from services.notifications.settings import NotificationsSettings, listed
from services.notifications.subscribers.links import Links


def delivery(db: Database, settings: NotificationsSettings) -> Delivery:
    """The role; `db` should be its own, so that the mail ledger's roles never wait for a line.

    Raises OSError and ValueError for settings that do not fit.
    """
    identity = Identity.of(settings)
    urls = settings.newsletter_smtp_urls
    servers = Servers(
        read_urls(urls.get_secret_value()) if urls is not None else [(settings.smtp, 1.0)],
        name=identity.host,
        timeout=settings.smtp_timeout_seconds,
    )
    return Delivery(
        db=db,
        library=Library(
            identity,
            Links(settings.key, settings.public_url),
            return_paths(settings),
            signers(settings),
        ),
        servers=servers,
        clock=settings.clock,
        connections=settings.newsletter_connections,
        handful=settings.newsletter_handful,
        most_mails=settings.newsletter_mails_per_connection,
        lease=timedelta(seconds=settings.newsletter_lease_seconds),
        rate=settings.newsletter_rate,
        domain_rates=read_rates(settings.newsletter_domain_rates),
    )


async def _nothing(stop: asyncio.Event) -> None:
    await stop.wait()


def mailbox(db: Database, settings: NotificationsSettings) -> Role:
    """The role that reads bounces, or one that does nothing where no mailbox is named. Raises
    ValueError for a mailbox without the address whose mail comes there."""
    url, paths = settings.bounce_imap_url, return_paths(settings)
    if url is None:
        return _nothing
    if paths is None:
        raise ValueError("bounces need bounce_address")
    return Bounces(db, url.get_secret_value(), paths, settings.clock).run


def return_paths(settings: NotificationsSettings) -> ReturnPaths | None:
    """Return paths for each mail, where bounces have an address."""
    address = settings.bounce_address
    return ReturnPaths(settings.key, address) if address is not None else None


def signers(settings: NotificationsSettings) -> tuple[Signer, ...]:
    """The keys that mails are signed with. Raises OSError, and ValueError where not each selector
    has a key."""
    selectors = listed(settings.dkim_selector)
    files = listed(settings.dkim_key_file)
    if len(selectors) != len(files):
        raise ValueError("each DKIM selector needs one key file")
    domain = settings.mail_from.rpartition("@")[2]
    return tuple(
        Signer.load(domain, selector, Path(file))
        for selector, file in zip(selectors, files, strict=True)
    )


def read_rates(said: str) -> dict[str, float]:
    """Mails a second for each domain of "<domain>=<rate>, ...". Raises ValueError."""
    rates = {}
    for entry in listed(said):
        domain, _, rate = entry.partition("=")
        try:
            rates[domain.strip().lower()] = float(rate)
        except ValueError:
            raise ValueError("a domain's rate is a number of mails a second") from None
    if any(not 0 < rate < float("inf") for rate in rates.values()):
        raise ValueError("a domain's rate is above 0")
    return rates
