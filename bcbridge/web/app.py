"""The front door: webhooks and health for everybody, readiness and metrics for this machine, acts for the owner of
the socket; and, where it is switched on, all but the webhooks for whoever has a token.

>>> front = Front(parts)
>>> async with serving(front.public(), host="127.0.0.1", port=8080) as address: ...
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from bcbridge import __version__
from bcbridge.connectors.base import Webhook
from bcbridge.errors import StoreBusy
from bcbridge.store.db import Store
from bcbridge.web import metrics, ready
from bcbridge.web.acts import ActDoor
from bcbridge.web.admin import AdminDoor, Keys, only_with_a_token
from bcbridge.web.callers import Callers, Limits
from bcbridge.web.hooks import Hooks
from bcbridge.web.jsonable import dumps
from bcbridge.web.protocols import Acts, Figures, Intake, Vitals
from bcbridge.web.stock import Promises, StockDoor, no_promises

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the front door is made of; ``app`` fills it."""

    store: Store
    webhooks: Mapping[str, Webhook]
    """By connector name; one without webhooks is not in it."""
    intake: Intake
    acts: Acts
    vitals: Vitals
    figures: Figures
    now: Callable[[], datetime]
    started_at: datetime
    promises: Promises = no_promises
    body_limit_bytes: int = 2_000_000
    bodies_at_once: int = 64
    connections_at_once: int = 512
    version: str = field(default=__version__)


class Front:
    """Builds both applications over the same parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.callers = Callers(Limits(connections=parts.connections_at_once))
        self.hooks = Hooks(
            parts.webhooks,
            parts.intake,
            body_limit_bytes=parts.body_limit_bytes,
            bodies_at_once=parts.bodies_at_once,
        )

    def public(self, *, figures: bool = True) -> web.Application:
        """Notifications and health; readiness and metrics only where this machine alone listens (``figures``)."""
        app = web.Application(client_max_size=self._parts.body_limit_bytes)
        app.add_routes([*self.hooks.routes(), web.get("/health", self.health), *(self._figures() if figures else ())])
        return app

    def owner(self) -> web.Application:
        """All of it, and acts."""
        app = self.public()
        app.add_routes([*ActDoor(self._parts.acts).routes(), *StockDoor(self._parts.promises).routes()])
        return app

    def admin(self, keys: Keys) -> web.Application:
        """Looking and acting for whoever has a token."""
        app = web.Application(client_max_size=self._parts.body_limit_bytes, middlewares=[only_with_a_token(keys)])
        door = AdminDoor(self._parts.store.read, ActDoor(self._parts.acts))
        stock = StockDoor(self._parts.promises)
        app.add_routes([web.get("/health", self.health), *self._figures(), *door.routes(), *stock.routes()])
        return app

    def _figures(self) -> list[web.RouteDef]:
        return [web.get("/ready", self.ready), web.get("/metrics", self.metrics)]

    async def health(self, _: web.Request) -> web.Response:
        """200 as long as the loop turns; asks nobody."""
        facts = {
            "status": "ok",
            "pid": os.getpid(),
            "version": self._parts.version,
            "started_at": self._parts.started_at,
        }
        return _json(facts)

    async def ready(self, _: web.Request) -> web.Response:
        """200 when everything moves that should, else 503; the body says what stands and why."""
        seen = await ready.report(self._parts.store.read, self._parts.vitals, now=self._parts.now)
        return _json(seen, status=200 if seen.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        try:
            seen = await metrics.snapshot(
                self._parts.store,
                hooks=self.hooks.counts,
                callers=self.callers,
                pulses=self._parts.vitals.pulses(),
                figures=self._parts.figures.figures(),
                now=self._parts.now(),
            )
        except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
            return web.Response(status=503, text=f"the store cannot be read: {fault}\n")
        return web.Response(body=seen.text(), headers={"Content-Type": METRICS_TYPE})


def _json(facts: object, *, status: int = 200) -> web.Response:
    return web.Response(body=dumps(facts), status=status, content_type="application/json")
