"""The mailbox from the ``mail-devel`` package: takes every mail, shows it, delivers none."""

from __future__ import annotations

import smtplib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from deploy.local.child import SERVER_STAGE, Program
from deploy.local.plan import HOST, Ports
from deploy.local.secret import Secrets

USER: Final = "mailbox@example.org"


def program(directory: Path, ports: Ports, secret: Secrets, env: Mapping[str, str]) -> Program:
    """SMTP, IMAP and a web page on loopback; each mail is also a file in ``directory``."""
    return Program(
        name="mailbox",
        argv=[
            *(sys.executable, "-m", "deploy.local.keeping", str(directory)),
            *("--host", HOST, "--user", USER),
            *("--smtp-port", str(ports.smtp), "--imap-port", str(ports.imap)),
            *("--http-port", str(ports.mail_web), "--client-max-size", "10M"),
        ],
        # In the environment rather than the command, which any user of the machine can read.
        env={**env, "MAIL_PASSWORD": secret.mailbox},
        ready=lambda: _answers(ports.smtp),
        stage=SERVER_STAGE,
        grace=5.0,
    )


def smtp_url(ports: Ports) -> str:
    """Where services hand in their mails."""
    return f"smtp://{HOST}:{ports.smtp}"


def imap_url(ports: Ports, secret: Secrets) -> str:
    """Where all mails can be read by a program."""
    return f"imap://{quote(USER)}:{quote(secret.mailbox)}@{HOST}:{ports.imap}"


def web_url(ports: Ports) -> str:
    """Where all mails can be read by a person."""
    return f"http://{HOST}:{ports.mail_web}"


def _answers(port: int) -> bool:
    try:
        with smtplib.SMTP(HOST, port, timeout=1) as connection:
            return connection.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False
