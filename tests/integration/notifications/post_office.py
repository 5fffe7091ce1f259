"""An SMTP server of the tests: aiosmtpd behind a real socket, with replies to order."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

Reply = str | None


@dataclass
class PostOffice:
    """Takes mails. `on_mail`, `on_recipient` and `on_data` may answer with a reply of their own,
    such as "451 later"; `commands` counts what clients said."""

    on_mail: Callable[[str], Reply] = lambda _: None
    on_recipient: Callable[[str], Reply] = lambda _: None
    on_data: Callable[[EmailMessage], Reply] = lambda _: None
    smtputf8: bool = True
    login: tuple[str, str] | None = None
    received: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _sessions: set[Any] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        """Opens; again on the same port after `shut`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._session, "127.0.0.1", self.port, family=socket.AF_INET
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Closes the door and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Closes every connection, as a server does with idle ones."""
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()

    def _session(self) -> SMTP:
        office = self

        class Session(SMTP):
            def connection_made(self, transport: Any) -> None:
                office.connections += 1
                office._sessions.add(self)
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                office._sessions.discard(self)
                super().connection_lost(error)

        return Session(
            self,
            hostname="post.test",
            enable_SMTPUTF8=self.smtputf8,
            auth_required=self.login is not None,
            auth_require_tls=False,
            authenticator=self._authenticate if self.login is not None else None,
        )

    def _authenticate(self, _: Any, __: Any, ___: Any, ____: Any, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login, handled=False)

    async def handle_MAIL(
        self, _: Any, __: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        reply = self.on_mail(address)
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 OK"

    async def handle_RCPT(
        self, _: Any, __: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        reply = self.on_recipient(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply or "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.original_content, policy=default)
        assert isinstance(mail, EmailMessage)
        reply = self.on_data(mail)
        if reply is None:
            self.received.append(mail)
            self.arrived.set()
        return reply or "250 OK"

    async def wait(self, mails: int, timeout: float = 20) -> list[EmailMessage]:
        """The mails as soon as there are so many. Raises TimeoutError."""

        async def enough() -> None:
            while len(self.received) < mails:
                self.arrived.clear()
                await self.arrived.wait()

        await asyncio.wait_for(enough(), timeout)
        return self.received
