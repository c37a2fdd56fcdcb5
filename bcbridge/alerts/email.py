"""A letter as an e-mail: text and HTML, threaded by incident, marked as sent by a machine.

STARTTLS or TLS with verified certificates; plain only to this machine. The subject and every header are one line,
whatever an incident's text holds.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

import aiosmtplib
import anyio
from anyio import to_thread

from bcbridge.alerts.letter import Group, Letter, Link
from bcbridge.alerts.settings import SmtpSection
from bcbridge.errors import OpenCircuit, Reject, Retry

SEND_SECONDS = 30.0
COMMAND_SECONDS = 15.0


class EmailChannel:
    """The addresses of one team, through one mail server."""

    def __init__(
        self,
        smtp: SmtpSection,
        to: Sequence[str],
        *,
        password: Callable[[], str],
        now: Callable[[], datetime],
        context: ssl.SSLContext | None,
    ) -> None:
        self._smtp = smtp
        self._to = list(to)
        self._password = password
        self._now = now
        self._context = context

    async def send(self, letter: Letter) -> str:
        message = compose(letter, sender=self._smtp.sender, to=self._to, now=self._now())
        try:
            with anyio.fail_after(SEND_SECONDS):
                refused, _ = await self._send(message)
        except aiosmtplib.SMTPException as fault:
            raise decide(fault) from None
        except (OSError, ssl.SSLError) as fault:
            raise Retry(f"the mail server cannot be reached ({type(fault).__name__})") from None
        codes = ", ".join(sorted({str(answer.code) for answer in refused.values()}))
        return f"the mail server refused {len(refused)} of {len(self._to)} addresses ({codes})" if refused else ""

    async def _send(self, message: EmailMessage) -> tuple[dict[str, aiosmtplib.SMTPResponse], str]:
        smtp = self._smtp
        return await aiosmtplib.send(
            message,
            sender=smtp.sender,
            recipients=self._to,
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.user or None,
            password=await to_thread.run_sync(self._password) if smtp.password else None,
            local_hostname=_domain(smtp.sender),  # else it asks the name server, and the loop waits
            timeout=COMMAND_SECONDS,
            use_tls=smtp.security == "tls",
            start_tls=smtp.security == "starttls",
            tls_context=self._context,
        )

    async def aclose(self) -> None:
        """Nothing is kept open between letters."""


def decide(fault: aiosmtplib.SMTPException) -> Retry | OpenCircuit | Reject:
    """What to do next. The server's own text is not told on: it may quote what we sent."""
    if isinstance(fault, aiosmtplib.SMTPRecipientsRefused):
        codes = [one.code for one in fault.recipients]
        said = f"the mail server refused every address ({', '.join(sorted({str(code) for code in codes}))})"
        return Retry(said) if all(400 <= code < 500 for code in codes) else OpenCircuit(said)
    if isinstance(fault, aiosmtplib.SMTPNotSupported) or type(fault) is aiosmtplib.SMTPException:  # no STARTTLS there
        return OpenCircuit(f"the mail server does not offer what is asked for ({type(fault).__name__})")
    code = fault.code if isinstance(fault, aiosmtplib.SMTPResponseException) else 0
    said = f"the mail server answered {code}" if code else f"no mail server ({type(fault).__name__})"
    if isinstance(fault, aiosmtplib.SMTPDataError) and code >= 500:
        return Reject([said])
    return OpenCircuit(said) if code >= 500 else Retry(said)


# -- the message ---------------------------------------------------------------------------------------------------


def compose(letter: Letter, *, sender: str, to: Sequence[str], now: datetime) -> EmailMessage:
    """Text and HTML of the same letter."""
    message, domain = EmailMessage(policy=SMTP), _domain(sender)
    message["From"] = f"bcbridge <{sender}>"
    message["To"] = ", ".join(to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{_token(letter.key)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if letter.thread:
        message["In-Reply-To"] = message["References"] = f"<{_token(letter.thread)}@{domain}>"
    if letter.urgent:
        message["Importance"] = "high"
    message.set_content("\n".join(_lines(letter)))
    message.add_alternative("\n".join(_html(letter)), subtype="html")
    return message


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


def _token(text: str) -> str:
    return "".join(sign if sign.isalnum() or sign == "-" else "." for sign in text)


def _lines(letter: Letter) -> Iterator[str]:
    yield from (letter.heading, "", letter.text, "")
    for name, said in letter.facts:
        yield f"{name + ':':<14}{said}"
    for group in letter.groups:
        yield from _group_lines(group)
    if letter.commands:
        yield ""
    for what, command in letter.commands:
        yield f"{what}:\n    {command}"
    yield ""
    for link in letter.links:
        yield f"{link.text}: {link.url}" if link.url else link.text


def _group_lines(group: Group) -> Iterator[str]:
    if group.heading:
        yield f"\n{group.heading}"
    for entry in group.entries:
        yield f"- {entry.heading}\n  {entry.line}"
    if group.more:
        yield f"and {group.more:,} more"


def _html(letter: Letter) -> Iterator[str]:
    yield '<!doctype html><html><body style="font-family:sans-serif">'
    yield f"<h2>{escape(letter.heading)}</h2>"
    yield f"<p>{escape(letter.text).replace(chr(10), '<br>')}</p>"
    if letter.facts:
        rows = (f"<tr><th align=left>{escape(name)}</th><td>{escape(said)}</td></tr>" for name, said in letter.facts)
        yield f"<table cellpadding=4>{''.join(rows)}</table>"
    for group in letter.groups:
        yield from _group_html(group)
    if letter.commands:
        rows = (f"<li>{escape(what)}: <code>{escape(command)}</code></li>" for what, command in letter.commands)
        yield f"<ul>{''.join(rows)}</ul>"
    yield f"<p>{' · '.join(map(_anchor, letter.links))}</p></body></html>"


def _group_html(group: Group) -> Iterator[str]:
    if group.heading:
        yield f"<h3>{escape(group.heading)}</h3>"
    rows = (f"<li><b>{escape(entry.heading)}</b><br>{escape(entry.line)}</li>" for entry in group.entries)
    yield f"<ul>{''.join(rows)}</ul>"
    if group.more:
        yield f"<p>and {group.more:,} more</p>"


def _anchor(link: Link) -> str:
    return f'<a href="{escape(link.url, quote=True)}">{escape(link.text)}</a>' if link.url else escape(link.text)
