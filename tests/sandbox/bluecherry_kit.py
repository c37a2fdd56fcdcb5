"""A simulated BlueCherry under test and a client that speaks to it over HTTP as anyone would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from bcbridge.sandbox import bluecherry, catalogue
from bcbridge.sandbox.bluecherry import BlueCherrySettings
from bcbridge.sandbox.bluecherry.settings import SUBSCRIPTION_KEY

STILL = BlueCherrySettings(post_every_seconds=3_600, wholesale_orders=12, calls_per_minute=0)
"""Posts only when told to, and begins with few orders."""

TEE = next(sku for sku in catalogue.WEB_SKUS if sku.style.division == "WOM")
JEAN = next(sku for sku in catalogue.WEB_SKUS if sku.style.number == "02101")


def an_order(po_num: str = "BC1", **changes: Any) -> dict[str, Any]:
    """A plain order of two lines, as NOTES 7.4 lists its fields."""
    return {
        "customer": "SHOPUSD",
        "po_num": po_num,
        "altpo": "#1001",
        "division": "WOM",
        "location": "NJ1",
        "shipper": "UPG",
        "terms": "PPD",
        "curr_code": "USD",
        "start_date": "2026-11-01",
        "end_date": "11/15/2026",
        "tax_amt": "10.35",
        "frgt_amt": 7.95,
        "notes": "gift",
        "orderaddress": {"rows": [{"addr_type": "ST", "name": "A. Shopper", "addr1": "5 Elm St", "city": "Trenton"}]},
        "orderdiscount": {"rows": [{"allow_code": "WEL10", "amount": 2.80}]},
        "ordercharge": {"rows": [{"charge_code": "TIP", "amount": 3}]},
        "orderdetail": {
            "rows": [
                {"line_seq": 1, "upc": TEE.upc, "ord_qty": 2, "price": 28.5},
                {"line_seq": 2, "upc": JEAN.upc, "ord_qty": "1", "price": "128.00", "location": "CA1"},
            ]
        },
        **changes,
    }


def a_line(**changes: Any) -> dict[str, Any]:
    """One child collection of one line."""
    return {"rows": [{"upc": TEE.upc, "ord_qty": 1, "price": 28, **changes}]}


class Erp:
    """One client of one running server."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http

    async def ask(self, resource: str, **query: str | int) -> httpx.Response:
        return await self.http.get(f"{self.url}/SNDBX/api/{resource}", params={k: str(v) for k, v in query.items()})

    async def read(self, resource: str, condition: str = "", **query: str | int) -> Any:
        """``data`` of a page with children; ``condition`` is its ``$filter``."""
        asked = {"_include": "all", "_pgsize": 500, **({"$filter": condition} if condition else {}), **query}
        reply = await self.ask(resource, **asked)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    async def orders(self, condition: str = "", **query: str | int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.read("order", condition, **query))["header"]
        return found

    async def send(self, body: object) -> httpx.Response:
        return await self.http.post(f"{self.url}/SNDBX/api/order", json=body)

    async def accept(self, *documents: dict[str, Any]) -> int:
        reply = await self.send(list(documents))
        assert set(reply.json()) == {"pkey"}, reply.text
        return int(reply.json()["pkey"])

    async def cycle(self) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.http.post(f"{self.url}/_sandbox/post")).json()
        return shown

    async def door(self, name: str, **asked: object) -> dict[str, Any]:
        reply = await self.http.post(f"{self.url}/_sandbox/{name}", json=asked)
        assert reply.status_code == 200, reply.text
        said: dict[str, Any] = reply.json()
        return said

    async def stock(self, *movements: dict[str, Any]) -> dict[str, Any]:
        """What happens in the warehouses, all at one moment."""
        return await self.door("stock", movements=list(movements))

    async def publish(self, **asked: object) -> dict[str, Any]:
        """A stock export, now."""
        return await self.door("publish", **asked)

    async def figures(self, condition: str = "", **query: str | int) -> list[dict[str, Any]]:
        """Every row of the inventory, page after page."""
        found: list[dict[str, Any]] = []
        for page in range(1, 100):
            rows = await self.read("inventory", condition, _pgno=page, **query)
            found += rows
            if len(rows) < int(query.get("_pgsize", 500)):
                return found
        raise AssertionError("a walk without an end")

    async def figure(self, upc: str, location: str = "NJ1") -> dict[str, Any]:
        (row,) = await self.read("inventory", upc=upc, location=location, lot="")
        return dict(row)

    async def truth(self, upc: str, location: str = "NJ1") -> dict[str, Any]:
        """What is really there."""
        return next(row for row in await self.books("ledger") if (row["upc"], row["location"]) == (upc, location))

    async def later(self, seconds: float) -> None:
        await self.door("clock", advance_seconds=seconds)

    async def faults(self, **asked: object) -> dict[str, Any]:
        reply = await self.http.post(f"{self.url}/_sandbox/faults", json=asked)
        assert reply.status_code == 200, reply.text
        shown: dict[str, Any] = reply.json()["faults"]
        return shown

    async def books(self, noun: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.http.get(f"{self.url}/_sandbox/books/{noun}?limit=5000")).json()[noun]
        return found


@asynccontextmanager
async def erp_in(folder: Path, settings: BlueCherrySettings = STILL) -> AsyncIterator[Erp]:
    headers = {"Ocp-Apim-Subscription-Key": SUBSCRIPTION_KEY}
    async with (
        bluecherry.serving(folder, settings=settings) as server,
        httpx.AsyncClient(headers=headers, timeout=20) as http,
    ):
        yield Erp(server.url, http)


async def eventually(look: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
    """What ``look`` finds, once it finds something; empty after ten seconds. HTTP has nothing to await."""
    for _ in range(500):
        if found := await look():
            return found
        await anyio.sleep(0.02)
    return []
