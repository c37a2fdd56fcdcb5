"""Slack's incoming webhooks: one address a channel, a JSON message, a word in plain text for an answer."""

from __future__ import annotations

import hmac
from typing import Any

import anyio
import orjson
from aiohttp import web

from bcbridge.sandbox.alerts.blocks import BadBlock, check_blocks
from bcbridge.sandbox.alerts.books import keep
from bcbridge.sandbox.alerts.settings import AlertsSettings
from bcbridge.sandbox.base import World, hang_up


class Refusal(Exception):
    """Slack's word for what is wrong, and the status that goes with it. ``why`` only the sandbox tells."""

    def __init__(self, status: int, word: str, why: str = "") -> None:
        super().__init__(word)
        self.status = status
        self.word = word
        self.why = why


_REFUSING = {
    "slack_429": Refusal(429, "rate_limited"),
    "slack_500": Refusal(500, "rollup_error"),
    "slack_no_service": Refusal(404, "no_service"),
    "slack_archived": Refusal(410, "channel_is_archived"),
}


class Slack:
    """``POST /services/<team>/<channel>/<token>``."""

    def __init__(self, world: World, settings: AlertsSettings) -> None:
        self._world = world
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/services/{team}/{channel}/{token}", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """200 ``ok`` and the message is kept, or a refusal in one word."""
        try:
            await self._misbehave()
            self._check_address(request)
            message = _message(await request.read(), request.content_type)
        except Refusal as refusal:
            return self._said(refusal)
        await keep(
            self._world,
            "slack",
            to=["{team}/{channel}".format(**request.match_info)],
            text=message["text"],
            blocks=message["blocks"],
        )
        if await self._world.faults.strikes("slack_answer_lost"):
            return hang_up(request)
        return web.Response(text="ok")

    async def _misbehave(self) -> None:
        faults = self._world.faults
        if await faults.strikes("slack_slow"):
            await anyio.sleep(faults.value("slow_ms") / 1000)
        if await faults.strikes("slack_black_hole"):
            await anyio.sleep_forever()
        for name, refusal in _REFUSING.items():
            if await faults.strikes(name):
                raise refusal

    def _check_address(self, request: web.Request) -> None:
        asked, settings = request.match_info, self._settings
        if asked["team"] != settings.team:
            raise Refusal(404, "no_team")
        if asked["channel"] not in settings.channels:
            raise Refusal(404, "no_service")
        if not hmac.compare_digest(asked["token"].encode(), settings.token.encode()):
            raise Refusal(403, "invalid_token")

    def _said(self, refusal: Refusal) -> web.Response:
        seconds = str(int(self._world.faults.value("retry_after_seconds")))
        headers = {"Retry-After": seconds} if refusal.status == 429 else {}
        if refusal.why:
            headers["X-Sandbox-Why"] = refusal.why.encode("ascii", "replace").decode()
        return web.Response(text=refusal.word, status=refusal.status, headers=headers)


def _message(body: bytes, content_type: str) -> dict[str, Any]:
    """Its text and its blocks; a message has at least one of them."""
    if content_type != "application/json":
        raise Refusal(400, "invalid_payload")
    try:
        said = orjson.loads(body)
    except ValueError:
        raise Refusal(400, "invalid_payload") from None
    if not isinstance(said, dict) or not isinstance(said.get("text", ""), str):
        raise Refusal(400, "invalid_payload")
    try:
        blocks = check_blocks(said.get("blocks") or [])
    except BadBlock as broken:
        raise Refusal(400, "invalid_blocks", str(broken)) from None
    if not said.get("text") and not blocks:
        raise Refusal(400, "no_text")
    return {"text": said.get("text", ""), "blocks": blocks}
