"""Both servers and their one set of books; the sandbox's own doors are at Slack's address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bcbridge.sandbox.alerts.books import NOUNS, SCHEMA
from bcbridge.sandbox.alerts.mail import mailbox
from bcbridge.sandbox.alerts.settings import FAULTS, VALUES, AlertsSettings
from bcbridge.sandbox.alerts.slack import Slack
from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes


@dataclass(frozen=True)
class Desk:
    """Where the two are: ``url`` of Slack and of the sandbox's own doors, ``webhook`` of the first channel."""

    url: str
    port: int
    webhook: str
    smtp_port: int


@asynccontextmanager
async def serving(
    folder: Path, *, port: int = 0, smtp_port: int = 0, settings: AlertsSettings | None = None
) -> AsyncIterator[Desk]:
    """Running on 127.0.0.1, their books in ``folder/alerts.db``; they go on where they stopped."""
    settings = settings or AlertsSettings()
    async with (
        World.opened(
            "alerts", folder, schema=SCHEMA, season=lambda _, __: None, nouns=NOUNS, faults=FAULTS, values=VALUES
        ) as world,
        mailbox(world, settings, port=smtp_port) as bound,
    ):
        app = web.Application(client_max_size=BODY_CEILING)
        app.add_routes(admin_app_routes(world))
        app.add_routes(Slack(world, settings).routes())
        world.about = {"smtp_port": bound, "channels": list(settings.channels)}
        async with Server.running(app, port=port) as server:
            yield Desk(server.url, server.port, f"{server.url}{settings.webhook}", bound)
