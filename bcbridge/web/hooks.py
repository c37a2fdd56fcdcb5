"""``POST /hooks/{connector}/...``: verified over the raw request, on disk, *then* answered 200.

Whatever is refused is counted by reason and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import anyio
import structlog
from aiohttp import web

from bcbridge.connectors.base import Notification, RawRequest, Refused, Webhook
from bcbridge.errors import StoreBusy
from bcbridge.web.protocols import Intake
from bcbridge.web.seldom import Seldom

BODY_WITHIN_SECONDS = 10.0
"""A caller that trickles its body is let go; none of ours needs a second."""
BUSY_RETRY_AFTER_SECONDS = 30

log = structlog.get_logger()


class HookCounts:
    """Webhooks by (connector, outcome) since the start. Unknown connectors share one name: callers choose theirs."""

    def __init__(self) -> None:
        self.by_outcome: Counter[tuple[str, str]] = Counter()

    def add(self, connector: str, outcome: str) -> None:
        self.by_outcome[connector, outcome] += 1


class Hooks:
    """The door for notifications of every connector that has one."""

    def __init__(
        self,
        webhooks: Mapping[str, Webhook],
        intake: Intake,
        *,
        body_limit_bytes: int,
        bodies_at_once: int,
        body_within_seconds: float = BODY_WITHIN_SECONDS,
    ) -> None:
        self._webhooks = webhooks
        self._intake = intake
        self._body_limit = body_limit_bytes
        self._room = anyio.Semaphore(bodies_at_once)
        self._body_within = body_within_seconds
        self._seldom = Seldom()
        self.counts = HookCounts()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/hooks/{connector}", self.handle), web.post("/hooks/{connector}/{rest:.*}", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        connector = request.match_info["connector"]
        webhook = self._webhooks.get(connector)
        if webhook is None:
            return self._answer("unknown", "unknown_connector", 404, "no such connector takes notifications")
        try:
            self._room.acquire_nowait()
        except anyio.WouldBlock:
            return self._busy(connector, "crowded")
        try:
            opened = await self._open(connector, webhook, request)
        finally:
            self._room.release()  # who is known waits for the store without keeping others from the door
        return opened if isinstance(opened, web.Response) else await self._keep(connector, *opened)

    async def _open(
        self, connector: str, webhook: Webhook, request: web.Request
    ) -> web.Response | tuple[Notification, bytes]:
        """The refusal, or what was let in and its body."""
        if (request.content_length or 0) > self._body_limit:
            return self._too_large(connector)
        try:
            with anyio.fail_after(self._body_within):
                raw = await raw_request(request)
        except web.HTTPRequestEntityTooLarge:
            return self._too_large(connector)
        except TimeoutError:
            return self._answer(connector, "slow_body", 408, "the body did not arrive in time")
        opened = webhook.open(raw)
        if isinstance(opened, Refused):
            return self._answer(connector, opened.reason, opened.status, opened.reason)
        return opened, raw.body

    async def _keep(self, connector: str, notification: Notification, body: bytes) -> web.Response:
        try:
            await self._intake.take(connector, notification, hashlib.sha256(body).hexdigest())
        except StoreBusy:
            return self._busy(connector, "store_busy")
        self.counts.add(connector, "taken")
        return web.Response(text="ok\n")

    def _too_large(self, connector: str) -> web.Response:
        return self._answer(connector, "too_large", 413, f"a body has at most {self._body_limit} bytes here")

    def _busy(self, connector: str, outcome: str) -> web.Response:
        response = self._answer(connector, outcome, 503, "not kept, please send it again")
        response.headers["Retry-After"] = str(BUSY_RETRY_AFTER_SECONDS)
        return response

    def _answer(self, connector: str, outcome: str, status: int, text: str) -> web.Response:
        self.counts.add(connector, outcome)
        times = self._seldom.due((connector, outcome))
        if times:
            log.info("webhook_refused", connector=connector, outcome=outcome, status=status, times=times)
        response = web.Response(status=status, text=f"{text}\n")
        if status in (408, 413):
            response.force_close()  # the rest of the body is still on its way
        return response


async def raw_request(request: web.Request) -> RawRequest:
    """The request untouched; of a header that came twice, the first."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return RawRequest(request.method, request.path, dict(request.query), headers, await request.read())
