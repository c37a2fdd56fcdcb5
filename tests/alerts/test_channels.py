"""Letters over real sockets: Slack's webhook and mail servers with and without TLS, as they are and as they fail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from structlog.testing import capture_logs

from bcbridge.alerts.email import EmailChannel, compose
from bcbridge.alerts.letter import Entry, Group, Letter, Link
from bcbridge.alerts.settings import SmtpSection
from bcbridge.alerts.slack import SlackChannel, blocks
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry
from bcbridge.sandbox.alerts import Desk, serving
from bcbridge.sandbox.alerts.blocks import check_blocks

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NASTY = "<!channel> <https://evil.example|click> & *bold*\r\nBcc: all@example.com"


def letter(**more: Any) -> Letter:
    given: dict[str, Any] = {
        "subject": "[critical] BlueCherry holds an order twice: #1001",
        "heading": "BlueCherry holds an order twice",
        "text": "US1001A is there 2 times",
        "key": "k1",
        "facts": (("Connection", "bluecherry"), ("Count", "2")),
        "links": (Link("Runbook", "https://wiki.example.com/double_in_erp"),),
        "commands": (("I am on it", "bcbridge incidents ack 12"),),
        "thread": "incident-12",
        "urgent": True,
    }
    return Letter(**{**given, **more})


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving(tmp_path) as running:
        yield running


async def books(outside: Desk) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        found: list[dict[str, Any]] = (await client.get(f"{outside.url}/_sandbox/books/messages")).json()["messages"]
    return found


async def fault(outside: Desk, name: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{outside.url}/_sandbox/faults", json={"once": {name: 1}})
        answer.raise_for_status()


async def raised(send: Any) -> BridgeError:
    with pytest.raises((BridgeError, TimeoutError)) as caught:
        await send
    assert isinstance(caught.value, BridgeError)
    return caught.value


# -- Slack -----------------------------------------------------------------------------------------------------------


async def test_slack_takes_a_letter_and_shows_what_it_says(outside: Desk) -> None:
    assert await SlackChannel(lambda: outside.webhook).send(letter()) == ""
    (kept,) = await books(outside)
    assert kept["text"] == "[critical] BlueCherry holds an order twice: #1001"
    assert kept["blocks"][0] == {
        "type": "header",
        "text": {"type": "plain_text", "text": "BlueCherry holds an order twice", "emoji": False},
    }
    assert "`bcbridge incidents ack 12`" in str(kept["blocks"])
    assert "<https://wiki.example.com/double_in_erp|Runbook>" in str(kept["blocks"])


@pytest.mark.parametrize(
    ("name", "decision"),
    [("slack_429", Retry), ("slack_500", Retry), ("slack_no_service", OpenCircuit), ("slack_archived", OpenCircuit)],
)
async def test_what_slack_says_becomes_what_to_do(outside: Desk, name: str, decision: type[BridgeError]) -> None:
    await fault(outside, name)
    found = await raised(SlackChannel(lambda: outside.webhook).send(letter()))
    assert type(found) is decision
    assert outside.webhook not in str(found)


async def test_no_subject_calls_the_whole_channel(outside: Desk) -> None:
    await SlackChannel(lambda: outside.webhook).send(letter(subject="[normal] No allowance: <!channel>"))
    (kept,) = await books(outside)
    assert kept["text"] == "[normal] No allowance: &lt;!channel&gt;"


async def test_slack_says_how_long_to_wait(outside: Desk) -> None:
    await fault(outside, "slack_429")
    found = await raised(SlackChannel(lambda: outside.webhook).send(letter()))
    assert isinstance(found, Retry)
    assert found.after is not None


async def test_a_letter_that_slack_cannot_read_is_refused_alone(outside: Desk) -> None:
    odd = letter(heading="")
    assert type(await raised(SlackChannel(lambda: outside.webhook).send(odd))) is Reject


async def test_a_webhook_that_is_no_address_names_nothing_secret(logged: list[Any]) -> None:
    for address in (
        "http://127.0.0.1:1/hush",
        "not an address hush",
        "ftp://x/hush",
        "http://10.0.0.1/hush",
        "x:\x00hush",
    ):
        found = await raised(SlackChannel(lambda address=address: address).send(letter()))  # type: ignore[misc]
        assert "hush" not in str(found)
        assert found.__cause__ is None
        assert found.__context__ is None or found.__suppress_context__
    assert "hush" not in str(logged)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=500)
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65_536)

    app = web.Application()
    app.add_routes([web.post("/", endless)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        found = await raised(SlackChannel(lambda: f"http://127.0.0.1:{port}/").send(letter()))
        assert str(found) == "Slack answered 500"
    finally:
        await runner.cleanup()


def test_what_an_incident_says_is_no_markup() -> None:
    made = str(blocks(letter(text=NASTY)))
    assert "&lt;!channel&gt;" in made
    assert "<!channel>" not in made
    assert "&lt;https://evil.example|click&gt; &amp;" in made


def test_the_longest_letter_keeps_to_the_limits() -> None:
    entries = tuple(Entry("h" * 4_000, "&" * 4_000) for _ in range(60))
    long = letter(
        heading="h" * 500,
        text="<" * 9_000,
        facts=tuple((f"f{n}", "v" * 5_000) for n in range(25)),
        groups=(Group("g" * 5_000, entries, more=7),),
        commands=(("c", "x" * 9_000),),
    )
    made = blocks(long)
    assert len(made) == 50
    check_blocks(made)


# -- e-mail ----------------------------------------------------------------------------------------------------------


def email(smtp: SmtpSection, *to: str, password: str = "", context: ssl.SSLContext | None = None) -> EmailChannel:
    return EmailChannel(smtp, to or ("duty@example.com",), password=lambda: password, now=lambda: NOW, context=context)


def plain(outside: Desk, **more: Any) -> SmtpSection:
    return SmtpSection(host="127.0.0.1", port=outside.smtp_port, security="none", sender="bridge@example.com", **more)


async def test_a_letter_arrives_as_text_and_html(outside: Desk) -> None:
    assert await email(plain(outside), "duty@example.com", "boss@example.com").send(letter()) == ""
    (kept,) = await books(outside)
    assert kept["to"] == ["duty@example.com", "boss@example.com"]
    assert kept["subject"] == "[critical] BlueCherry holds an order twice: #1001"
    assert "US1001A is there 2 times" in kept["text"]
    assert "<h2>BlueCherry holds an order twice</h2>" in kept["html"]
    assert kept["headers"]["Auto-Submitted"] == "auto-generated"
    assert kept["headers"]["References"] == "<incident-12@example.com>"


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        ("smtp_busy", Retry),
        ("smtp_try_later", Retry),
        ("smtp_refused", OpenCircuit),
        ("smtp_message_later", Retry),
        ("smtp_message_refused", Reject),
        ("smtp_answer_lost", Retry),
    ],
)
async def test_what_the_mail_server_says_becomes_what_to_do(
    outside: Desk, name: str, decision: type[BridgeError]
) -> None:
    await fault(outside, name)
    assert type(await raised(email(plain(outside)).send(letter()))) is decision


async def test_one_address_refused_of_two_is_sent_and_said(outside: Desk) -> None:
    await fault(outside, "smtp_refused")
    missed = await email(plain(outside), "gone@example.com", "duty@example.com").send(letter())
    assert missed == "the mail server refused 1 of 2 addresses (550)"
    (kept,) = await books(outside)
    assert kept["to"] == ["duty@example.com"]


async def test_no_mail_server_is_a_reason_to_try_later() -> None:
    nowhere = SmtpSection(host="127.0.0.1", port=1, security="none")
    assert type(await raised(email(nowhere).send(letter()))) is Retry


def test_no_text_becomes_a_header_or_markup() -> None:
    made = compose(letter(text=NASTY, heading=NASTY), sender="b@example.com", to=["a@example.com"], now=NOW)
    assert made["Bcc"] is None
    assert "&lt;!channel&gt;" in part(made, "html")


def test_the_letters_of_an_incident_are_one_thread_and_a_repeated_letter_is_the_same() -> None:
    first, again = (compose(letter(), sender="b@example.com", to=["a@example.com"], now=NOW) for _ in range(2))
    over = compose(letter(key="k2"), sender="b@example.com", to=["a@example.com"], now=NOW)
    assert first["Message-ID"] == again["Message-ID"] != over["Message-ID"]
    assert first["References"] == over["References"]


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


# -- e-mail, guarded ---------------------------------------------------------------------------------------------------


class Box:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        self.mails.append(envelope.original_content or b"")
        return "250 taken"


def signed_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, said: object) -> AuthResult:
    del server, session, envelope, mechanism
    right = isinstance(said, LoginPassword) and (said.login, said.password) == (b"bridge", b"right")
    return AuthResult(success=right, handled=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def theirs(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def ours(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def mail_server(box: Box, context: ssl.SSLContext, *, implicit: bool) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    settings: dict[str, Any] = {"loop": loop, "hostname": "mail.example", "authenticator": signed_in}
    if implicit:
        settings |= {"auth_require_tls": False}
    else:
        settings |= {"tls_context": context, "require_starttls": True}
    server = await loop.create_server(
        lambda: SMTP(box, auth_required=True, **settings), "127.0.0.1", 0, ssl=context if implicit else None
    )
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_with_tls_and_a_password_it_arrives(authority: trustme.CA, security: Any) -> None:
    box = Box()
    async with mail_server(box, theirs(authority), implicit=security == "tls") as port:
        smtp = SmtpSection(host="127.0.0.1", port=port, security=security, user="bridge", password="env:X")
        await email(smtp, password="right", context=ours(authority)).send(letter())
    assert len(box.mails) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_wrong_password_is_the_destinations_no_and_is_not_told_on(authority: trustme.CA, security: Any) -> None:
    async with mail_server(Box(), theirs(authority), implicit=security == "tls") as port:
        smtp = SmtpSection(host="127.0.0.1", port=port, security=security, user="bridge", password="env:X")
        found = await raised(email(smtp, password="hush", context=ours(authority)).send(letter()))
    assert type(found) is OpenCircuit
    assert "hush" not in str(found)


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_certificate_nobody_vouches_for_is_not_spoken_to(authority: trustme.CA, security: Any) -> None:
    box = Box()
    async with mail_server(box, theirs(authority), implicit=security == "tls") as port:
        smtp = SmtpSection(host="127.0.0.1", port=port, security=security, user="bridge", password="env:X")
        await raised(email(smtp, password="right", context=ssl.create_default_context()).send(letter()))
    assert box.mails == []


async def test_a_server_that_offers_no_starttls_gets_nothing(outside: Desk) -> None:
    smtp = SmtpSection(host="127.0.0.1", port=outside.smtp_port, security="starttls")
    assert type(await raised(email(smtp).send(letter()))) is OpenCircuit
    assert await books(outside) == []
