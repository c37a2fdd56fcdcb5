"""Orders as they are now, each put together into one document from as few answers as it needs.

1. order     one call each, with its consignments, their lines and its fees
2. lines     paged to the end, where the answer holds fewer pieces than the order says it has
3. taxes     by name and rate, where there is any tax; coupons, where lines do not account for what they took off
4. refunds   of all that were refunded, in one call
5. variants  of all their lines, in one call: a line's own SKU may be that of its product
6. counting  when orders of its channel move the store's numbers: asked for once an hour

The order comes first: what changes while the rest is read leaves an older stamp on the document, and the list shows
the newer one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

import orjson

from bcbridge.connectors.base import Document
from bcbridge.connectors.bigcommerce.client import Client, Data, OddAnswer, Reply, as_agreed, together
from bcbridge.connectors.bigcommerce.counting import Behaviours
from bcbridge.connectors.bigcommerce.dates import moment
from bcbridge.connectors.bigcommerce.failures import Missing
from bcbridge.connectors.bigcommerce.heads import ORDERS_PATH, is_order
from bcbridge.connectors.budget import Share
from bcbridge.errors import Retry
from bcbridge.model.ids import Noun, Ref

T = TypeVar("T")

ORDERS = Noun("orders")
ORDER_ID = re.compile(r"[1-9][0-9]{0,17}")
INCLUDE = {"include": "consignments.line_items,fees", "consignment_structure": "object"}
ORDERS_A_CALL, PRODUCTS_A_CALL = 50, 100
"""How many ids one call names: a long address is refused by some gateways."""
USUAL_PAGE = 50
"""Where BigCommerce cuts a list nobody limits. Lines that fill it may be cut though the pieces fit: of bundles whose
parts it does not count."""
REFUNDED_STATUSES = (4, 14)
REFUNDED_PAYMENTS = ("refunded", "partially refunded")
ODD = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)
"""What taking a document apart raises where it is not built as the API says."""


@dataclass(slots=True)
class _Whole:
    """One order being made whole."""

    ref: Ref
    order: Data
    asked: datetime
    more: Data = field(default_factory=dict)
    modified: datetime | None = None
    was_refunded: bool = False
    variants: dict[int, int] = field(default_factory=dict)
    """Product by variant, of every line that names both."""
    oddity: str = ""

    @property
    def lines(self) -> list[Data]:
        return self.more["products"] if "products" in self.more else _lines(self.order)

    def document(self) -> Document:
        """One that is built oddly is kept as it came, for ``read`` to refuse."""
        body = {"unreadable": self.oddity, "order": self.order} if self.oddity else {"order": self.order, **self.more}
        return Document(ORDERS, self.ref, self.modified or self.asked, self.asked, _bytes(body))

    def none_of_ours(self) -> list[Document]:
        """As of when, and nothing of what is in it; not at all where it does not say."""
        try:
            return [Document(ORDERS, self.ref, moment(self.order["date_modified"]), self.asked, b"", gone=True)]
        except ODD:
            return []


class Details:
    """Fetches order documents. ``channels``: those whose orders are ours; none: all of them."""

    def __init__(self, client: Client, channels: Sequence[int], behaviours: Behaviours) -> None:
        self._client = client
        self._channels = frozenset(channels)
        self._behaviours = behaviours

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """One document per order that is there, in the order asked; refs that name no order are absent, and what is
        shown and no order of ours (an abandoned checkout, archived, another channel's) is ``gone``."""
        asked = [ref for ref in dict.fromkeys(refs) if ORDER_ID.fullmatch(ref)]
        replies = await together([partial(self._order, ref) for ref in asked])
        if None in replies and not any(replies):
            await self._prove()
        found = [_Whole(ref, one.content, one.asked) for ref, one in zip(asked, replies, strict=True) if one]
        ours = [whole for whole in found if self._is_ours(whole)]
        others = [one for whole in found if not self._is_ours(whole) for one in whole.none_of_ours()]
        there = await together([partial(self._complete, whole) for whole in ours])
        kept = [whole for whole, is_there in zip(ours, there, strict=True) if is_there]
        await self._refunds(kept)
        await self._variants(kept)
        await self._counting(kept)
        documents = {one.ref: one for one in (*others, *(whole.document() for whole in kept))}
        return [documents[ref] for ref in asked if ref in documents]

    async def _order(self, ref: Ref) -> Reply | None:
        try:
            reply = await self._client.get(f"{ORDERS_PATH}/{ref}", INCLUDE)
        except Missing:
            return None
        return None if reply.content is None else reply

    async def _prove(self) -> None:
        """Nothing was there: that counts only where something else is. Raises what asking for the store raises."""
        await self._client.get("/v2/store")

    def _is_ours(self, whole: _Whole) -> bool:
        try:
            return is_order(whole.order) and (not self._channels or whole.order["channel_id"] in self._channels)
        except ODD:
            return True

    async def _complete(self, whole: _Whole) -> bool:
        """What an order has more of than one answer holds. False where it is gone meanwhile; raises Retry where only
        a part of it is not to be found."""
        try:
            await self._rest(whole)
        except Missing:
            if await self._order(whole.ref) is not None:
                raise Retry("a part of an order is not there, though the order is") from None
            return False
        except (*ODD, OddAnswer) as odd:
            whole.oddity = type(odd).__name__
        return True

    async def _rest(self, whole: _Whole) -> None:
        order, path = whole.order, f"{ORDERS_PATH}/{whole.ref}"
        whole.modified = moment(order["date_modified"])
        products = await every_line(self._client, whole.ref, order)
        if products is not None:
            whole.more["products"] = products
        if _amount(order["total_tax"]):
            whole.more["taxes"] = await self._client.all_v2(f"{path}/taxes", {"details": "true"})
        if not _accounts_for(whole.lines, order):
            whole.more["coupons"] = await self._client.all_v2(f"{path}/coupons")
        whole.was_refunded = _was_refunded(order, whole.lines)
        whole.variants = _variants_of(whole.lines)

    async def _refunds(self, wholes: Sequence[_Whole]) -> None:
        refunded = {str(whole.ref): whole for whole in wholes if whole.was_refunded}
        for ids in _some(list(refunded), ORDERS_A_CALL):
            rows = await self._client.all_v3("/v3/orders/payment_actions/refunds", {"order_id:in": ",".join(ids)})
            with as_agreed("refunds"):
                for row in rows:
                    if (whole := refunded.get(str(row["order_id"]))) is not None:
                        whole.more.setdefault("refunds", []).append(row)

    async def _variants(self, wholes: Sequence[_Whole]) -> None:
        products = sorted({product for whole in wholes for product in whole.variants.values()})
        known: dict[int, Data] = {}
        for some in _some(products, PRODUCTS_A_CALL):
            known |= await self._variants_in(some)
        for whole in wholes:
            whole.more["variants"] = {str(variant): known[variant] for variant in whole.variants if variant in known}

    async def _counting(self, wholes: Sequence[_Whole]) -> None:
        for whole in wholes:
            if not isinstance(whole.order, dict):  # one that is kept as it came
                continue
            channel = whole.order.get("channel_id")
            found = await self._behaviours.of(channel if isinstance(channel, int) else None)
            if found is not None:
                whole.more["counting"] = {"at_order": found.at_order, "gives_back": found.gives_back}

    async def _variants_in(self, products: Iterable[int]) -> dict[int, Data]:
        """SKU and UPC of every variant of some products, by its id. There is no filter by several variants' ids."""
        params = {"product_id:in": ",".join(map(str, products)), "include_fields": "sku,upc,product_id"}
        try:
            rows = await self._client.all_v3("/v3/catalog/variants", params)
        except Missing:  # of products that are all deleted there may be nothing to list
            return {}
        with as_agreed("variants"):
            return {row["id"]: {"sku": row.get("sku"), "upc": row.get("upc")} for row in rows}


async def every_line(client: Client, ref: Ref, order: Data, *, share: Share = Share.NORMAL) -> list[Data] | None:
    """Every line of an order, where the consignments of its answer were cut; None where they hold them all. Where these
    were a link alone they are put in its place."""
    path = f"{ORDERS_PATH}/{ref}"
    if "shipping" not in order["consignments"]:
        order["consignments"] = (await client.get(f"{path}/consignments", share=share)).content
    return await client.all_v2(f"{path}/products", share=share) if _is_cut(order) else None


def _some(many: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (many[start : start + size] for start in range(0, len(many), size))


def _lines(order: Data) -> list[Data]:
    """The lines nested in the order's consignments; a link to a line is none."""
    told = order["consignments"]
    places = [*(told.get("shipping") or ()), *(told.get("pickups") or ()), *(told.get("downloads") or ())]
    places += (told.get("email") or {}).get("gift_certificates") or ()
    return [line for place in places for line in place.get("line_items") or () if "id" in line]


def _is_cut(order: Data) -> bool:
    """Fewer, or other, pieces than the order says; whether it counts a bundle's parts is not stated."""
    lines = _lines(order)
    said = int(order["items_total"])
    counted = {sum(line["quantity"] for line in some) for some in (lines, _own(lines))}
    return said not in counted or len(lines) >= USUAL_PAGE


def _own(lines: Iterable[Data]) -> list[Data]:
    return [line for line in lines if not line.get("parent_order_product_id")]


def _accounts_for(lines: Iterable[Data], order: Data) -> bool:
    """Whether the lines' own discounts are all that the order's totals took off."""
    taken = sum((_amount(one["amount"]) for line in lines for one in line.get("applied_discounts") or ()), Decimal(0))
    off = _amount(order.get("discount_amount") or 0) + _amount(order.get("coupon_discount") or 0)
    return not _amount(order.get("coupon_discount") or 0) or abs(taken - off) < Decimal("0.01")


def _was_refunded(order: Data, lines: Iterable[Data]) -> bool:
    said = order["status_id"] in REFUNDED_STATUSES or order.get("payment_status") in REFUNDED_PAYMENTS
    return said or any(line.get("quantity_refunded") for line in lines)


def _variants_of(lines: Iterable[Data]) -> dict[int, int]:
    named = ((line.get("variant_id"), line.get("product_id")) for line in lines)
    return {v: p for v, p in named if isinstance(v, int) and isinstance(p, int) and v > 0 and p > 0}


def _amount(value: object) -> Decimal:
    return Decimal(str(value))


def _bytes(document: Data) -> bytes:
    """JSON as they sent it; text that is no UTF-8 (half a surrogate pair) stays escaped, for ``read`` to refuse."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document).encode()
