"""The server: the API, the posting job beside it, and this sandbox's own doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import anyio
from aiohttp import web

from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes, background
from bcbridge.sandbox.bluecherry import counts, exports
from bcbridge.sandbox.bluecherry.api import Api
from bcbridge.sandbox.bluecherry.books import NOUNS, SCHEMA
from bcbridge.sandbox.bluecherry.doors import Doors
from bcbridge.sandbox.bluecherry.exports import Exports
from bcbridge.sandbox.bluecherry.gateway import Gateway
from bcbridge.sandbox.bluecherry.inventory import Inventory
from bcbridge.sandbox.bluecherry.life import PER_MINUTE, Life
from bcbridge.sandbox.bluecherry.pen import pens_of
from bcbridge.sandbox.bluecherry.posting import PostingJob
from bcbridge.sandbox.bluecherry.season import season_of
from bcbridge.sandbox.bluecherry.settings import FAULTS, VALUES, BlueCherrySettings


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, settings: BlueCherrySettings | None = None) -> AsyncIterator[Server]:
    """A running BlueCherry on 127.0.0.1, its books in ``folder/bluecherry.db``; it goes on where it stopped.

    The API is at ``<url>/<merchant_code>/api/...``; the posting job runs as long as the block does.
    """
    settings = settings or BlueCherrySettings()
    async with (
        World.opened(
            "bluecherry",
            folder,
            schema=SCHEMA + exports.SCHEMA + counts.SCHEMA,
            season=season_of(settings),
            nouns={**NOUNS, **exports.NOUNS, **counts.NOUNS},
            faults=FAULTS,
            values={**VALUES, **_set_by(settings)},
        ) as world,
        background() as tasks,
    ):
        gateway = Gateway(world, settings)
        pens = pens_of(world, settings)
        job = PostingJob(world, pens)
        stock = Exports(world, pens, settings)
        inventory = Inventory(world, stock, settings)
        life = Life(world, pens)
        app = web.Application(middlewares=[gateway.guard], client_max_size=BODY_CEILING)
        app.add_routes(admin_app_routes(world))
        app.add_routes(Doors(world, pens, job, stock).routes())
        app.add_routes(Api(world, gateway, inventory, settings, pens, tasks).routes())
        world.about = {"base_url": f"/{settings.merchant_code}", "settings": _shown(settings)}

        async def anew() -> None:
            await gateway.forget()
            await stock.ready()

        world.before_books, world.after_reset = gateway.write_calls, anew
        await stock.ready()
        async with Server.running(app, port=port) as server:
            for goes_on in (job.run, stock.run, life.run):
                tasks.start_soon(goes_on)
            try:
                yield server
            finally:
                with anyio.CancelScope(shield=True):
                    await gateway.write_calls()


def _shown(settings: BlueCherrySettings) -> dict[str, object]:
    return {name: value for name, value in asdict(settings).items() if name != "subscription_key"}


def _set_by(settings: BlueCherrySettings) -> dict[str, tuple[float, str]]:
    """Values whose usual number is a setting."""
    return {
        "post_every_seconds": (settings.post_every_seconds, "how often the posting job runs"),
        "stock_cycle_seconds": (
            settings.stock_cycle_seconds,
            "how often stock is exported; 0: figures are live",
        ),
        "stock_build_seconds": (settings.stock_build_seconds, "how long a build takes"),
        "life": (settings.life, "how busy the ERP is by itself; 0: not at all"),
        **PER_MINUTE,
    }
