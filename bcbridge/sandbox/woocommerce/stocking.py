"""Writing products: how they are counted, and their numbers; one at a time or in batches (contract 1.5).

A batch is not one change but as many as it has items, each in force as soon as its turn has come. It takes time, by
the number of its items; what of it was done stays done, whatever becomes of the rest, or of whoever asked.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from aiohttp import web

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.stock import Cause
from bcbridge.sandbox.woocommerce import counting, season
from bcbridge.sandbox.woocommerce.answers import CRITICAL, Answer
from bcbridge.sandbox.woocommerce.arguments import Fault, body_of, listed
from bcbridge.sandbox.woocommerce.orders import Moment
from bcbridge.sandbox.woocommerce.refusals import Refused, invalid, invalid_id
from bcbridge.sandbox.woocommerce.shop import Shop
from bcbridge.sandbox.woocommerce.signing import home

MOST_ITEMS = 100
USUAL_ITEMS = 8
"""``write_least_ms`` and ``write_most_ms`` are what a call of so many takes; a larger one takes more."""
STEP_SECONDS = 0.1
NO_VARIATION = (
    "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint."
)
STATUSES = ("instock", "outofstock", "onbackorder")
BACKORDERS = ("no", "notify", "yes")
WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False, "parent": False}


class Silent(Exception):
    """There is no answer; what was asked for is done later."""


@dataclass(frozen=True)
class Asked:
    """One item of a call, in exact types; ``identifier`` is 0 where it names none."""

    identifier: int
    given: JSON


class Stocking:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.dice = random.Random(f"{shop.seed}:writes")

    # --- the routes

    async def product(self, request: web.Request) -> Answer:
        return await self.one(request, 0, int(request.match_info["id"]))

    async def variation(self, request: web.Request) -> Answer:
        return await self.one(request, int(request.match_info["id"]), int(request.match_info["variation"]))

    async def products(self, request: web.Request) -> Answer:
        return await self.batch(request, 0)

    async def variations(self, request: web.Request) -> Answer:
        return await self.batch(request, int(request.match_info["id"]))

    async def one(self, request: web.Request, parent: int, identifier: int) -> Answer:
        given = await body_of(request)
        check(given, of_variation=bool(parent))
        (done,) = await self.worked(parent, [Asked(identifier, coerced(given))])
        if isinstance(done, Refused):
            raise done
        return Answer(self.view(request, parent, done))

    async def batch(self, request: web.Request, parent: int) -> Answer:
        """Inside a batch nothing is checked: what is no number is none, half a piece is left out (recorded)."""
        given = await body_of(request)
        parts = {name: given.get(name) or [] for name in ("create", "update", "delete")}
        if sum(len(part) for part in parts.values()) > MOST_ITEMS:
            message = f"Unable to accept more than {MOST_ITEMS} items for this request."
            raise Refused(413, "woocommerce_rest_request_entity_too_large", message)
        items = [in_a_batch(one) for one in parts["update"]]
        done = await self.worked(parent, items)
        shown = [self.in_batch(request, parent, one, of) for one, of in zip(items, done, strict=True)]
        refused = {name: [unknown_here(one) for one in parts[name]] for name in ("create", "delete") if parts[name]}
        return Answer({**refused, **({"update": shown} if items else {})})

    def in_batch(self, request: web.Request, parent: int, asked: Asked, done: JSON | Refused) -> JSON:
        if isinstance(done, Refused):
            return {"id": asked.identifier, "error": done.body}
        return self.view(request, parent, done)

    def view(self, request: web.Request, parent: int, kept: JSON) -> JSON:
        view = self.shop.view(home(request))
        return view.variation(kept) if parent else view.product(kept)

    # --- the work

    async def worked(self, parent: int, items: Sequence[Asked]) -> list[JSON | Refused]:
        """By one of PHP's workers; it goes on when the client leaves. Raises `Silent` and `Refused`."""
        strikes, value = self.shop.world.faults.strikes, self.shop.world.faults.value
        late = value("stock_late_ms") / 1000 if await strikes("stock_late") else 0.0
        broken = len(items) > 1 and await strikes("batch_500")

        async def job() -> list[JSON | Refused]:
            await anyio.sleep(late)
            return await self.stepwise(parent, items[: len(items) // 2] if broken else items, len(items))

        if late:
            self.shop.workers.begin(job)
            raise Silent
        done = await self.shop.workers.done(job)
        if broken:
            raise Refused(500, "internal_server_error", CRITICAL, {"status": 500})
        return done

    async def stepwise(self, parent: int, items: Sequence[Asked], whole: int) -> list[JSON | Refused]:
        """A few at a time, so long as the call takes; what our own books need is in it."""
        seconds, began = self.seconds(whole), anyio.current_time()
        steps = max(1, min(len(items), round(seconds / STEP_SECONDS)))
        done: list[JSON | Refused] = []
        for step in range(steps):
            await anyio.sleep_until(began + seconds * (step + 1) / steps)
            done += await self.written(parent, items[len(items) * step // steps : len(items) * (step + 1) // steps])
        if done and await self.shop.world.faults.strikes("plugin_counts"):
            await self.meddle(done[0])
        return done

    def seconds(self, items: int) -> float:
        value = self.shop.world.faults.value
        least, most = value("write_least_ms") / 1000, value("write_most_ms") / 1000
        return self.dice.uniform(least, max(least, most)) * max(1.0, items / USUAL_ITEMS)

    async def written(self, parent: int, items: Sequence[Asked]) -> list[JSON | Refused]:
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> list[JSON | Refused]:
            return [self.write(connection, parent, one, moment) for one in items]

        done = await self.shop.books.write(unit)
        self.shop.rung()
        return done

    def write(self, connection: sqlite3.Connection, parent: int, asked: Asked, moment: Moment) -> JSON | Refused:
        kept = season.stored(connection, asked.identifier)
        refused = no_product(kept) if not parent else no_variation(kept, parent)
        if refused is not None or kept is None:
            return refused or invalid_id("product")
        changed = counting.write(connection, kept, asked.given, Cause(moment.now, "api"))
        self.shop.ring(connection, asked.identifier, moment, ("product.updated",))
        (shown,) = counting.as_shown(connection, [changed])
        return shown

    async def meddle(self, done: JSON | Refused) -> None:
        """A plugin counts what was just written anew, and finds one piece less."""
        moment = await self.shop.moment()
        if isinstance(done, Refused) or not isinstance(done["stock_quantity"], int):
            return
        fewer = {"stock_quantity": done["stock_quantity"] - 1}

        def unit(connection: sqlite3.Connection) -> None:
            kept = season.stored(connection, done["id"])
            if kept is not None:
                counting.write(connection, kept, fewer, Cause(moment.now, "admin", why="a plugin"))

        await self.shop.books.write(unit)


# --- what cannot be written


def no_product(kept: JSON | None) -> Refused | None:
    """A wrong id is a 400 here (WooCommerce's source; no recording has it), a variation's a 404 (recorded)."""
    if kept is None:
        return Refused(400, "woocommerce_rest_product_invalid_id", "Invalid ID.")
    if kept["type"] == "variation":
        return Refused(404, "woocommerce_rest_invalid_product_id", NO_VARIATION)
    return None


def no_variation(kept: JSON | None, parent: int) -> Refused | None:
    return None if kept is not None and kept["parent_id"] == parent else invalid_id("product_variation")


def unknown_here(item: Any) -> JSON:
    """Products are neither made nor deleted through this sandbox's API."""
    refused = Refused(501, "sandbox_not_simulated", "This sandbox makes and deletes no products.")
    return {"id": item.get("id", 0) if isinstance(item, Mapping) else item, "error": refused.body}


# --- what stands in a body


def check(given: JSON, *, of_variation: bool) -> None:
    """As WordPress checks a call of its own; raises `Refused` (400)."""
    faults: dict[str, Fault] = {}
    if not is_whole(given.get("stock_quantity")):
        faults["stock_quantity"] = ("rest_invalid_type", "stock_quantity is not of type integer.")
    if "manage_stock" in given and not is_managed(given["manage_stock"], of_variation=of_variation):
        kind = "boolean,string" if of_variation else "boolean"
        faults["manage_stock"] = ("rest_invalid_type", f"manage_stock is not of type {kind}.")
    for name, words in (("stock_status", STATUSES), ("backorders", BACKORDERS)):
        if name in given and given[name] not in words:
            faults[name] = ("rest_not_in_enum", f"{name} is not one of {listed(words)}.")
    if faults:
        raise invalid(faults)


def is_whole(value: Any) -> bool:
    """Null is, and is read as none (recorded)."""
    if isinstance(value, str):
        return value.removeprefix("-").isdigit()
    return value is None or (not isinstance(value, bool) and isinstance(value, int | float) and value == int(value))


def is_managed(value: Any, *, of_variation: bool) -> bool:
    return isinstance(value, bool) or value in (0, 1, "0", "1", "true", "false") or (of_variation and value == "parent")


def in_a_batch(given: Any) -> Asked:
    """What is null there, was not given."""
    named = {key: value for key, value in given.items() if value is not None} if isinstance(given, Mapping) else {}
    return Asked(php_int(named.get("id")), coerced(named))


def coerced(given: Mapping[str, Any]) -> JSON:
    """In exact types, as PHP reads them; only what is simulated."""
    read: JSON = {name: given[name] for name in ("stock_status", "backorders") if name in given}
    if "stock_quantity" in given:
        read["stock_quantity"] = php_int(given["stock_quantity"])
    if "manage_stock" in given:
        read["manage_stock"] = WORDS.get(str(given["manage_stock"]).lower(), False)
    return read


def php_int(value: Any) -> int:
    if isinstance(value, bool | int | float):
        return int(value)
    digits = str(value or "").strip()
    sign, rest = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole = rest[: next((at for at, letter in enumerate(rest) if not letter.isdigit()), len(rest))]
    return int(sign + whole) if whole else 0
