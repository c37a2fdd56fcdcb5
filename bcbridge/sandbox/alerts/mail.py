"""A mail server: plain, on loopback, signing in offered and not asked for. It delivers to nobody and keeps all."""

from __future__ import annotations

import asyncio
import email
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

import anyio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bcbridge.sandbox.alerts.books import keep
from bcbridge.sandbox.alerts.settings import AlertsSettings
from bcbridge.sandbox.base import World

HOSTNAME = "mail.sandbox.example"
TAKEN = "250 2.0.0 Taken"


class _Line(SMTP):
    """One connection, known to the server so that it can be ended with it."""

    def __init__(self, lines: set[_Line], *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._lines = lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lines.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        """At once, whatever was being said."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Clerk:
    """What happens at each command: aiosmtpd calls these by name."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        del server, envelope
        session.host_name = hostname
        if await self._world.faults.strikes("smtp_black_hole"):
            await anyio.sleep_forever()
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        if await self._world.faults.strikes("smtp_busy"):
            return "421 4.3.2 Too busy, try later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        if await self._world.faults.strikes("smtp_try_later"):
            return "451 4.3.0 Mailbox busy, try later"
        if await self._world.faults.strikes("smtp_refused"):
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del session
        if await self._world.faults.strikes("smtp_message_later"):
            return "451 4.3.0 Not now, try later"
        if await self._world.faults.strikes("smtp_message_refused"):
            return "554 5.7.1 Not wanted"
        await self._keep(envelope)
        if await self._world.faults.strikes("smtp_answer_lost") and isinstance(server, _Line):
            server.hang_up()
        return TAKEN

    async def _keep(self, envelope: Envelope) -> None:
        mail = email.message_from_bytes(envelope.original_content or b"", policy=default)
        await keep(
            self._world,
            "smtp",
            to=list(envelope.rcpt_tos),
            subject=str(mail["Subject"] or ""),
            text=_part(mail, "plain"),
            html=_part(mail, "html"),
            headers={name: str(value) for name, value in mail.items()},
        )


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


@asynccontextmanager
async def mailbox(world: World, settings: AlertsSettings, *, port: int = 0) -> AsyncIterator[int]:
    """A mail server on 127.0.0.1 until the block ends; yields its port. OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    lines: set[_Line] = set()
    clerk = _Clerk(world)

    def line() -> _Line:
        return _Line(
            lines,
            clerk,
            hostname=HOSTNAME,
            ident="sandbox",
            loop=loop,
            data_size_limit=settings.mail_bytes,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=_authenticator(settings),
        )

    server = await loop.create_server(line, "127.0.0.1", port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for one in list(lines):
            one.hang_up()
        with anyio.CancelScope(shield=True):
            await server.wait_closed()


def _authenticator(settings: AlertsSettings) -> Any:
    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, said: object) -> AuthResult:
        del server, session, envelope, mechanism
        fits = isinstance(said, LoginPassword) and _same(said, settings)
        return AuthResult(success=fits, handled=False)

    return check


def _same(said: LoginPassword, settings: AlertsSettings) -> bool:
    user, password = settings.smtp_user.encode(), settings.smtp_password.encode()
    return hmac.compare_digest(said.login, user) and hmac.compare_digest(said.password, password)
