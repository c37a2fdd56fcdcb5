"""A letter as a Slack message: an incoming webhook, Block Kit, mrkdwn with what is not ours escaped.

Limits are Slack's: 50 blocks, a header of 150 signs, a section of 3,000, ten fields of 2,000. The webhook's address
is a secret: it is in no error and no log line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import anyio
import httpx
import orjson
from anyio import to_thread

from bcbridge.alerts.letter import Group, Letter, Link
from bcbridge.alerts.settings import LOOPBACK
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry

BLOCKS, HEADER, SECTION, FIELDS, FIELD = 50, 150, 3_000, 10, 2_000
SEND_SECONDS = 15.0
LONGEST_RETRY_AFTER = 3_600
ANSWER_LIMIT = 200
LETTER_REFUSED = frozenset({400, 413})
"""Slack does not take this message; the next may pass."""
LATER = frozenset({408, 425, 429})

Block = dict[str, Any]


class SlackChannel:
    """One incoming webhook. ``webhook`` gives its address each time, so that a changed secret counts at once."""

    def __init__(self, webhook: Callable[[], str]) -> None:
        self._webhook = webhook
        self._client = httpx.AsyncClient(
            timeout=SEND_SECONDS, trust_env=False, follow_redirects=False, limits=httpx.Limits(max_connections=2)
        )

    async def send(self, letter: Letter) -> str:
        body = orjson.dumps({"text": escape(letter.subject), "blocks": blocks(letter)})
        with anyio.fail_after(SEND_SECONDS):
            answer = await self._post(body)
        fault = decide(*answer)
        if fault is not None:
            raise fault
        return ""

    async def _post(self, body: bytes) -> tuple[int, str, str]:
        """Its status, the beginning of what it said, and Retry-After."""
        address = guarded(await to_thread.run_sync(self._webhook))
        headers = {"Content-Type": "application/json"}
        try:
            async with self._client.stream("POST", address, content=body, headers=headers) as answer:
                said = await _beginning(answer)
                return answer.status_code, said, answer.headers.get("Retry-After", "")
        except httpx.InvalidURL:
            raise OpenCircuit("the webhook is no address") from None
        except httpx.UnsupportedProtocol:
            raise OpenCircuit("the webhook is no https address") from None
        except httpx.HTTPError as fault:  # its text may hold the address
            raise Retry(f"Slack cannot be reached ({type(fault).__name__})") from None

    async def aclose(self) -> None:
        await self._client.aclose()


def guarded(address: str) -> str:
    """The same, where what is posted there and the address itself go over TLS, or stay on this machine."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise OpenCircuit("the webhook is no address") from None
    if url.scheme != "https" and not (url.scheme == "http" and url.host in LOOPBACK):
        raise OpenCircuit("the webhook is no https address")
    return address


async def _beginning(answer: httpx.Response) -> str:
    async for chunk in answer.aiter_bytes():
        return chunk[:ANSWER_LIMIT].decode(errors="replace")
    return ""


def decide(status: int, word: str, retry_after: str) -> BridgeError | None:
    """What to do next after Slack's answer; None: it has the message."""
    said = f"Slack answered {status}" + (f" {plain}" if (plain := _plain(word)) else "")
    if 200 <= status < 300:
        return None
    if status in LATER or status >= 500:
        return Retry(said, after=_after(retry_after))
    if status in LETTER_REFUSED:
        return Reject([said])
    return OpenCircuit(said)


def _plain(word: str) -> str:
    """Slack answers with one word (``invalid_blocks``); anything else is somebody else's page."""
    word = word.strip()
    return word if word.replace("_", "").isalnum() and word.isascii() and len(word) < 60 else ""


def _after(text: str) -> timedelta | None:
    return timedelta(seconds=min(int(text), LONGEST_RETRY_AFTER)) if text.isdigit() and len(text) < 10 else None


# -- blocks --------------------------------------------------------------------------------------------------------


def blocks(letter: Letter) -> list[Block]:
    """Block Kit, within Slack's limits."""
    return list(islice(_blocks(letter), BLOCKS))


def _blocks(letter: Letter) -> Iterator[Block]:
    yield {"type": "header", "text": {"type": "plain_text", "text": letter.heading[:HEADER], "emoji": False}}
    if letter.text:
        yield _section(escape(letter.text))
    for some in _by(letter.facts, FIELDS):
        yield {
            "type": "section",
            "fields": [_mrkdwn(f"*{escape(name)}*\n{escape(said)}", FIELD) for name, said in some],
        }
    for group in letter.groups:
        yield from _group(group)
    if letter.commands:
        yield _section("\n".join(f"{escape(what)}: `{escape(command)}`" for what, command in letter.commands))
    if letter.links:
        yield {"type": "context", "elements": [_mrkdwn(" · ".join(map(_link, letter.links)), SECTION)]}


def _group(group: Group) -> Iterator[Block]:
    if group.heading:
        yield _section(f"*{escape(group.heading)}*")
    for entry in group.entries:
        yield _section(f"*{escape(entry.heading)}*\n{escape(entry.line)}")
    if group.more:
        yield _section(f"and {group.more:,} more")


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text, SECTION)}


def _mrkdwn(text: str, limit: int) -> Block:
    return {"type": "mrkdwn", "text": text[:limit], "verbatim": True}


def _link(link: Link) -> str:
    return f"<{escape(link.url).replace('|', '%7C')}|{escape(link.text)}>" if link.url else escape(link.text)


def _by(items: Sequence[tuple[str, str]], many: int) -> Iterator[Sequence[tuple[str, str]]]:
    for begin in range(0, len(items), many):
        yield items[begin : begin + many]


def escape(text: str) -> str:
    """What Slack would read as a link, a mention or an entity stands there as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
