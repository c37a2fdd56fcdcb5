"""The API's routes under ``/<merchant_code>/api/``: resources to read, and orders, counts and corrections to
post."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from bcbridge.sandbox.base import World, answer, hang_up
from bcbridge.sandbox.bluecherry import accepting, changes, counts, reading
from bcbridge.sandbox.bluecherry.accepting import Refused
from bcbridge.sandbox.bluecherry.filters import BadFilter
from bcbridge.sandbox.bluecherry.gateway import Gateway, internal_error
from bcbridge.sandbox.bluecherry.inventory import Inventory
from bcbridge.sandbox.bluecherry.pen import Pens
from bcbridge.sandbox.bluecherry.reading import RESOURCES, Reading, Resource
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

ORDERED_REFUSALS = {
    "refuse_errorMessage": accepting.error_messages,
    "refuse_message": accepting.messages,
    "refuse_message_list": accepting.message_list,
    "refuse_text": accepting.plain_text,
}


Accept = Callable[[bytes], Awaitable[int]]
"""Puts a posted array on disk and returns its ``pkey``; raises `Refused`."""


@dataclass(frozen=True)
class Writing:
    """A resource that is posted to, and its own faults: a call that is lost before it, an answer after it."""

    accept: Accept
    call_lost: str = "answer_lost_before"
    answer_lost: str = "answer_lost"


class Api:
    """What a client with a good key reaches."""

    def __init__(
        self,
        world: World,
        gateway: Gateway,
        inventory: Inventory,
        settings: BlueCherrySettings,
        pens: Pens,
        tasks: TaskGroup,
    ) -> None:
        self._world = world
        self._pens = pens
        self._inventory = inventory
        self._gateway = gateway
        self._settings = settings
        self._tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        base = f"/{self._settings.merchant_code}/api"
        reads = [web.get(f"{base}/{r.path}", self._reader(r), allow_head=False) for r in RESOURCES]
        writes = [web.post(f"{base}/{path}", self._poster(writing)) for path, writing in self._writings().items()]
        return [*reads, web.get(f"{base}/inventory", self.read_stock, allow_head=False), *writes]

    # --- reading -----------------------------------------------------------------------------------------------

    def _reader(self, resource: Resource) -> Any:
        async def read(request: web.Request) -> web.StreamResponse:
            return await self.read(resource, request.query)

        return read

    async def read(self, resource: Resource, query: Mapping[str, str]) -> web.Response:
        """One page of a resource; a request that makes no sense is told so inside a 200, as the ERP does."""
        strikes = self._world.faults.strikes
        if await strikes("contract_break"):
            return answer({"result": "ok"})
        try:
            page = reading.understand(resource, query, filtered=not await strikes("filter_ignored"))
        except BadFilter as error:
            return answer(accepting.messages([str(error)]))
        page = await self._with_faults(resource, page)
        rows = await self._world.books.read(page.run)
        return answer(reading.envelope(resource, rows, as_list=await strikes("list_wrong_shape")))

    async def read_stock(self, request: web.Request) -> web.Response:
        """One page of figures."""
        strikes = self._world.faults.strikes
        if await strikes("contract_break"):
            return answer({"result": "ok"})
        try:
            rows = await self._inventory.read(request.query, filtered=not await strikes("filter_ignored"))
        except BadFilter as error:
            return answer(accepting.messages([str(error)]))
        return answer({"data": rows})

    async def _with_faults(self, resource: Resource, page: Reading) -> Reading:
        """The reading, less its children or their rows where that was ordered."""
        if not resource.document or page.show is reading.headers:
            return page
        strikes = self._world.faults.strikes
        if await strikes("missing_children"):
            return replace(page, show=reading.headers)
        if await strikes("empty_children"):
            return replace(page, show=reading.with_empty_children)
        if resource.path == "style" and await strikes("duplicate_upc"):
            return replace(page, show=reading.with_one_upc_twice)
        return page

    # --- writing -----------------------------------------------------------------------------------------------

    def _writings(self) -> dict[str, Writing]:
        corrections = Writing(self._change, "change_call_lost", "change_answer_lost")
        return {
            "order": Writing(self._accept),
            "PhysicalInventoryTM": Writing(self._accept_counts),
            **({self._settings.change_path: corrections} if self._settings.change_path else {}),
        }

    def _poster(self, writing: Writing) -> Any:
        async def post(request: web.Request) -> web.StreamResponse:
            return await self.post(request, writing)

        return post

    async def post(self, request: web.Request, writing: Writing) -> web.Response:
        """A JSON array of documents: one ``pkey`` for all, or the reasons why none."""
        body = await request.read()
        strikes = self._world.faults.strikes
        if await strikes(writing.call_lost):
            return hang_up(request)
        if await strikes("late_acceptance"):
            self._tasks.start_soon(self._accept_late, writing.accept, body)
            return hang_up(request)
        for name, shape in ORDERED_REFUSALS.items():
            if await strikes(name):
                return answer(shape(["The order was refused.", "The sandbox was told to."]))
        try:
            pkey = await writing.accept(body)
        except Refused as no:
            return answer(no.body)
        return await self._say_yes(request, writing, pkey)

    async def _accept(self, body: bytes) -> int:
        acceptance = accepting.check(body, po_num_width=self._settings.po_num_width)
        now = self._world.clock.now()
        refuse = self._settings.refuse_duplicates
        return await self._world.books.write(lambda c: acceptance.keep(c, at=now, refuse_duplicates=refuse))

    async def _accept_counts(self, body: bytes) -> int:
        counted = counts.check(body)
        now = self._world.clock.now()
        return await self._world.books.write(lambda c: counted.keep(c, at=now))

    async def _change(self, body: bytes) -> int:
        """Made at once, and no posting job knows of it."""
        change = changes.check(body)
        pen = self._pens()
        return await self._world.books.write(lambda c: change.make(c, pen))

    async def _accept_late(self, accept: Accept, body: bytes) -> None:
        """What a gateway does that still held the request when its client had given up."""
        await anyio.sleep(self._world.faults.value("late_ms") / 1000)
        try:
            await accept(body)
        except Refused:
            return  # there is nobody left to tell

    async def _say_yes(self, request: web.Request, writing: Writing, pkey: int) -> web.Response:
        """The answer to what is already on disk, if it gets through."""
        strikes = self._world.faults.strikes
        if await strikes(writing.answer_lost):
            return hang_up(request)
        if await strikes("timeout_after"):
            return await self._gateway.hang()
        if await strikes("error_500_after"):
            return internal_error()
        if await strikes("contract_break"):
            return answer({"result": "ok"})
        return answer({"pkey": pkey})
