"""``/_sandbox/`` of a shop: selling, orders by hand, and what may happen to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Generic, TypeVar

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer, object_of
from bcbridge.sandbox.shopping.cart import JSON, BadCart
from bcbridge.sandbox.shopping.mix import Wishes, popular
from bcbridge.sandbox.shopping.shop import M, NoSuchOrder, Shop
from bcbridge.sandbox.shopping.shopper import PLANS, Shopper
from bcbridge.sandbox.shopping.stock import Place

D = TypeVar("D")
Handler = Callable[[D, web.Request], Awaitable[web.Response]]
Change = Callable[[sqlite3.Connection, int, M], None]

MOST_UNBOOKABLE = 0.1
SELLING = {"orders", "seed", "rate", "mixed", "unbookable", "simple", "canary", "skus", "hot"}
COUNTED = {"sku", "number", "location"}


def told(handler: Handler[D]) -> Handler[D]:
    """What a caller got wrong is answered, in words."""

    @wraps(handler)
    async def wrapped(doors: D, request: web.Request) -> web.Response:
        try:
            return await handler(doors, request)
        except NoSuchOrder as error:
            return answer({"error": str(error)}, 404)
        except KeyError as error:
            return answer({"error": f"{error.args[0]} is missing"}, 400)
        except (ValueError, TypeError, AttributeError) as error:
            return answer({"error": str(error)}, 400)

    return wrapped


class Doors(Generic[M]):
    """A vendor adds its own doors to these (its catalogue, its webhooks)."""

    def __init__(self, shop: Shop[M], shopper: Shopper[M]) -> None:
        self.shop = shop
        self.shopper = shopper

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/sell", self.plans),
            web.post("/_sandbox/sell", self.sell),
            web.post("/_sandbox/admin/stock", self.count),
            web.post("/_sandbox/orders", self.place),
            web.get("/_sandbox/orders/{order}", self.show),
            web.patch("/_sandbox/orders/{order}", self.patch),
            web.post("/_sandbox/orders/{order}/{event}", self.happen),
        ]

    # --- selling

    async def plans(self, _: web.Request) -> web.Response:
        page = await self.shop.books.page(PLANS, after=-1, limit=1_000)
        return answer({"plans": page.rows})

    @told
    async def sell(self, request: web.Request) -> web.Response:
        asked = await object_of(request, known=SELLING)
        count, rate = whole(asked, "orders"), number(asked, "rate", 0.0)
        wishes = Wishes(
            seed=int(asked.get("seed", self.shop.seed)),
            mixed=number(asked, "mixed", 0.0, most=1),
            unbookable=number(asked, "unbookable", 0.06, most=MOST_UNBOOKABLE),
            simple=bool(asked.get("simple", False)),
            canary=bool(asked.get("canary", False)),
            skus=whole(asked, "skus") if "skus" in asked else 0,
            hot=tuple((str(upc), number({"weight": weight}, "weight", 1.0)) for upc, weight in asked.get("hot", ())),
        )
        popular(wishes)
        plan = await self.shopper.sell(orders=count, rate=rate, wishes=wishes)
        return answer({"plan": plan, "orders": count, "seed": wishes.seed, "rate": rate}, 202)

    # --- stock by hand

    @told
    async def count(self, request: web.Request) -> web.Response:
        """A hand in the shop's admin: ``{"sku", "number", "location"}`` is what is shown there from now on."""
        asked = await object_of(request, known=COUNTED)
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> list[JSON]:
            places = self.places(connection, asked)
            moves = [self.shop.counted(connection, place, int(asked["number"]), moment) for place in places]
            return [{"item": one.place.item, "from": one.before, "to": one.after} for one in moves if one is not None]

        changed = await self.shop.books.write(unit)
        self.shop.rung()
        return answer({"sku": asked["sku"], "changed": changed})

    def places(self, connection: sqlite3.Connection, asked: JSON) -> list[Place]:
        """Every item of the SKU (there may be two) at the location named, or at the only one."""
        there = self.shop.places(connection, str(asked["sku"]))
        names = sorted({one.named or "" for one in there})
        wanted = asked.get("location", names[0] if len(names) == 1 else None)
        found = [one.place for one in there if wanted in (one.named or "", one.place.location)]
        if not found:
            raise BadCart(f"location: one of {', '.join(names)}" if names else f"sku: nobody counts {asked['sku']!r}")
        return found

    # --- orders by hand

    @told
    async def place(self, request: web.Request) -> web.Response:
        """A compact order, or a whole document under ``document``."""
        body = orjson.loads(await request.read())
        if not isinstance(body, dict):
            raise BadCart("a JSON object is expected")
        note = {"unbookable": list(body.get("unbookable", []))}
        moment = await self.shop.moment()
        if "document" in body:
            order_id = await self.shop.books.write(lambda c: self.shop.adopted(c, body["document"], moment, note))
        else:
            cart = self.shop.compact.cart(body)
            order_id = await self.shop.books.write(lambda c: self.shop.placed(c, cart, moment, note))
        self.shop.rung()
        return answer(self.shop.brief(await self.shop.books.read(lambda c: self.shop.document(c, order_id))), 201)

    @told
    async def show(self, request: web.Request) -> web.Response:
        name = request.match_info["order"]
        return answer(await self.shop.books.read(lambda c: self.shop.document(c, self.order(c, name))))

    @told
    async def patch(self, request: web.Request) -> web.Response:
        """Merges fields into the document; objects are merged, everything else is replaced."""
        fields = orjson.loads(await request.read())
        return await self.change(request, lambda c, order, moment: self.shop.patched(c, order, fields, moment))

    @told
    async def happen(self, request: web.Request) -> web.Response:
        what = request.match_info["event"]
        if what not in self.shop.events:
            return answer({"error": f"{what} happens to no order; {', '.join(self.shop.events)} do"}, 404)
        raw = await request.read()
        details: Any = orjson.loads(raw) if raw.strip() else {}
        return await self.change(request, lambda c, order, moment: self.shop.happened(c, order, what, details, moment))

    async def change(self, request: web.Request, act: Change[M]) -> web.Response:
        """One transaction: the order found, changed, and shown as it then is."""
        moment, name = await self.shop.moment(), request.match_info["order"]

        def unit(connection: sqlite3.Connection) -> JSON:
            order_id = self.order(connection, name)
            act(connection, order_id, moment)
            return self.shop.document(connection, order_id)

        changed = await self.shop.books.write(unit)
        self.shop.rung()
        return answer(changed)

    def order(self, connection: sqlite3.Connection, name: str) -> int:
        order_id = self.shop.found(connection, name)
        if order_id is None:
            raise NoSuchOrder(f"no order {name!r}")
        return order_id


def merge(into: JSON, fields: JSON) -> None:
    """For `Shop.patched`: objects are merged, everything else is replaced."""
    for key, value in fields.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def whole(asked: JSON, key: str) -> int:
    value = asked[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadCart(f"{key}: {value!r} is not a whole number above 0")
    return value


def number(asked: JSON, key: str, usual: float, most: float = 100_000) -> float:
    value = asked.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadCart(f"{key}: {value!r} is not a number from 0 to {most:g}")
    return float(value)
