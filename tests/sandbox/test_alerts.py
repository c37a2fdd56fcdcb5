"""Where alerts arrive, simulated: what is kept, what is refused as the real ones do, and bad manners to order."""

from __future__ import annotations

import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from bcbridge.sandbox.alerts import AlertsSettings, Desk, serving

PATIENCE_SECONDS = 10.0
SHORT_SECONDS = 0.3
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "Orders are blocked"}}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*12 orders*, 1,200.00 USD"}}


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[Desk, httpx.AsyncClient]]:
    async with serving(folder) as one, httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as http:
        yield one, http


async def messages(one: Desk, http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(f"{one.url}/_sandbox/books/messages")).json()["messages"]
    return found


async def order(one: Desk, http: httpx.AsyncClient, **faults: object) -> None:
    (await http.post(f"{one.url}/_sandbox/faults", json=faults)).raise_for_status()


# --- Slack -----------------------------------------------------------------------------------------------------


async def test_slack_says_ok_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        reply = await http.post(one.webhook, json={"text": "Orders are blocked", "blocks": [HEADER, SECTION]})
        assert (reply.status_code, reply.text) == (200, "ok")
        (kept,) = await messages(one, http)
    assert (kept["via"], kept["to"], kept["text"]) == ("slack", ["T0/B0"], "Orders are blocked")
    assert kept["blocks"] == [HEADER, SECTION]
    async with desk(tmp_path) as (one, http):
        assert len(await messages(one, http)) == 1


async def test_each_channel_has_a_webhook_and_others_are_told_apart(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        second = await http.post(f"{one.url}/services/T0/B1/XXX", json={"text": "x"})
        wrong = [
            (await http.post(f"{one.url}/services/{path}", json={"text": "x"}))
            for path in ("T1/B0/XXX", "T0/B9/XXX", "T0/B0/YYY")
        ]
        assert [kept["to"] for kept in await messages(one, http)] == [["T0/B1"]]
    assert second.status_code == 200
    assert [(no.status_code, no.text) for no in wrong] == [
        (404, "no_team"),
        (404, "no_service"),
        (403, "invalid_token"),
    ]


def text(length: int, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": kind, "text": "x" * length}


@pytest.mark.parametrize(
    ("blocks", "taken"),
    [
        ([SECTION] * 50, True),
        ([SECTION] * 51, False),
        ([{"type": "header", "text": text(150, "plain_text")}], True),
        ([{"type": "header", "text": text(151, "plain_text")}], False),
        ([{"type": "header", "text": text(10, "mrkdwn")}], False),
        ([{"type": "section", "text": text(3_000)}], True),
        ([{"type": "section", "text": text(3_001)}], False),
        ([{"type": "section", "text": text(0)}], False),
        ([{"type": "section"}], False),
        ([{"type": "section", "fields": [text(2_000)] * 10}], True),
        ([{"type": "section", "fields": [text(2_001)]}], False),
        ([{"type": "section", "fields": [text(5)] * 11}], False),
        ([{"type": "context", "elements": [text(5)] * 10}], True),
        ([{"type": "context", "elements": [text(5)] * 11}], False),
        ([{"type": "divider"}], True),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": text(75, "plain_text")}]}],
            True,
        ),
        ([{"type": "actions", "elements": [{"type": "button", "text": text(76, "plain_text")}]}], False),
        ([{"type": "section", "text": text(1), "block_id": "a"}, {"type": "divider", "block_id": "a"}], False),
        ([{"type": "invented"}], False),
        (["no object"], False),
    ],
)
async def test_blocks_are_held_to_slacks_limits(tmp_path: Path, blocks: list[Any], taken: bool) -> None:
    async with desk(tmp_path) as (one, http):
        reply = await http.post(one.webhook, json={"text": "x", "blocks": blocks})
        assert (reply.status_code, reply.text) == ((200, "ok") if taken else (400, "invalid_blocks"))
        assert len(await messages(one, http)) == taken


@pytest.mark.parametrize(
    ("content", "word"), [(b"{", "invalid_payload"), (b"[]", "invalid_payload"), (b"{}", "no_text")]
)
async def test_a_message_that_is_none_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    async with desk(tmp_path) as (one, http):
        reply = await http.post(one.webhook, content=content, headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.text) == (400, word)


async def test_slack_behaves_badly_on_request(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await order(one, http, once={"slack_429": 1, "slack_500": 1, "slack_no_service": 1, "slack_archived": 1})
        replies = [await http.post(one.webhook, json={"text": str(n)}) for n in range(5)]
        assert [(reply.status_code, reply.text) for reply in replies] == [
            (429, "rate_limited"),
            (500, "rollup_error"),
            (404, "no_service"),
            (410, "channel_is_archived"),
            (200, "ok"),
        ]
        assert replies[0].headers["Retry-After"] == "2"
        await order(one, http, once={"slack_answer_lost": 1, "slack_black_hole": 1})
        with pytest.raises(httpx.ReadTimeout):
            await http.post(one.webhook, json={"text": "never answered"}, timeout=SHORT_SECONDS)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(one.webhook, json={"text": "kept all the same"})
        assert [kept["text"] for kept in await messages(one, http)] == ["4", "kept all the same"]


# --- mail ------------------------------------------------------------------------------------------------------


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "bridge@example.com", "ops@example.com", "Größe fehlt"
    mail.set_content("Zwei Aufträge, 99,00 €\n")
    mail.add_alternative("<p>Zwei Aufträge, 99,00 €</p>\n", subtype="html")
    return mail


async def send(one: Desk, *, user: str = "", password: str = "") -> None:
    """As any mail program does; raises what smtplib raises."""

    def go() -> None:
        with smtplib.SMTP("127.0.0.1", one.smtp_port, local_hostname="here", timeout=PATIENCE_SECONDS) as line:
            if user:
                line.login(user, password)
            line.send_message(a_mail(), to_addrs=["ops@example.com", "night@example.com"])

    await anyio.to_thread.run_sync(go)


async def test_the_mail_server_keeps_both_texts_as_a_person_reads_them(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await send(one)
        (kept,) = await messages(one, http)
    assert (kept["via"], kept["to"]) == ("smtp", ["ops@example.com", "night@example.com"])
    assert kept["subject"] == "Größe fehlt"
    assert (kept["text"], kept["html"]) == ("Zwei Aufträge, 99,00 €\n", "<p>Zwei Aufträge, 99,00 €</p>\n")
    assert kept["headers"]["From"] == "bridge@example.com"


async def test_signing_in_is_offered_and_a_wrong_password_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await send(one, user="sandbox", password=AlertsSettings.smtp_password)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await send(one, user="sandbox", password="wrong")
        assert len(await messages(one, http)) == 1


def _status(fault: Exception) -> int:
    match fault:
        case smtplib.SMTPRecipientsRefused():
            return next(iter(fault.recipients.values()))[0]
        case smtplib.SMTPResponseException():
            return fault.smtp_code
    raise fault


REFUSALS: dict[str, int] = {
    "smtp_try_later": 451,
    "smtp_refused": 550,
    "smtp_message_later": 451,
    "smtp_message_refused": 554,
}


@pytest.mark.parametrize("fault", REFUSALS)
async def test_the_mail_server_refuses_on_request(tmp_path: Path, fault: str) -> None:
    async with desk(tmp_path) as (one, http):
        await order(one, http, rates={fault: 1})
        with pytest.raises(smtplib.SMTPException) as raised:
            await send(one)
        assert _status(raised.value) == REFUSALS[fault]
        await order(one, http, clear=True)
        await send(one)
        assert len(await messages(one, http)) == 1


async def test_a_busy_mail_server_says_so_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await order(one, http, rates={"smtp_busy": 1})
        with pytest.raises(smtplib.SMTPException):
            await send(one)
        assert await messages(one, http) == []


async def test_a_mail_whose_answer_was_lost_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await order(one, http, once={"smtp_answer_lost": 1})
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await send(one)
        assert len(await messages(one, http)) == 1


async def test_a_black_hole_greets_and_then_says_nothing_and_ends_with_the_server(tmp_path: Path) -> None:
    async with desk(tmp_path) as (one, http):
        await order(one, http, rates={"smtp_black_hole": 1})
        line = await anyio.connect_tcp("127.0.0.1", one.smtp_port)
        assert (await line.receive()).startswith(b"220 ")
        await line.send(b"EHLO here\r\n")
        with anyio.move_on_after(SHORT_SECONDS):
            raise AssertionError(await line.receive())
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await line.receive()
    await line.aclose()
