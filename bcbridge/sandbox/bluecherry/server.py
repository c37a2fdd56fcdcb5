"""The server: the API, the posting job beside it, and this sandbox's own doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import anyio
from aiohttp import web

from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes, answer, background, object_of
from bcbridge.sandbox.bluecherry.api import Api
from bcbridge.sandbox.bluecherry.books import NOUNS, SCHEMA, erp_stamp
from bcbridge.sandbox.bluecherry.gateway import Gateway
from bcbridge.sandbox.bluecherry.posting import PostingJob
from bcbridge.sandbox.bluecherry.season import season_of
from bcbridge.sandbox.bluecherry.settings import FAULTS, VALUES, BlueCherrySettings
from bcbridge.sandbox.bluecherry.styles import STYLE_KEYS, alter_style


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, settings: BlueCherrySettings | None = None) -> AsyncIterator[Server]:
    """A running BlueCherry on 127.0.0.1, its books in ``folder/bluecherry.db``; it goes on where it stopped.

    The API is at ``<url>/<merchant_code>/api/...``; the posting job runs as long as the block does.
    """
    settings = settings or BlueCherrySettings()
    every = (settings.post_every_seconds, "how often the posting job runs")
    async with (
        World.opened(
            "bluecherry",
            folder,
            schema=SCHEMA,
            season=season_of(settings),
            nouns=NOUNS,
            faults=FAULTS,
            values={**VALUES, "post_every_seconds": every},
        ) as world,
        background() as tasks,
    ):
        gateway = Gateway(world, settings)
        job = PostingJob(world, erp_timezone=settings.erp_timezone)
        app = web.Application(middlewares=[gateway.guard], client_max_size=BODY_CEILING)
        app.add_routes(admin_app_routes(world))
        app.add_routes(_doors(world, job, settings))
        app.add_routes(Api(world, gateway, settings, tasks).routes())
        world.about = {"base_url": f"/{settings.merchant_code}", "settings": _shown(settings)}
        world.before_books, world.after_reset = gateway.write_calls, gateway.forget
        async with Server.running(app, port=port) as server:
            tasks.start_soon(job.run)
            try:
                yield server
            finally:
                with anyio.CancelScope(shield=True):
                    await gateway.write_calls()


def _shown(settings: BlueCherrySettings) -> dict[str, object]:
    return {name: value for name, value in asdict(settings).items() if name != "subscription_key"}


def _doors(world: World, job: PostingJob, settings: BlueCherrySettings) -> list[web.RouteDef]:
    """``POST /_sandbox/post`` forces a posting cycle; ``POST /_sandbox/styles`` is the ERP's people at work."""

    async def post(_: web.Request) -> web.Response:
        return answer(asdict(await job.cycle()))

    async def styles(request: web.Request) -> web.Response:
        try:
            asked = await object_of(request, known=STYLE_KEYS)
            stamp = erp_stamp(world.clock.now(), settings.erp_timezone)
            style = await world.books.write(lambda c: alter_style(c, asked, stamp=stamp))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return answer({"error": str(error), "keys": sorted(STYLE_KEYS)}, 400)
        return answer(style)

    return [web.post("/_sandbox/post", post), web.post("/_sandbox/styles", styles)]
